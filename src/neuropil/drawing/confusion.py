"""The confusion matrix: a heat map for 2 to 100 classes, and the list of what is mistaken for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuropil.drawing.svg import Picture, element, hover, text
from neuropil.drawing.wording import shorten, text_width
from neuropil.errors import InputError

__all__ = [
    "MAX_CLASSES",
    "Confused",
    "confusion_chart",
    "confusion_shares",
    "most_confused",
    "recalls",
    "worst_classes",
]

Array = np.ndarray[Any, Any]
MAX_CLASSES = 100
LABEL = 12.0


@dataclass(frozen=True, slots=True)
class Confused:
    """`count` of `total` samples of class `truth` were taken for `predicted`."""

    truth: str
    predicted: str
    count: int
    total: int


def checked(counts: Array, classes: Sequence[str]) -> Array:
    """The matrix as int64.

    Raises:
        InputError: not square, not one row a class, or a negative count.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape != (len(classes), len(classes)) or not len(classes):
        raise InputError(
            f"a confusion matrix of {len(classes)} classes must be [{len(classes)}, {len(classes)}] (truth, "
            f"predicted), but {list(counts.shape)} was given"
        )
    if (counts < 0).any():
        raise InputError("a confusion matrix holds counts, but a negative number was given")
    return counts.astype(np.int64)


def confusion_shares(counts: Array) -> Array:
    """Each count as a share of its row, `[K, K]`; zero in a row without samples."""
    shares: Array = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def recalls(counts: Array) -> Array:
    """The share of each class's samples that were found, `[K]`; NaN for a class without samples."""
    totals = counts.sum(axis=1)
    return np.where(totals > 0, np.diagonal(counts) / np.maximum(totals, 1), np.nan)


def most_confused(counts: Array, classes: Sequence[str], most: int = 8) -> list[Confused]:
    """The pairs of classes mistaken most often, the most frequent first, by class number where they tie.

    Example:
        >>> most_confused(np.array([[5, 1], [3, 7]]), ["cat", "dog"])[0]
        Confused(truth='dog', predicted='cat', count=3, total=10)
    """
    counts = checked(counts, classes)
    wrong = counts - np.diag(np.diagonal(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    found = []
    for place in order:
        t, p = divmod(int(place), len(classes))
        if wrong[t, p]:
            found.append(Confused(classes[t], classes[p], int(wrong[t, p]), int(counts[t].sum())))
    return found


def worst_classes(counts: Array, classes: Sequence[str], most: int = MAX_CLASSES) -> tuple[Array, list[str]]:
    """The part of a matrix over the `most` classes with most mistakes, in their order, and those classes' names."""
    counts = checked(counts, classes)
    if len(classes) <= most:
        return counts, list(classes)
    diagonal = np.diagonal(counts)
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * diagonal
    kept = np.sort(np.argsort(-mistakes, kind="stable")[:most])
    return counts[np.ix_(kept, kept)], [classes[i] for i in kept]


def confusion_chart(counts: Array, classes: Sequence[str], *, title: str = "confusion matrix") -> Picture:
    """Draw a row for each true class and a column for each predicted one, shaded by the share of the row.

    Right answers are blue, wrong ones orange; the shade follows the square root of the share, so that rare mistakes
    are seen. Counts stand in the cells while there is room; names are thinned out where there is none.

    Args:
        counts: `[K, K]`, truth by prediction.
        classes: K names, K <= 100 (`worst_classes` chooses from more).
        title: what is shown, for readers who cannot see it.

    Raises:
        InputError: not `[K, K]`, or more than 100 classes.
    """
    counts = checked(counts, classes)
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"a confusion matrix of {len(classes)} classes cannot be read; "
            f"draw the {MAX_CLASSES} worst, which worst_classes chooses"
        )
    size = len(classes)
    cell = min(88.0, min(max(400.0, 16.0 * size), 720.0) / size)
    names = [shorten(name, 104.0 if size <= 25 else 84.0, LABEL) for name in classes]
    widest = max(text_width(name, LABEL) for name in names)
    level = widest <= cell - 4
    left = widest + 30.0
    top = 42.0 if level else 40.0 + widest * 0.71
    right = 6.0 if level else max(6.0, 0.71 * widest - cell / 2 + 8)
    grid = size * cell
    parts = [
        element("rect", class_="ground", x=left, y=top, width=grid, height=grid, rx=2),
        text(left + grid / 2, 12, "predicted", anchor="middle", class_="quiet"),
        element(
            "g",
            text(0, 0, "truth", anchor="middle", class_="quiet"),
            transform=f"translate(12 {top + grid / 2:g}) rotate(-90)",
        ),
        *_names(names, classes, left, top, cell, level),
        *_cells(counts, classes, left, top, cell),
    ]
    return Picture("".join(parts), left + grid + right, top + grid + 6, title)


def _names(names: Sequence[str], full: Sequence[str], left: float, top: float, cell: float, level: bool) -> list[str]:
    """Names of rows and columns; every second, third ... only where the rows are lower than a line of text."""
    every, every_column = (max(1, -int(-line // cell)) for line in (12, 12 if level else 18))
    parts = []
    for i, name in enumerate(names):
        middle = (i + 0.5) * cell
        if i % every == 0:
            parts.append(text(left - 7, top + middle + 4, name, anchor="end", title=full[i]))
        if i % every_column:
            continue
        if level:
            parts.append(text(left + middle, top - 8, name, anchor="middle", title=full[i]))
        else:
            turned = text(0, 0, name, title=full[i])
            place = f"translate({left + middle + 3:.2f} {top - 8:.2f}) rotate(-45)"
            parts.append(element("g", turned, transform=place))
    return parts


def _cells(counts: Array, classes: Sequence[str], left: float, top: float, cell: float) -> list[str]:
    totals = counts.sum(axis=1)
    digits = len(str(int(counts.max())))
    size = min(14.0, cell * 0.45, (cell - 5) / (0.6 * digits))
    gap = min(1.5, cell * 0.06)
    parts = []
    for t, p in zip(*np.nonzero(counts), strict=True):
        count, total = int(counts[t, p]), int(totals[t])
        shade = (count / total) ** 0.5
        told = f"{count:,} of {total:,} {classes[t]} taken for {classes[p]} ({count / total:.1%})"
        if t == p:
            told = f"{count:,} of {total:,} {classes[t]} found ({count / total:.1%})"
        x, y = left + p * cell, top + t * cell
        box = {"x": x + gap / 2, "y": y + gap / 2, "width": cell - gap, "height": cell - gap}
        colour = "cell f1" if t == p else "cell f2"
        parts.append(element("rect", hover(told), class_=colour, fill_opacity=max(0.08, shade), **box))
        if size >= 7:
            style, height = ("on-colour count" if shade > 0.6 else "count"), f"{size:.1f}"
            centre = (x + cell / 2, y + cell / 2 + size * 0.36)
            parts.append(text(*centre, str(count), anchor="middle", class_=style, font_size=height))
    return parts
