"""Text files into lines: one file, the files of a folder or of a zip file, gzipped or not; what is broken is named."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from neuropil.data.archive import MAX_FILE_BYTES, Archive, UnusableFile, open_archive, open_file
from neuropil.data.faults import is_noting, refuse
from neuropil.data.picture_layout import PART_NAMES
from neuropil.errors import InputError
from neuropil.sequences import python_docs

__all__ = ["MAX_LINE", "Cells", "TextFile", "cells_of", "decoded", "part_of", "plain_name", "read_text", "text_store"]

MAX_LINE = 100_000
"""Characters in one line at most, where a line is one sample."""

PARTS = {**PART_NAMES, "dev": "valid", "devel": "valid", "development": "valid", "tst": "test", "trn": "train"}
"""Words in a file's name, or names of folders, that are parts of the data."""

NOTES = ("README", "LICENSE", "LICENCE", "SHA256SUMS", "CITATION")
"""How files begin that speak of the data."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A decoded text file.

    Args:
        where: the file, for messages.
        name: below its folder or inside its zip file.
        lines: without their ends.
    """

    where: str
    name: str
    lines: list[str]

    def place(self, line: int) -> str:
        """How to call a line, counted from 1."""
        return f"{self.where}, line {line}"

    def check_lines(self) -> None:
        """Refuse lines that are too long to be one sample.

        Raises:
            InputError: there is one.
        """
        for number, line in enumerate(self.lines, 1):
            if len(line) > MAX_LINE:
                refuse(
                    self.place(number),
                    f"it has {len(line):,} characters, at most {MAX_LINE:,} are read as one sample; put each sample on "
                    "a line of its own",
                )


class _OneFile:
    """A single file in the manner of an archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.where = str(path)
        self.files: tuple[str, ...] = (path.name,)
        self.folders: frozenset[str] = frozenset()

    def open(self, name: str) -> IO[bytes]:
        """The file itself; see `open_file`."""
        return open_file(self._path)


def text_store(root: str | Path) -> Archive:
    """A folder, a zip file, or a single file as if it lay in a folder by itself; `python_docs`, if no path, is that.

    Raises:
        InputError: there is no such path, or it cannot be read.
    """
    place = Path(root).expanduser()
    if str(root) == python_docs.NAME and not place.exists():
        return python_docs.PythonDocs()
    if place.is_file() and place.suffix.lower() != ".zip":
        return _OneFile(place)
    return open_archive(place)


def usable_names(store: Archive, leave_out: Sequence[str] = ()) -> list[str]:
    """The files that may hold data: those that speak of the data, and those to be left out, are not among them.

    Args:
        store: a folder, zip file or file.
        leave_out: patterns of names, such as `test_2017*`.

    Raises:
        InputError: nothing is left, or a pattern fits no file.
    """
    known = [name for name in store.files if not PurePosixPath(name).name.startswith(NOTES)]
    for pattern in leave_out:
        if not any(_fits(name, pattern) for name in known):
            raise InputError(f"leave_out={pattern!r} fits no file of {store.where!r}; it holds {', '.join(known[:8])}")
    left = [name for name in known if not any(_fits(name, pattern) for pattern in leave_out)]
    if not left:
        raise InputError(f"{store.where!r} holds no file to read; give a file, or a folder that holds some")
    return left


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(PurePosixPath(name).name, pattern)


def plain_name(name: str) -> str:
    """A file's name without folders and without `.gz`.

    Example:
        >>> plain_name("multi30k/train.de.gz")
        'train.de'
    """
    return PurePosixPath(name).name.removesuffix(".gz")


def part_of(name: str) -> str | None:
    """The part that a file's name, or a folder that it lies in, says.

    Example:
        >>> [part_of(name) for name in ("en_ewt-ud-dev.conllu.gz", "8k.testImages.txt", "train/pos.txt", "a.txt")]
        ['valid', 'test', 'train', None]
    """
    path = PurePosixPath(name)
    words = re.findall("[A-Z]?[a-z]+|[A-Z]+", path.name)
    return next(
        (PARTS[word] for word in (*(one.lower() for one in (*path.parts[:-1], *words)),)[::-1] if word in PARTS), None
    )


def content_of(store: Archive, name: str, most: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a file, unpacked where its name ends in `.gz`.

    Raises:
        InputError: it cannot be read, or is larger than `most`.
    """
    where = called(store, name)
    try:
        with store.open(name) as file:
            if name.lower().endswith(".gz"):
                with gzip.open(file) as unpacked:
                    content = unpacked.read(most + 1)
            else:
                content = file.read(most + 1)
    except UnusableFile as error:
        raise InputError(f"{where}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{where}: it cannot be unpacked ({error}); pack it again") from error
    if len(content) > most:
        raise InputError(f"{where} has more than {most:,} bytes; split it")
    return content


