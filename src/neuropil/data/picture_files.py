"""Picture files that a trained network shall say something of."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from neuropil.data.archive import MAX_FILE_BYTES, UnusableFile, open_archive, open_file
from neuropil.data.pictures import FORMATS, PictureRule, decode, examine, has_picture_name
from neuropil.data.records import Skipped
from neuropil.errors import InputError

__all__ = ["PictureFiles", "read_each", "read_pictures", "whole_pictures"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """Pictures brought to what a network was trained on.

    Args:
        arrays: uint8 `[n, C, H, W]`.
        names: what each is called.
        sizes: height and width of each before.
        skipped: those that could not be used.
    """

    arrays: Array
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    skipped: tuple[Skipped, ...]


def read_pictures(paths: Sequence[str], encoding: Mapping[str, Any]) -> PictureFiles:
    """Pictures to predict on.

    Args:
        paths: files; folders and zip files, of which all pictures are read, at any depth and sorted; `-` for one
            picture on standard input.
        encoding: of the training data, as `PictureRule.to_encoding` gives it.

    Raises:
        InputError: a path that is not there, a folder without pictures, or a damaged encoding.
    """
    rule = PictureRule.from_encoding(encoding)
    arrays: list[Array] = []
    names: list[str] = []
    sizes: list[tuple[int, int]] = []
    skipped: list[Skipped] = []
    for name, opener in (found for path in paths for found in _found(path)):
        try:
            with opener() as file:
                head = examine(file, convert=rule.convert)
                arrays.append(decode(file, rule, head))
        except UnusableFile as error:
            skipped.append(Skipped(name, str(error)))
        else:
            names.append(name)
            sizes.append((head.height, head.width))
    stacked = np.stack(arrays) if arrays else np.zeros((0, *rule.shape), dtype=np.uint8)
    return PictureFiles(stacked, tuple(names), tuple(sizes), tuple(skipped))


def read_each(paths: Sequence[str], encoding: Mapping[str, Any]) -> Iterator[PictureFiles]:
    """Pictures one by one, each at its own size, in the colours of the training data.

    Raises:
        InputError: as `read_pictures`.
    """
    rule = PictureRule.from_encoding(encoding)
    for name, opener in (found for path in paths for found in _found(path)):
        try:
            with opener() as file:
                head = examine(file, convert=rule.convert)
                size = (head.height, head.width)
                array = decode(file, PictureRule(rule.channels, size, "resize", convert=rule.convert), head)
        except UnusableFile as error:
            yield PictureFiles(np.zeros((0, *rule.shape), dtype=np.uint8), (), (), (Skipped(name, str(error)),))
        else:
            yield PictureFiles(array[None], (name,), (size,), ())


def whole_pictures(paths: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Each readable picture in colour and at its own size, uint8 `[3, H, W]`, with its name; none of standard input.

    Raises:
        InputError: as `read_pictures`.
    """
    for name, opener in (found for path in paths if path != "-" for found in _found(path)):
        try:
            with opener() as file:
                head = examine(file, convert=True)
                yield name, decode(file, PictureRule(3, (head.height, head.width), "resize", convert=True), head)
        except UnusableFile:
            continue


def _found(path: str) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The pictures that a path stands for: how to call each, and how to open it."""
    place = Path(path).expanduser()
    if path == "-":
        yield "standard input", lambda: io.BytesIO(sys.stdin.buffer.read(MAX_FILE_BYTES))
    elif place.is_dir() or (place.suffix.lower() == ".zip" and place.is_file()):
        archive = open_archive(place)
        inside = [name for name in archive.files if has_picture_name(name, readable=True)]
        if not inside:
            raise InputError(f"{path!r} holds no picture ({', '.join(FORMATS)}); give one that does")
        for name in inside:
            yield str(place / name), partial(archive.open, name)
    elif place.exists():
        yield path, partial(open_file, place)
    else:
        raise InputError(f"there is no file or folder {path!r}; check the path")
