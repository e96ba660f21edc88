"""YOLO's text files: one a picture, a line a box."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

from neuropil.annotations.records import Annotations, Box, Marked, box_of, number_of, probe, text_of
from neuropil.data.archive import Archive
from neuropil.data.faults import attempt
from neuropil.data.pictures import has_picture_name
from neuropil.errors import InputError

__all__ = ["has_yolo_text", "read_yolo_text"]

NAMES = ("classes.txt", "obj.names", "names.txt")
"""Files that name the classes, one a line."""


def _label_files(store: Archive) -> list[str]:
    """Text files in a folder `labels`, or beside a picture of the same name."""
    pictures = {str(PurePosixPath(name).with_suffix("")) for name in store.files if has_picture_name(name)}
    found = []
    for name in store.files:
        path = PurePosixPath(name)
        of_picture = "labels" in path.parts[:-1] or str(path.with_suffix("")) in pictures
        if of_picture and path.suffix == ".txt" and path.name not in NAMES:
            found.append(name)
    return found


def has_yolo_text(store: Archive) -> bool:
    """Whether there are such files: the first line of the first that has one begins with a number."""
    for name in _label_files(store):
        words = probe(store, name).split(maxsplit=2)
        if words:
            return len(words) > 1 and words[0].isdecimal()
    return False


def read_yolo_text(store: Archive) -> Annotations:
    """Files of lines `class x y width height`, shares of the picture, x and y of the centre; empty: nothing is there.

    The classes' names stand in `classes.txt` or a file `.names`, one a line; else they are called `class 0`, ...

    Raises:
        InputError: a line of another form, or a class number without a name, with file and line.
    """
    names = _class_names(store)
    pictures, most = [], -1
    for file in _label_files(store):
        where, boxes = f"{store.where}: {file}", []
        for line_number, line in enumerate(text_of(store, file).splitlines(), 1):
            if line.strip():
                read = attempt(partial(_line, line, names, f"{where}, line {line_number}"))
                if read is None:
                    continue
                number, box = read
                most = max(most, number)
                boxes.append(box)
        path = PurePosixPath(file).with_suffix("")
        mirrored = "/".join("images" if part == "labels" else part for part in path.parts)
        pictures.append(Marked((mirrored, str(path), path.name), tuple(boxes), None, where, relative=True))
    classes = names or tuple(f"class {number}" for number in range(most + 1))
    return Annotations(tuple(pictures), classes)


def _class_names(store: Archive) -> tuple[str, ...]:
    for name in store.files:
        path = PurePosixPath(name)
        if path.name in NAMES or path.suffix == ".names":
            return tuple(line.strip() for line in text_of(store, name).splitlines() if line.strip())
    return ()


def _line(line: str, names: tuple[str, ...], where: str) -> tuple[int, Box]:
    words = line.split()
    if len(words) != 5:
        raise InputError(f"{where}: {len(words)} words stand there; give class x y width height")
    if not words[0].isdecimal() or len(words[0]) > 4:
        raise InputError(f"{where}: the class is {words[0][:20]!r}; give its number, counted from 0")
    number = int(words[0])
    if names and number >= len(names):
        raise InputError(
            f"{where}: class {number} has no name; the {len(names)} names give numbers 0 to {len(names) - 1}"
        )
    x, y, width, height = (
        number_of(word, where, what) for word, what in zip(words[1:], ("x", "y", "width", "height"), strict=True)
    )
    if width < 0 or height < 0:
        raise InputError(f"{where}: a box is {width:g} wide and {height:g} high; give shares from 0 to 1")
    if max(abs(x), abs(y), width, height) > 2:
        raise InputError(f"{where}: {line.strip()!r} is not in shares of the picture; divide by its width and height")
    label = names[number] if names else f"class {number}"
    return number, box_of(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), where)
