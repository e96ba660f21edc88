"""One door to all data: a built-in name or a path becomes training, validation and test samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neuropil.annotations.box_opening import has_boxes
from neuropil.annotations.mask_opening import has_masks
from neuropil.data.archive import open_archive
from neuropil.data.cifar import is_cifar_name
from neuropil.data.idx import is_idx_name
from neuropil.data.in_memory import Described
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.registry import checked_options, nearest
from neuropil.sequences.python_docs import NAME as PYTHON_DOCS
from neuropil.sources import SOURCES
from neuropil.sources.guessing import guess_text

__all__ = ["check_source", "guess_source", "kind_of", "only_archive", "open_source", "settled_source"]

SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".npz": "npz", ".zip": "folder", ".json": "questions",
}  # fmt: skip
"""What a file is by its name, unless it is seen to hold texts; a JSON file by itself can only be SQuAD's."""


def open_source(source: str, options: Mapping[str, Any]) -> Splits:
    """Open a built-in set, or a file or folder whose kind is guessed by its content (and said in a note).

    Args:
        source: a name of `SOURCES`, or a path.
        options: of the source's opener; checked against its signature.

    Raises:
        InputError: an unknown name, option or value, a missing file, or files that cannot be used.

    Example:
        >>> splits = open_source("digits", {"valid_fraction": 0.0})
        >>> len(splits.train), splits.valid, len(splits.test)
        (1438, None, 359)
    """
    kind, checked, note = _settled(source, options)
    splits: Splits = SOURCES.builder(kind)(**checked)
    if not note:
        return splits
    info = replace(splits.info, source=source, notes=(note, *splits.info.notes))
    valid, test = (None if part is None else Described(part, info) for part in (splits.valid, splits.test))
    return Splits(Described(splits.train, info), valid, test)


def check_source(source: str, options: Mapping[str, Any]) -> None:
    """Hold a source and its options against the catalogue and the opener's signature; no data are read.

    Raises:
        InputError: an unknown name, option or value, a missing option, or a path that does not exist.
    """
    _settled(source, options)


def settled_source(source: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The opener's name in `SOURCES`, and all of its options, those left out at their defaults.

    Raises:
        InputError: as `check_source`.
    """
    kind, checked, _ = _settled(source, options)
    bound = inspect.signature(SOURCES.builder(kind)).bind(**checked)
    bound.apply_defaults()
    return kind, dict(bound.arguments)


def kind_of(source: str) -> str:
    """The name in `SOURCES` of what a built-in name or a path stands for.

    Raises:
        InputError: as `guess_source`.
    """
    return source if source in SOURCES else guess_source(only_archive(Path(source).expanduser()))


def guess_source(path: Path | str) -> str:
    """The kind of source that a file or folder is, by its names, and of texts by their first lines.

    Raises:
        InputError: there is no such path, or it is of no kind that is known.
    """
    place = Path(path).expanduser()
    if place.is_file():
        if is_idx_name(place.name):
            raise InputError(
                f"{str(path)!r} is one of the idx files of a folder; give the folder {str(place.parent)!r}"
            )
        kind = SUFFIXES.get(place.suffix.lower())
        if kind == "folder":
            return _kind_of_pictures(place) or guess_text(place) or kind
        if kind != "npz" and (of_text := guess_text(place)) is not None:
            return of_text
        if kind is None:
            raise InputError(
                f"{str(path)!r} is of no known kind; give a .csv, .tsv, .txt, .conllu, .npz, .zip or (of "
                "SQuAD) .json file, or a folder"
            )
        return kind
    if not place.is_dir():
        raise InputError(f"there is no file or folder {str(path)!r}; check the path")
    names = sorted(one.name for one in place.iterdir() if not one.name.startswith("."))
    if any(is_idx_name(name) for name in names):
        return "idx"
    if any(is_cifar_name(name) for name in names):
        return "cifar10"
    if (marked := _kind_of_pictures(place)) is not None:
        return marked
    if (of_text := guess_text(place)) is not None:
        return of_text
    if any((place / name).is_dir() for name in names):
        return "folder"
    usable = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
    if usable:
        raise InputError(f"{str(path)!r} is a folder of files; give one of them, such as {str(place / usable[0])!r}")
    raise InputError(
        f"the folder {str(path)!r} holds neither class folders nor boxes nor idx files nor texts; give one that does"
    )


def _kind_of_pictures(place: Path) -> str | None:
    """Whether pictures have boxes or masks beside them; where they have both, boxes."""
    try:
        store = open_archive(place)
        if has_boxes(store):
            return "boxes"
        return "masks" if has_masks(store) else None
    except InputError:
        return None  # whoever opens it says what is wrong


def only_archive(place: Path) -> Path:
    """The zip file that is all that a folder holds, beside notes of its own; else the path itself."""
    if not place.is_dir():
        return place
    inside = [one for one in place.iterdir() if not one.name.startswith((".", "README", "LICENSE"))]
    return inside[0] if len(inside) == 1 and inside[0].suffix.lower() == ".zip" else place


def _settled(source: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    """The opener's name, its checked options, and what was guessed."""
    kind, note, given = source, "", dict(options)
    if source not in SOURCES:
        if not Path(source).expanduser().exists():
            looks_like_path = any(sign in source for sign in ("/", "\\", "."))
            hint = "check the path" if looks_like_path else nearest(source, SOURCES)
            raise InputError(f"{source!r} is neither a file or folder here nor a built-in data set; {hint}")
        if "root" in given:
            raise InputError(f"data is the path {source!r} already; leave data.root out, or name a built-in data set")
        given["root"] = str(only_archive(Path(source).expanduser()))
        kind = guess_source(given["root"])
        if kind in ("csv", "parallel") and "text" in given:  # a table whose columns of texts are named
            kind = "labelled_text"
        note = f"{source!r} was read as {kind!r}: {SOURCES.describe(kind)}"
    opener = SOURCES.builder(kind)
    checked = checked_options(opener, given, where=f"data source {kind!r}")
    for name, parameter in inspect.signature(opener).parameters.items():
        if parameter.default is parameter.empty and name not in checked:
            raise InputError(f"data source {kind!r} needs the option {name!r}: the file or folder to read")
    if "root" in checked:
        root = Path(checked["root"]).expanduser()
        if not root.exists() and checked["root"] != PYTHON_DOCS:
            raise InputError(f"there is no file or folder {checked['root']!r}; check data.root")
        checked["root"] = str(root)
    return kind, checked, note