def called(store: Archive, name: str) -> str:
    """How to call a file in a message."""
    return store.where if isinstance(store, _OneFile) else f"{store.where}: {name}"


def decoded(where: str, content: bytes, encoding: str = "utf-8") -> str:
    """Bytes as text, a byte-order mark taken off.

    Raises:
        InputError: no such encoding, text in another one, or a NUL byte; file and line are named.
    """
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        text = content.decode(name)
    except LookupError as error:
        raise InputError(f"encoding={encoding!r} is unknown; give utf-8, cp949, latin-1 or the like") from error
    except UnicodeError as error:
        if is_noting():
            return _mended(where, content, name, encoding)
        begin = getattr(error, "start", 0)
        line = content[:begin].decode(name, "ignore").count("\n") + 1
        raise InputError(
            f"{where}, line {line}: this is not {encoding.upper()} text; save the file as UTF-8, or say encoding=cp949 "
            "(Korean), encoding=latin-1 (Western) or another"
        ) from error
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        refuse(
            f"{where}, line {line}", "it holds a NUL byte, which no text does; repair the file, or say encoding=utf-16"
        )
    return text


def _mended(where: str, content: bytes, name: str, encoding: str) -> str:
    """The text with what cannot be decoded replaced; every such line is noted."""
    lines = content.decode(name, "replace").split("\n")
    plain = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        wrong = "\ufffd" in line
        if wrong and len(plain) == len(lines):
            wrong = "\ufffd".encode() not in plain[number - 1]  # else the file itself holds the sign
        if wrong:
            refuse(f"{where}, line {number}", f"this is not {encoding.upper()} text; save the file as UTF-8")
    return "\n".join(lines)


def lines_of(text: str) -> list[str]:
    """The lines of a text; only line feeds (and the carriage returns before them) end one."""
    lines = text.split("\n") if "\n" in text or "\r" not in text else text.split("\r")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_text(store: Archive, name: str, encoding: str = "utf-8") -> TextFile:
    """One file as lines.

    Raises:
        InputError: it cannot be read, is empty, or is no text of this encoding.
    """
    where = called(store, name)
    text = decoded(where, content_of(store, name), encoding)
    if not text.strip():
        raise InputError(f"{where} is empty; give a file that holds text")
    return TextFile(where, name, lines_of(text))


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a text table."""

    cells: list[str]
    line: int


def cells_of(file: TextFile, delimiter: str) -> Iterator[Cells]:
    """The rows of a file that are not empty; quotes count between commas and semicolons, not between tabs.

    Raises:
        InputError: broken quotes.
    """
    if delimiter == "\t":
        for number, line in enumerate(file.lines, 1):
            if line.strip():
                yield Cells([cell.strip() for cell in line.split("\t")], number)
        return
    reader = csv.reader((f"{line}\n" for line in file.lines), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield Cells([cell.strip() for cell in row], begin)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{file.place(begin)}: {error}; correct the quotes of this line") from error
