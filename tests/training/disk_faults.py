"""A disk that refuses: each call that writes is counted, and one of them (or all from one on) fails."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

CALLS = ("fsync", "mkdir", "rename", "replace", "symlink", "unlink", "rmdir", "truncate")


class FaultyDisk:
    """Counts calls that write below a folder; fails where told to.

    Args:
        patch: puts the real calls back after the test.
        root: only what happens below this folder is counted (fsync: always).
    """

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = root
        self.calls: list[str] = []
        self.fail_at: int | None = None
        self.for_ever = False
        self.number = errno.ENOSPC
        for name in CALLS:
            patch.setattr(os, name, self._watched(name, getattr(os, name)))
        patch.setattr(os, "open", self._opened(os.open))
        patch.setattr(Path, "open", self._path_opened(Path.open))

    def count_only(self) -> None:
        self.calls.clear()
        self.fail_at = None

    def fail(self, call: int, number: int, *, for_ever: bool = False) -> None:
        self.calls.clear()
        self.fail_at, self.number, self.for_ever = call, number, for_ever

    def happen(self, what: str) -> None:
        place = len(self.calls)
        self.calls.append(what)
        if self.fail_at is not None and (place == self.fail_at or (self.for_ever and place > self.fail_at)):
            raise OSError(self.number, os.strerror(self.number), what)

    def _below(self, path: Any) -> bool:
        return isinstance(path, int) or str(self.root) in os.fspath(path)

    def _watched(self, name: str, real: Any) -> Any:
        def call(path: Any, *more: Any, **options: Any) -> Any:
            if self._below(path) or (more and isinstance(more[0], str | Path) and self._below(more[0])):
                self.happen(name)
            return real(path, *more, **options)

        return call

    def _opened(self, real: Any) -> Any:
        def call(path: Any, flags: int, *more: Any, **options: Any) -> Any:
            if not isinstance(path, int) and self._below(path):
                self.happen("open")
            return real(path, flags, *more, **options)

        return call

    def _path_opened(self, real: Any) -> Any:
        disk = self

        class Written(io.FileIO):
            """A file whose every write and flush may fail; half of the bytes of a failed write arrive."""

            def write(self, content: Any) -> int:
                try:
                    disk.happen("write")
                except OSError:
                    super().write(bytes(content)[: len(content) // 2])
                    raise
                return super().write(content)

        def call(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
            if "r" in mode or not disk._below(path):
                return real(path, mode, *more, **options)
            disk.happen("open")
            return io.BufferedWriter(Written(path, mode.replace("b", "")))

        return call
