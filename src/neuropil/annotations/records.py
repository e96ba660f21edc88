"""Boxes as they stand in files, before they meet their pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from neuropil.data.archive import Archive, UnusableFile
from neuropil.data.picture_layout import PART_NAMES
from neuropil.data.records import Skipped
from neuropil.errors import InputError

__all__ = ["Annotations", "Box", "Marked", "box_of", "number_of", "part_of", "probe", "refuse_skipped", "text_of"]

MAX_TEXT_BYTES = 64 << 20


class Box(NamedTuple):
    """One box, in picture elements from the left upper corner."""

    label: str
    left: float
    top: float
    right: float
    bottom: float
    ignored: bool
    """Too difficult, or a crowd: neither trained on nor counted."""
    where: str
    """File and line, or entry."""


class Marked(NamedTuple):
    """A picture's boxes."""

    pictures: tuple[str, ...]
    """Names under which to look for it, the likeliest first: paths in the archive, or ends of them, or stems."""
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None
    """Height and width, where the annotations say them; boxes are shares of the picture where `relative`."""
    where: str
    relative: bool = False
    part: str | None = None
    """`train`, `valid` or `test`, where the annotations say so."""


class Annotations(NamedTuple):
    """All of one set."""

    pictures: tuple[Marked, ...]
    classes: tuple[str, ...]
    """In the order of the file, or sorted where it has none."""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


def number_of(text: object, where: str, what: str) -> float:
    """A finite number.

    Raises:
        InputError: it is none.
    """
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: {what} is {str(text)[:40]!r}; give a number") from error
    if not math.isfinite(value):
        raise InputError(f"{where}: {what} is {text!r}; give a finite number")
    return value


def box_of(label: str, corners: tuple[float, float, float, float], where: str, *, ignored: bool = False) -> Box:
    """A box whose corners stand in order; one without area is kept for now, to be named later.

    Raises:
        InputError: it ends before it begins.
    """
    left, top, right, bottom = corners
    if right < left or bottom < top:
        raise InputError(
            f"{where}: a box of {label!r} goes from ({left:g}, {top:g}) to ({right:g}, {bottom:g}), so it ends before "
            "it begins; exchange its corners"
        )
    return Box(label, left, top, right, bottom, ignored, where)


def refuse_skipped(where: str, skipped: Sequence[Skipped], strict: bool) -> None:
    """Stop at the first thing that was left out, where `strict` asks for that.

    Raises:
        InputError: so it is.
    """
    if strict and skipped:
        raise InputError(f"{where}: {skipped[0].where}: {skipped[0].reason} (strict=true stops at such things)")


def text_of(store: Archive, name: str, most: int = MAX_TEXT_BYTES) -> str:
    """A text file of the archive.

    Raises:
        InputError: it cannot be read, is too large, or is no UTF-8.
    """
    where = f"{store.where}: {name}"
    try:
        with store.open(name) as file:
            content = file.read(most + 1)
    except UnusableFile as error:
        raise InputError(f"{where}: {error}") from error
    if len(content) > most:
        raise InputError(f"{where} has more than {most:,} bytes; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def probe(store: Archive, name: str) -> str:
    """A text file's content, or nothing where it cannot be read: for guessing what a file is."""
    try:
        return text_of(store, name)
    except InputError:
        return ""


def part_of(name: str) -> str | None:
    """The part that a file's name, or a folder that it lies in, says.

    Example:
        >>> part_of("coco/instances_val2017.json"), part_of("a/train/images/1.png"), part_of("a/1.png")
        ('valid', 'train', None)
    """
    path = PurePosixPath(name)
    words = [*(part.lower() for part in path.parts[:-1]), *re.findall("[a-z]+", path.stem.lower())]
    return next((PART_NAMES[word] for word in reversed(words) if word in PART_NAMES), None)
