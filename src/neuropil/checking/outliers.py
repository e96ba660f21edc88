"""Samples far from all others: in brightness or contrast, or in the value of a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neuropil.checking.near_pictures import LEAST_SPREAD
from neuropil.checking.pictures import inverted_places
from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject
from neuropil.data.tables_encoding import numbers

__all__ = ["outliers"]

Array = np.ndarray[Any, Any]

MOST_FAR = 0.05
"""Share of a column's values from which what is far is no outlier, but another kind of row."""

LOGARITHMIC = 0.7
"""How far logarithms must be, as a share of how far the values must."""

LEAST_ROWS = 20
"""Of fewer values nothing is far."""


def outliers(subject: Subject, *, deviations: float = 8.0, quartiles: float = 10.0) -> list[Finding]:
    """Pictures of odd brightness or contrast, cells of odd size.

    Args:
        subject: the set.
        deviations: of pictures: from the median, in robust standard deviations (1.48 times the median deviation).
        quartiles: of columns: from the nearer quartile, in distances between the quartiles; where all values are
            positive, so far in their logarithms too, so that long tails are no outliers.
    """
    return list(_cells(subject, quartiles) if "table" in subject.traits else _pictures(subject, deviations))


def _pictures(subject: Subject, deviations: float) -> Iterator[Finding]:
    prints = subject.fingerprints
    told = {*np.flatnonzero(prints.spread < LEAST_SPREAD).tolist(), *inverted_places(subject)}
    for what, values in (("brightness", prints.mean), ("contrast", prints.spread)):
        if len(values) < LEAST_ROWS:
            continue
        middle = float(np.median(values))
        usual = max(1.4826 * float(np.median(np.abs(values - middle))), 1.0)
        for index in np.flatnonzero(np.abs(values - middle) > deviations * usual).tolist():
            if index not in told:
                place = subject.places[index]
                sentence = f"its {what} is {values[index]:.0f}, but the median of all is {middle:.0f}"
                yield Finding("outliers", "note", str(place), sentence, (place,))


def _cells(subject: Subject, quartiles: float) -> Iterator[Finding]:
    if (table := subject.table) is not None:
        for name, column in zip(table.names, table.columns, strict=True):
            values, strange = numbers(column)
            if len(strange) > 0.1 * len(column):
                continue
            for row in far_off(values, quartiles):
                sentence = f"column {name!r} holds {column[row]}, far from all others (median {np.nanmedian(values):g})"
                place = Place("", table.place(row))
                yield Finding("outliers", "warning", place.name, sentence, (place,))
        return
    info = subject.splits.info if subject.splits else None
    rows = np.concatenate([one.fetch(np.arange(len(one)))[0] for one in subject.parts.values()])
    for at, name in enumerate(info.columns if info else ()):
        for row in far_off(rows[:, at].astype(np.float64), quartiles):
            place = subject.places[row]
            sentence = f"column {name!r} holds {rows[row, at]:g}, far from all others"
            yield Finding("outliers", "warning", str(place), sentence, (place,))


def far_off(values: Array, quartiles: float) -> list[int]:
    """The places of values far from all others; see `outliers`.

    Example:
        >>> far_off(np.array([*range(100, 130), 90_000.0]), 10)
        [30]
    """
    known = values[np.isfinite(values)]
    if len(known) < LEAST_ROWS or len(np.unique(known)) < 5:
        return []
    far = _beyond(values, known, quartiles)
    if known.min() > 0:
        far &= _beyond(np.log(np.where(values > 0, values, 1.0)), np.log(known), LOGARITHMIC * quartiles)
    return np.flatnonzero(far).tolist() if far.mean() < MOST_FAR or far.sum() <= 2 else []


def _beyond(values: Array, known: Array, quartiles: float) -> Array:
    low, high = np.quantile(known, (0.25, 0.75))
    if high <= low:
        return np.zeros(len(values), dtype=bool)
    away = np.maximum(low - values, values - high)
    return np.asarray(np.nan_to_num(away, nan=0.0) > quartiles * (high - low))
