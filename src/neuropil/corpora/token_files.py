"""Tokens kept in a file and read through the memory map, for texts larger than memory.

A token file begins with 4,096 bytes: `neuropil tokens`, a line feed and one JSON object, filled up with spaces. The
object
names the version, the facts that the tokens hang on (the sources' SHA-256, how they are read), and the sections: where
each
begins, what it holds and how many. Tokens are little-endian uint16 where the vocabulary is that small, else uint32.

A file is written under another name and renamed when it is whole, so that a half-written one never counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from neuropil.errors import InputError
from neuropil.files import sync_directory

__all__ = ["TokenFile", "Writing", "open_token_file", "token_file_place", "token_type", "write_token_file"]

Array = np.ndarray[Any, Any]

MAGIC = b"neuropil tokens\n"

VERSION = 1

HEAD_BYTES = 4096

ALIGNMENT_BYTES = 64


def token_type(entries: int) -> str:
    """The type that holds the numbers 0 to `entries` - 1.

    Raises:
        InputError: no such type is written.

    Example:
        >>> token_type(65_536), token_type(65_537)
        ('<u2', '<u4')
    """
    if entries > 1 << 32:
        raise InputError(f"a vocabulary of {entries:,} entries does not fit 32 bits; give a smaller one")
    return "<u2" if entries <= 1 << 16 else "<u4"


class TokenFile:
    """An open token file.

    Args:
        path: the file.
        sections: name -> where it begins, its type, how many values.
    """

    def __init__(self, path: Path, sections: Mapping[str, tuple[int, str, int]]) -> None:
        self.path, self._sections = path, sections

    def __contains__(self, name: object) -> bool:
        return name in self._sections

    def section(self, name: str) -> Array:
        """The values of one section, read from the disk only where they are looked at.

        Raises:
            InputError: there is no such section.
        """
        if name not in self._sections:
            raise InputError(
                f"the token file {str(self.path)!r} has no section {name!r}; remove it, it is written again"
            )
        begin, kind, count = self._sections[name]
        if not count:
            return np.empty(0, dtype=kind)
        return np.memmap(self.path, dtype=kind, mode="r", offset=begin, shape=(count,))

    def record(self) -> dict[str, Any]:
        """The JSON object of the section `record`.

        Raises:
            InputError: it is damaged.
        """
        try:
            found: dict[str, Any] = json.loads(self.section("record").tobytes())
        except ValueError as error:
            raise InputError(
                f"the token file {str(self.path)!r} is damaged ({error}); remove it, it is written again"
            ) from error
        return found


class Writing:
    """A token file under way.

    Args:
        file: open for writing, behind its head.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sections: dict[str, tuple[int, str, int]] = {}

    def add(self, name: str, kind: str, rows: Iterable[Array]) -> int:
        """Write a section row by row; gives how many values it has.

        Raises:
            InputError: a value outside the type.
        """
        self._file.write(b"\0" * (-self._file.tell() % ALIGNMENT_BYTES))
        begin, count, most = self._file.tell(), 0, int(np.iinfo(kind).max)
        for row in rows:
            if len(row) and not 0 <= int(row.min()) <= int(row.max()) <= most:
                wrong = int(row.max()) if int(row.max()) > most else int(row.min())
                raise InputError(
                    f"the number {wrong:,} does not fit a token file of {8 * np.dtype(kind).itemsize} bits, 0 to "
                    f"{most:,}; build the file with the vocabulary that made the tokens"
                )
            self._file.write(np.ascontiguousarray(row, dtype=kind).tobytes())
            count += len(row)
        self.sections[name] = (begin, kind, count)
        return count

    def add_record(self, record: Mapping[str, Any]) -> None:
        """Write a JSON object as the section `record`."""
        self.add("record", "|u1", [np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)])


@contextmanager
def write_token_file(path: Path, facts: Mapping[str, Any]) -> Iterator[Writing]:
    """Write a token file; it is there under its name only when the block has ended without an error.

    Args:
        path: the file.
        facts: what its tokens hang on; plain JSON values.

    Raises:
        InputError: it cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     place = Path(folder) / "tokens.bin"
        ...     with write_token_file(place, {"sources": "abc"}) as file:
        ...         count = file.add("train", "<u2", [np.array([5, 6]), np.array([7])])
        ...     found = open_token_file(place, {"sources": "abc"})
        ...     found.section("train").tolist()
        [5, 6, 7]
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(b" " * HEAD_BYTES)
            writing = Writing(file)
            yield writing
            head = MAGIC + json.dumps({"version": VERSION, "facts": facts, "sections": writing.sections}).encode()
            if len(head) > HEAD_BYTES:
                raise InputError(f"the head of {str(path)!r} has {len(head)} bytes, {HEAD_BYTES} at most are written")
            file.seek(0)
            file.write(head)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise InputError(f"the token file {str(path)!r} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def open_token_file(path: Path, facts: Mapping[str, Any]) -> TokenFile | str:
    """A token file of these facts; or why there is none that can be used, in words.

    Raises:
        InputError: the file is there, but was written by something else, so that it must not be replaced.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return "there was none"
    except OSError as error:
        raise InputError(f"the token file {str(path)!r} cannot be read: {error.strerror}") from error
    if not head.startswith(MAGIC):
        raise InputError(
            f"{str(path)!r} is no token file, and is left as it is; name another place with data.token_file="
        )
    try:
        document = json.loads(head.removeprefix(MAGIC))
        known, version = document["facts"], document["version"]
        sections = {
            str(name): (int(begin), str(np.dtype(kind).str), int(count))
            for name, (begin, kind, count) in document["sections"].items()
        }
        whole = all(begin + np.dtype(kind).itemsize * count <= size for begin, kind, count in sections.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its head was damaged"
    if version != VERSION:
        return f"it was of version {version}"
    if not whole:
        return "it was cut short"
    wanted = json.loads(json.dumps(facts))
    if known != wanted:
        changed = [name for name in wanted if not isinstance(known, dict) or known.get(name) != wanted[name]]
        return f"it was of other {', '.join(changed or ['facts'])}"
    return TokenFile(path, sections)


def token_file_place(given: str) -> Path:
    """The file that a name stands for: itself, or `tokens.bin` in a folder of that name.

    Example:
        >>> token_file_place("kept/novel.bin").name, token_file_place("kept/").name
        ('novel.bin', 'tokens.bin')
    """
    place = Path(given).expanduser()
    return place / "tokens.bin" if given.endswith(("/", os.sep)) or place.is_dir() else place
