"""Files that say what pictures show: `picture,caption` tables, and the form of Flickr8k."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from neuropil.data.archive import Archive
from neuropil.data.pictures import has_picture_name
from neuropil.errors import InputError
from neuropil.sequences.text_files import TextFile, part_of, plain_name, read_text

__all__ = ["Caption", "has_captions", "looks_like_captions", "read_captions", "split_lists"]


MOST_FILES = 50
"""More text files than this are not looked through for captions."""


class Caption(NamedTuple):
    """A sentence about a picture."""

    picture: str
    text: str
    where: str


def _picture(cell: str) -> str | None:
    """The picture that a first cell names, without the number of its caption (`a.jpg#3`).

    Such a number is enough: Flickr8k itself has captions of a picture `….jpg.1`.
    """
    name, _, number = cell.strip().partition("#")
    return name.strip() if has_picture_name(name.strip()) or number.isdecimal() else None


def _cut(line: str) -> tuple[str, str]:
    """The first cell of a line and the rest, at a tab or else at a comma outside of quotes."""
    if "\t" in line:
        first, _, rest = line.partition("\t")
        return first, rest.strip()
    if line.startswith('"') or ',"' in line:
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            return line, ""
        return (cells[0], ",".join(cells[1:]).strip()) if cells else ("", "")
    first, _, rest = line.partition(",")
    return first, rest.strip()


def looks_like_captions(lines: Sequence[str]) -> bool:
    """Whether nearly every line, but perhaps the first, holds a picture's name and a sentence."""
    cut = [_cut(line) for line in lines[:50] if line.strip()]
    fitting = [first for first, rest in cut if _picture(first) is not None and " " in rest]
    return len(fitting) >= max(1, len(cut) - 1) and len(fitting) > len(cut) / 2


def has_captions(store: Archive, names: Sequence[str]) -> bool:
    """Whether one of some text files holds captions; more than a few files are texts themselves."""
    found = _text_names(names)
    return len(found) <= MOST_FILES and any(looks_like_captions(_head(store, name)) for name in found)


def _text_names(names: Sequence[str]) -> list[str]:
    return [name for name in names if plain_name(name).lower().endswith((".txt", ".tsv", ".csv", ".token"))]


def _head(store: Archive, name: str) -> list[str]:
    try:
        return read_text(store, name).lines
    except InputError:
        return []


def read_captions(store: Archive, names: Sequence[str], encoding: str) -> list[Caption]:
    """The captions of all files that hold some.

    Raises:
        InputError: there is none, a line names no picture, or a caption is empty; file and line are named.
    """
    files = [read_text(store, name, encoding) for name in _text_names(names)]
    chosen = [file for file in files if looks_like_captions(file.lines)]
    if not chosen:
        raise InputError(
            f"{store.where!r} holds no captions; give a .csv, .tsv or .txt file of lines 'picture.jpg,what it shows'"
        )
    return [one for file in chosen for one in _captions(file)]


def _captions(file: TextFile) -> list[Caption]:
    file.check_lines()
    found: list[Caption] = []
    for number, line in enumerate(file.lines, 1):
        if not line.strip():
            continue
        first, text = _cut(line)
        name = _picture(first)
        if name is None:
            if not found and number == 1:
                continue  # names of the columns
            raise InputError(f"{file.place(number)}: {first[:60]!r} names no picture; begin the line with its name")
        if not text:
            raise InputError(f"{file.place(number)}: the caption of {name!r} is empty; fill it in, or remove it")
        found.append(Caption(name, text, file.place(number)))
    return found


def split_lists(store: Archive, names: Sequence[str], encoding: str) -> dict[str, str]:
    """Picture -> part, as files say that list pictures and are called `train…`, `dev…` or `test…`."""
    parts: dict[str, str] = {}
    for name in _text_names(names):
        part = part_of(PurePosixPath(name).name)
        lines = [line.strip() for line in _head(store, name) if line.strip()]
        if part is not None and lines and all(has_picture_name(line) and " " not in line for line in lines[:50]):
            parts.update(dict.fromkeys((line.strip() for line in read_text(store, name, encoding).lines), part))
    return parts
