"""Tables of numbers as shades, with a name at each row and column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.drawing.images import NEGATIVE, POSITIVE, png_uri
from neuropil.drawing.svg import Picture, element, hover, text
from neuropil.drawing.wording import number, shorten, text_width
from neuropil.errors import InputError

__all__ = ["heat_map", "shades"]

Array = np.ndarray[Any, Any]
LONGEST, TELLING = 110.0, 2500


def shades(values: Array, largest: float | None = None) -> Array:
    """Numbers as colours that are the clearer the smaller: blue above zero, orange below; uint8 `[4, R, C]`.

    Example:
        >>> shades(np.array([[0.0, 2.0, -1.0]]))[:, 0].T.tolist()
        [[47, 134, 214, 0], [47, 134, 214, 255], [226, 104, 36, 128]]
    """
    known = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(np.abs(known).max(initial=0.0)) if largest is None else largest
    colours = np.where(known[..., None] >= 0, np.array(POSITIVE), np.array(NEGATIVE))
    alpha = np.rint(255 * np.clip(np.abs(known) / (top or 1.0), 0, 1))[..., None]
    found: Array = np.concatenate([colours, alpha], axis=-1).astype(np.uint8).transpose(2, 0, 1)
    return found


def heat_map(
    values: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    log: bool = False,
    cell: float = 18.0,
    across: str = "",
    largest: float | None = None,
) -> Picture:
    """Draw a table of numbers as shades; the exact ones are told where the pointer rests.

    Shape: values `[R, C]`.

    Args:
        values: what to shade.
        rows: a name for each row, drawn at the left.
        columns: a name for each column, drawn upright above; of many, some.
        title: what it shows, for readers who cannot see it.
        log: shade by orders of magnitude, six of them below the largest.
        cell: least width and height of a cell in pixels.
        across: what the columns count.
        largest: the number of the full shade; the largest of all where left out.

    Raises:
        InputError: names that do not fit the numbers.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape != (len(rows), len(columns)) or 0 in values.shape:
        raise InputError(
            f"{len(rows)} row names and {len(columns)} column names were given for numbers {list(values.shape)}; "
            f"give one for each, and at least one number"
        )
    shown = _orders(values) if log else values
    left = min(max(text_width(one, 11) for one in rows), LONGEST) + 12
    every = max(1, math.ceil(13 / cell))
    row_high = max(cell, 14.0) if len(rows) <= 60 else cell
    each = max(1, math.ceil(13 / row_high))
    tall = min(max(text_width(one, 11) for one in columns), LONGEST) + 10
    top = tall + (16 if across else 0)
    box = {"x": left, "y": top, "width": (wide := cell * len(columns)), "height": (high := row_high * len(rows))}
    parts = [element("rect", class_="frame", **box)]
    parts.append(element("image", href=png_uri(shades(shown, largest)), preserveAspectRatio="none", **box))
    if across:
        parts.append(text(left, 11, across, class_="small quiet"))
    for place in range(0, len(rows), each):
        label = shorten(rows[place], LONGEST, 11)
        y = top + (place + 0.5) * row_high + 4
        parts.append(text(left - 6, y, label, anchor="end", title=rows[place], class_="small"))
    for place in range(0, len(columns), every):
        x = left + (place + 0.5) * cell + 4
        label, turn = shorten(columns[place], LONGEST, 11), f"rotate(-90 {x:.1f} {top - 6:.1f})"
        parts.append(text(x, top - 6, label, class_="small", transform=turn))
    if values.size <= TELLING:
        for (row, column), value in np.ndenumerate(values):
            told = hover(f"{rows[row]}, {columns[column]}: {number(value)}")
            where = {"x": left + column * cell, "y": top + row * row_high, "width": cell, "height": row_high}
            parts.append(element("rect", told, class_="cell", fill="transparent", **where))
    return Picture("".join(parts), left + wide + 8, top + high + 8, title)


def _orders(values: Array) -> Array:
    """Sizes by order of magnitude: 1 for the largest, 0 for a millionth of it and below."""
    sizes = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))
    top = float(sizes.max()) or 1.0
    with np.errstate(divide="ignore"):
        found: Array = np.clip(1 + np.log10(sizes / top) / 6, 0, 1)
    return found
