"""CSV tables of boxes: one for all pictures, a line a box."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import PurePosixPath

from neuropil.annotations.records import Annotations, Box, Marked, box_of, number_of, part_of, probe, text_of
from neuropil.data.archive import Archive
from neuropil.data.faults import attempt
from neuropil.errors import InputError

__all__ = ["box_tables", "read_box_table"]

COLUMNS = {
    "picture": ("filename", "file", "image", "picture", "path", "image_id"),
    "label": ("class", "label", "name", "category"),
    "left": ("xmin", "x1", "left", "x_min"),
    "top": ("ymin", "y1", "top", "y_min"),
    "right": ("xmax", "x2", "right", "x_max"),
    "bottom": ("ymax", "y2", "bottom", "y_max"),
}
"""What each column of a table may be called."""

CORNERS = ("left", "top", "right", "bottom")


def box_tables(store: Archive) -> list[str]:
    """The CSV files whose first line names pictures, classes and the corners of boxes."""
    tables = [name for name in store.files if name.lower().endswith(".csv")]
    return [name for name in tables if {"picture", "label", "left"} <= _columns(_head(probe(store, name))).keys()]


def _head(text: str) -> list[str]:
    try:
        return next(csv.reader(text.splitlines()[:1]), [])
    except csv.Error:
        return []


def _columns(head: list[str]) -> dict[str, int]:
    """Where the columns of boxes stand, those that are there."""
    lower = [one.strip().lower() for one in head]
    found = {key: next((lower.index(one) for one in known if one in lower), None) for key, known in COLUMNS.items()}
    return {key: place for key, place in found.items() if place is not None}


def read_box_table(store: Archive, names: list[str]) -> Annotations:
    """CSV files with a line a box: picture, class and corners in picture elements; their header says which column is
    which (`filename`, `class`, `xmin`, `ymin`, `xmax`, `ymax` or words like these). A picture without boxes has a line
    with the other cells empty. Files called train, valid and test are these parts.

    Raises:
        InputError: a column that is missing, a line too short, or a box that cannot be one, with file and line.
    """
    boxes: dict[tuple[str, str], list[Box]] = {}
    for name in names:
        text, where = text_of(store, name), f"{store.where}: {name}"
        head = _head(text)
        columns = _columns(head)
        for key, known in COLUMNS.items():
            if key not in columns:
                raise InputError(f"{where}, line 1: no column says the {key}; call one {' or '.join(known[:2])}")
        rows = csv.reader(text.splitlines())
        next(rows)
        try:
            for row in rows:
                if any(cell.strip() for cell in row):
                    place = f"{where}, line {rows.line_num}"
                    attempt(partial(_read_row, row, head, columns, place, boxes, name))
        except csv.Error as error:
            raise InputError(f"{where}, line {rows.line_num}: {error}; close its quotes") from error
    classes = sorted({box.label for found in boxes.values() for box in found})
    marked = []
    for (name, picture), found in boxes.items():
        path = PurePosixPath(picture.replace("\\", "/"))
        candidates = (str(PurePosixPath(name).parent / path), str(path), path.name, path.stem)
        marked.append(Marked(candidates, tuple(found), None, f"{store.where}: {name}", part=part_of(name)))
    return Annotations(tuple(marked), tuple(classes))


def _read_row(
    row: list[str],
    head: list[str],
    columns: Mapping[str, int],
    where: str,
    boxes: dict[tuple[str, str], list[Box]],
    name: str,
) -> None:
    """One line into its picture's list."""
    if len(row) <= max(columns.values()):
        raise InputError(f"{where}: it has {len(row)} cells, but the header {len(head)}; fill it up")
    cell = {key: row[place].strip() for key, place in columns.items()}
    found = boxes.setdefault((name, cell["picture"]), [])
    if not any(cell[key] for key in ("label", *CORNERS)):
        return
    if not cell["label"]:
        raise InputError(f"{where}: a box has no class; give it one")
    left, top, right, bottom = (number_of(cell[key], where, head[columns[key]]) for key in CORNERS)
    found.append(box_of(cell["label"], (left, top, right, bottom), where))
