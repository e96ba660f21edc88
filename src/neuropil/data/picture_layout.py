"""Which picture belongs to which class and part, read from the names of the folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from neuropil.data.archive import Archive
from neuropil.data.faults import refuse
from neuropil.data.pictures import has_picture_name
from neuropil.data.records import Skipped
from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["Layout", "Picture", "read_layout"]

PART_NAMES: Mapping[str, Literal["train", "valid", "test"]] = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of folders that are parts of the data, in lower case."""


class Picture(NamedTuple):
    """One picture file and its class."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Pictures by part, and the classes in the order of their names.

    Args:
        classes: sorted names.
        parts: `train`, and `valid` and `test` where there are folders of that name.
        notes: sentences for the reader.
        skipped: pictures of formats that are not read.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, Sequence[Picture]]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def read_layout(store: Archive) -> Layout:
    """Find classes and parts among the names of files and folders; no file is opened.

    Raises:
        InputError: no class folders, only one, or a class that is in one part only and not in `train`.
    """
    files, folders = store.files, store.folders
    prefix = _wrapping(folders)
    inner = sorted(_below(folder, prefix) for folder in folders if folder.startswith(prefix))
    chosen = _part_folders(_top_folders(folders, prefix), inner)
    notes: list[str] = []
    classes_of: dict[str, list[str]] = {}
    pictures: dict[str, list[Picture]] = {}
    for part, below in chosen.items():
        start = f"{prefix}{below}/" if below else prefix
        found = sorted(
            {_below(f"{prefix}{one}", start).split("/")[0] for one in inner if f"{prefix}{one}".startswith(start)}
            - {""}
        )
        if not found:
            notes.append(f"{below!r} holds no folder a class, so it is left out")
            continue
        classes_of[part] = found
        pictures[part] = _pictures_of(files, start, set(found))
    classes = _checked_classes(classes_of, store.where)
    readable = {
        part: [one for one in found if has_picture_name(one.name, readable=True) and one.label in classes]
        for part, found in pictures.items()
    }
    skipped = tuple(
        Skipped(one.name, f"{PurePosixPath(one.name).suffix} pictures are not read; save it as PNG or JPEG")
        for found in pictures.values()
        for one in found
        if not has_picture_name(one.name, readable=True)
    )
    left = len(files) - sum(map(len, readable.values())) - len(skipped)
    if left:
        notes.append(f"{left:,} {'file that is' if left == 1 else 'files that are'} no picture of a class left alone")
    return Layout(classes, readable, tuple(notes), skipped)


def _wrapping(folders: Set[str]) -> str:
    """The folders that hold nothing but one more folder, as a prefix of names."""
    prefix = ""
    while True:
        inner = [_below(folder, prefix) for folder in folders if folder.startswith(prefix)]
        tops = {folder.split("/")[0] for folder in inner if folder}
        if len(tops) != 1 or not any("/" in folder for folder in inner):
            return prefix
        (only,) = tops
        if only.lower() in PART_NAMES:
            return prefix
        prefix += only + "/"


def _top_folders(folders: Set[str], start: str) -> list[str]:
    """The folders directly below a prefix."""
    return sorted({_below(folder, start).split("/")[0] for folder in folders if folder.startswith(start)} - {""})


def _below(name: str, prefix: str) -> str:
    return name[len(prefix) :]


def _part_folders(tops: Sequence[str], inner: Sequence[str]) -> dict[str, str]:
    """Part -> its folder; one part in the outer folder where there is no `train` with folders inside."""
    named: dict[str, str] = {PART_NAMES[top.lower()]: top for top in tops if top.lower() in PART_NAMES}
    train = named.get("train")
    if train is None or not any(folder.startswith(f"{train}/") for folder in inner):
        return {"train": ""}
    return named


def _pictures_of(files: Sequence[str], start: str, classes: set[str]) -> list[Picture]:
    found = []
    for name in files:
        if name.startswith(start) and has_picture_name(name):
            label, separator, _ = _below(name, start).partition("/")
            if separator and label in classes:
                found.append(Picture(name, label))
    return found


def _checked_classes(classes_of: Mapping[str, Sequence[str]], where: str) -> tuple[str, ...]:
    classes = tuple(classes_of.get("train", ()))
    if not classes:
        raise InputError(
            f"{where!r} holds no folders of pictures; make one folder a class ({where}/cat, {where}/dog) "
            "and put its pictures inside"
        )
    if len(classes) == 1:
        raise InputError(f"{where!r} holds only one class, {classes[0]!r}; give at least two folders of pictures")
    for part, names in classes_of.items():
        for name in names:
            if name not in classes:
                refuse(
                    f"{where!r}", f"the class {name!r} is in the {part} part but not in train; {nearest(name, classes)}"
                )
    return classes
