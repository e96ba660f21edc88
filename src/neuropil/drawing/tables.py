"""Tables for the terminal, from plain values; nothing in a cell is read as markup or as a terminal's command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from neuropil.drawing.wording import flatten, printable, value
from neuropil.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["facts", "table"]

SIZES = re.compile(r"[\dx]*")
"""Shapes, such as 3x224x224, which are not broken over lines."""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table under a title; columns that hold nothing but numbers stand to the right.

    Raises:
        InputError: a row has not one cell a column.

    Example:
        >>> shown = table("networks", ["name", "parameters"], [["lenet5", 61706], ["resnet18", 11689512]])
        >>> shown.row_count, shown.columns[1].justify
        (2, 'right')
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    heading = Text(printable(title)) if title else None
    shown = Table(title=heading, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
    for place, row in enumerate(rows):
        if len(row) != len(columns):
            raise InputError(f"row {place + 1} of table {title!r} has {len(row)} cells for {len(columns)} columns")
    for place, name in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[place]) or row[place] is None for row in rows)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        whole = numeric or all(SIZES.fullmatch(value(row[place])) for row in rows)
        shown.add_column(Text(printable(name)), justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        shown.add_row(*(Text(value(cell)) for cell in row))
    return shown


def facts(title: str, entries: Mapping[str, Any]) -> Table:
    """Names and values in two columns; nested mappings get dotted names.

    Example:
        >>> facts("speed", {"plan": {"precision": "bf16"}}).row_count
        1
    """
    shown = table(title, ["", ""], [[name.replace("_", " "), told] for name, told in flatten(entries)])
    shown.show_header = False
    shown.columns[0].style = "bright_black"
    return shown


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
