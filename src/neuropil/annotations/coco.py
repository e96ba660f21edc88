"""COCO: one JSON file for many pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from neuropil.annotations.records import Annotations, Box, Marked, box_of, number_of, part_of, probe, text_of
from neuropil.data.archive import Archive
from neuropil.data.faults import attempt
from neuropil.errors import InputError

__all__ = ["coco_files", "read_coco"]

MOST_FILES = 100
"""More JSON files than these are notes on single pictures."""


def coco_files(store: Archive) -> list[str]:
    """The JSON files that hold annotations; of very many JSON files, none is such a one."""
    names = [name for name in store.files if name.lower().endswith(".json")]
    if len(names) > MOST_FILES:
        return []
    return [name for name in names if '"annotations"' in probe(store, name)]


def read_coco(store: Archive, names: list[str]) -> Annotations:
    """The JSON files of a set; where their names say train, val or test, they are its parts.

    Source: Lin et al. 2014, "Microsoft COCO", and the data format page of the COCO project: `bbox` is left, top, width
    and height in picture elements; `iscrowd` marks crowds.

    Raises:
        InputError: no such file, an unknown class or picture, a number given twice, or a box that cannot be one, with
            the file and the entry.
    """
    pictures: list[Marked] = []
    classes: tuple[str, ...] = ()
    for name in names:
        found, order = _read(store, name)
        if classes and set(order) != set(classes):
            raise InputError(f"{store.where}: {name} has other classes than {names[0]}; give all files the same")
        classes = classes or order
        pictures += found
    return Annotations(tuple(pictures), classes)


def _read(store: Archive, name: str) -> tuple[list[Marked], tuple[str, ...]]:
    where = f"{store.where}: {name}"
    text = text_of(store, name)
    if not text.strip():
        raise InputError(f"{where} is empty; write the annotations again")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"{where}, line {line}: it is no JSON ({error}); write the file again") from error
    lists = {key: _entries(document, key, where) for key in ("images", "categories", "annotations")}
    classes = _numbered(lists["categories"], "categories", "name", where)
    images = _numbered(lists["images"], "images", "file_name", where)
    _numbered(lists["annotations"], "annotations", None, where)
    boxes: dict[Any, list[Box]] = {number: [] for number in images}
    for place, entry in enumerate(lists["annotations"]):
        box = attempt(partial(_entry, entry, boxes.keys(), classes, f"{where}, annotations[{place}]"))
        if box is not None:
            boxes[entry["image_id"]].append(box)
    sizes = {entry["id"]: _size(entry, f"{where}, images[{place}]") for place, entry in enumerate(lists["images"])}
    marked = []
    for number, file in images.items():
        path = PurePosixPath(str(file).replace("\\", "/"))
        names = (str(PurePosixPath(name).parent / path), str(path), path.name, path.stem)
        marked.append(Marked(names, tuple(boxes[number]), sizes[number], where, part=part_of(name)))
    return marked, tuple(str(classes[number]) for number in classes)


def _entry(entry: dict[str, Any], pictures: Collection[Any], classes: Mapping[Any, Any], here: str) -> Box:
    """One annotation's box."""
    for key in ("image_id", "category_id"):
        if not isinstance(entry.get(key), int | str):
            raise InputError(f"{here}: its {key} is {entry.get(key)!r}; give a number")
    if entry["image_id"] not in pictures:
        raise InputError(f"{here}: no picture has the id {entry['image_id']!r}; add it to images")
    if entry["category_id"] not in classes:
        raise InputError(f"{here}: no class has the id {entry['category_id']!r}; add it to categories")
    return _box(entry, str(classes[entry["category_id"]]), here)


def _entries(document: Any, key: str, where: str) -> list[dict[str, Any]]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{where} has no list {key!r}; a COCO file has images, categories and annotations")
    return found


def _numbered(entries: list[dict[str, Any]], key: str, wanted: str | None, where: str) -> dict[Any, Any]:
    """Id -> the wanted field, in the order of the file."""
    counts = Counter(one.get("id") for one in entries if isinstance(one.get("id"), int | str))
    for place, one in enumerate(entries):
        here = f"{where}, {key}[{place}]"
        if not isinstance(one.get("id"), int | str):
            raise InputError(f"{here} has no id; give each entry a number of its own")
        if counts[one["id"]] > 1:
            raise InputError(f"{here}: the id {one['id']!r} stands there {counts[one['id']]} times; number them anew")
        if wanted is not None and not isinstance(one.get(wanted), str):
            raise InputError(f"{here} has no {wanted!r}; give it one")
    return {one["id"]: one.get(wanted or "id") for one in entries}


def _size(entry: dict[str, Any], where: str) -> tuple[int, int] | None:
    if "height" not in entry or "width" not in entry:
        return None
    return int(number_of(entry["height"], where, "height")), int(number_of(entry["width"], where, "width"))


def _box(entry: dict[str, Any], label: str, where: str) -> Box:
    values = entry.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        raise InputError(f"{where}: its bbox is {values!r}; give [left, top, width, height]")
    left, top, width, height = (
        number_of(value, where, f"bbox[{place}]") for place, value in enumerate(values)
    )  # fmt: skip
    if width < 0 or height < 0:
        raise InputError(f"{where}: a box of {label!r} is {width:g} wide and {height:g} high; give sizes from 0 up")
    return box_of(label, (left, top, left + width, top + height), where, ignored=bool(entry.get("iscrowd")))
