"""The run folder: everything that one run leaves behind, and the lock that keeps a second process out.

runs/<task>/<name>-N/  recipe.toml  environment.json  metrics.jsonl  results.csv  plots/  report.html  checkpoints/
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from neuropil.errors import InputError, NeuropilError
from neuropil.files import sync_directory, write_atomic

__all__ = ["RunFolder"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RunFolder:
    """A run's folder on disk.

    Args:
        path: an existing folder; `create` makes a new one.

    Raises:
        InputError: `path` is not a folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError(f"there is no run folder at {str(path)!r}; give the folder that `train` named at its end")
        self._lock: IO[bytes] | None = None
        self._metrics: IO[bytes] | None = None

    @classmethod
    def create(cls, root: Path | str, task: str, name: str) -> RunFolder:
        """Make the next free `root/task/name-N`; two processes never get the same one.

        Raises:
            InputError: the name is no plain file name, or the folder cannot be written.
        """
        for part in (task, name):
            if not _NAME.fullmatch(part):
                raise InputError(f"a run cannot be named {part!r}; use letters, digits, '-', '_' and '.', at most 100")
        parent = Path(root) / task
        try:
            parent.mkdir(parents=True, exist_ok=True)
            taken = re.compile(re.escape(name) + r"-(\d+)")
            numbers = [int(found[1]) for entry in parent.iterdir() if (found := taken.fullmatch(entry.name))]
            number = max(numbers, default=0) + 1
            while True:
                try:
                    (parent / f"{name}-{number}").mkdir()
                    break
                except FileExistsError:
                    number += 1
            sync_directory(parent)
        except OSError as error:
            raise InputError(
                f"a run folder cannot be made in {str(parent)!r}: {error.strerror}; give a folder that can be written "
                "with runs=FOLDER"
            ) from error
        return cls(parent / f"{name}-{number}")

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints; may not exist yet."""
        return self.path / "checkpoints"

    def lock(self) -> None:
        """Claim the run for this process until `close`.

        Raises:
            NeuropilError: another process trains here.
        """
        try:
            import fcntl
        except ImportError:  # systems without flock run without the guard
            return
        try:
            handle = (self.path / ".lock").open("ab")
        except OSError as error:
            raise NeuropilError(
                f"{str(self.path)!r} cannot be written to: {error.strerror}; change its rights"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise NeuropilError(f"another process is training in {str(self.path)!r}; wait for it or stop it") from error
        self._lock = handle

    def close(self) -> None:
        """Give the lock and the open files back."""
        for handle in (self._metrics, self._lock):
            if handle is not None:
                with contextlib.suppress(OSError):  # of a full disk `log` has told already
                    handle.close()
        self._metrics = self._lock = None

    def write(self, name: str, content: bytes | str, *, durable: bool = True) -> Path:
        """Write one file of the run whole.

        Raises:
            NeuropilError: the disk refused.
        """
        path = self.path / name
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, content, durable=durable)
        except OSError as error:
            raise NeuropilError(f"{str(path)!r} could not be written: {error.strerror}; free some space") from error
        return path

    def log(self, row: Mapping[str, Any]) -> None:
        """Add one line to `metrics.jsonl`; a number that is not finite is written as null.

        Raises:
            NeuropilError: the disk refused.
        """
        try:
            if self._metrics is None:
                self._metrics = (self.path / "metrics.jsonl").open("ab")
            finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
            self._metrics.write(json.dumps(finite, allow_nan=False).encode() + b"\n")
            self._metrics.flush()
        except OSError as error:
            raise self._log_error(error) from error

    def synced_log_size(self) -> int:
        """Force the log to the disk; its size in bytes, to which a resumed run cuts it back.

        Raises:
            NeuropilError: the disk refused.
        """
        try:
            if self._metrics is None:
                path = self.path / "metrics.jsonl"
                return path.stat().st_size if path.exists() else 0
            os.fsync(self._metrics.fileno())
            return self._metrics.tell()
        except OSError as error:
            raise self._log_error(error) from error

    def cut_log(self, size: int) -> None:
        """Drop what was logged after the checkpoint that a resumed run starts from.

        Raises:
            NeuropilError: the disk refused.
        """
        path = self.path / "metrics.jsonl"
        try:
            if path.exists() and path.stat().st_size > size:
                os.truncate(path, size)
        except OSError as error:
            raise self._log_error(error) from error

    def _log_error(self, error: OSError) -> NeuropilError:
        return NeuropilError(f"metrics of {str(self.path)!r} could not be written: {error.strerror}; free some space")

    def history(self) -> list[dict[str, Any]]:
        """All rows of the log, oldest first; a last line that a kill cut short is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def write_results(self) -> None:
        """Write `results.csv`: one row an epoch, for spreadsheets."""
        rows = [row for row in self.history() if row.get("event") == "epoch"]
        columns = list(dict.fromkeys(key for row in rows for key in row if key != "event"))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write("results.csv", text.getvalue(), durable=False)
