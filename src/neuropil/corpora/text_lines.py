"""The lines of text files, one after another: so a text larger than memory can be read."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from neuropil.data.archive import Archive, UnusableFile
from neuropil.errors import InputError
from neuropil.sequences.text_files import called, decoded, lines_of, read_text
from neuropil.sequences.tokens import composed

__all__ = ["BETWEEN", "Documents", "chunks", "content_hash", "lines_in", "marked", "settled_documents"]

BETWEEN = "\0"
"""What stands between two documents while a text is read; no text holds it."""

Documents = Literal["files", "blocks", "token"]
"""Where documents end: with a file, at an empty line, or at an end-of-text token."""

END_OF_TEXT = "<|endoftext|>"

CHUNK = 1 << 18
"""Characters that are made into tokens together, about."""

BLOCK_BYTES = 1 << 20


@contextmanager
def _opened(store: Archive, name: str) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked where its name ends in `.gz`; files of a folder may be of any size.

    Raises:
        InputError: it cannot be read.
    """
    where, root = called(store, name), Path(store.where)
    place = root if root.is_file() else root / name
    own = place.is_file() and root.suffix.lower() != ".zip"
    try:
        with place.open("rb") if own else store.open(name) as file:
            if name.lower().endswith(".gz"):
                with gzip.open(file) as unpacked:
                    yield unpacked  # type: ignore[misc]
            else:
                yield file
    except UnusableFile as error:
        raise InputError(f"{where}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{where}: it cannot be read ({error}); put it back, or pack it again") from error


def content_hash(store: Archive, names: Sequence[str]) -> str:
    """The SHA-256 of some files' names and contents.

    Raises:
        InputError: one cannot be read.
    """
    found = hashlib.sha256()
    for name in names:
        found.update(f"{len(name)} {name} ".encode())
        with _opened(store, name) as file:
            while block := file.read(BLOCK_BYTES):
                found.update(block)
    return found.hexdigest()


def lines_in(store: Archive, name: str, encoding: str, *, compose: bool, lower: bool) -> Iterator[str]:
    """The lines of one file, each with a line feed at its end.

    Args:
        store: where the file lies.
        name: of the file.
        encoding: of the file.
        compose: bring characters to Unicode's composed form.
        lower: read capital letters as small ones.

    Raises:
        InputError: it cannot be read, is empty, or is no text of this encoding; file and line are named.
    """
    full = False
    for line in _raw_lines(store, name, encoding):
        full = full or not line.isspace()
        ready = composed(line) if compose else line
        yield f"{ready.lower() if lower else ready}\n"
    if not full:
        raise InputError(f"{called(store, name)} is empty; give a file that holds text")


def _raw_lines(store: Archive, name: str, encoding: str) -> Iterator[str]:
    if not _is_line_by_line(encoding):
        yield from read_text(store, name, encoding).lines
        return
    where = called(store, name)
    with _opened(store, name) as file:
        for number, raw in enumerate(file):
            try:
                line = decoded(where, raw, encoding)
            except InputError as error:
                raise InputError(str(error).replace(f"{where}, line 1:", f"{where}, line {number + 1}:", 1)) from error
            yield from lines_of(line) or [""]


def _is_line_by_line(encoding: str) -> bool:
    """Whether a line feed is one byte, that no other character holds."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return False  # whoever decodes it says so
    return not name.startswith(("utf-16", "utf-32", "utf-7", "iso2022", "hz"))


def settled_documents(asked: bool | Documents, store: Archive, names: Sequence[str], encoding: str) -> Documents | None:
    """Where documents end: as asked; else at `<|endoftext|>` where the first file holds it, else with each of several
    files, else at empty lines.

    Raises:
        InputError: the first file cannot be read.
    """
    if asked is False:
        return None
    if asked is not True:
        return asked
    head = "".join(line for line, _ in zip(_raw_lines(store, names[0], encoding), range(20_000), strict=False))
    if END_OF_TEXT in head:
        return "token"
    return "files" if len(names) > 1 else "blocks"


def marked(files: Iterable[Iterable[str]], documents: Documents | None) -> Iterator[str]:
    r"""The lines of files, with `BETWEEN` where a document ends.

    Example:
        >>> list(marked([["a\n", "\n", "b\n"], ["c\n"]], "blocks"))
        ['a\n', '\x00', 'b\n', '\x00', 'c\n']
        >>> list(marked([["a\n", "\n"], ["c\n"]], None))
        ['a\n', '\n', 'c\n']
    """
    for number, lines in enumerate(files):
        if number and documents is not None:
            yield BETWEEN
        for line in lines:
            if documents == "blocks" and line.isspace():
                yield BETWEEN
            elif documents == "token":
                yield line.replace(END_OF_TEXT, BETWEEN)
            else:
                yield line


def chunks(lines: Iterable[str], *, size: int = CHUNK) -> Iterator[str]:
    r"""Lines put together to texts of about `size` characters, each document by itself.

    A text is cut only in front of a line feed behind something else than a space (or at a document's end), where no
    rule of any level puts a token across; where no such place comes, it grows.

    Example:
        >>> list(chunks(["ab\n", "cd\n", "\0", "e\n"], size=2))
        ['ab', '\ncd', '\n', '\x00', 'e', '\n']
    """
    kept: list[str] = []
    length = 0
    for line in lines:
        first, *others = line.split(BETWEEN)
        for document, text in enumerate((first, *others)):
            if document:
                if kept:
                    yield "".join(kept)
                yield BETWEEN
                kept, length = [], 0
            if not text:
                continue
            kept.append(text)
            length += len(text)
            if length >= size and len(text) > 1 and text.endswith("\n") and not text[-2].isspace():
                yield "".join(kept)[:-1]
                kept, length = ["\n"], 1
    if kept:
        yield "".join(kept)
