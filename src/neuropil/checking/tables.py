"""Columns that say the target, and columns that hardly say anything."""

from __future__ import annotations

import numpy as np

from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject
from neuropil.data.tables_encoding import MISSING

__all__ = ["leaky"]


def leaky(subject: Subject, *, correlation: float = 0.9999, lacking: float = 0.5) -> list[Finding]:
    """Columns that are the target over again, and columns most of whose cells lack.

    Args:
        subject: the set.
        correlation: with the target from which a column of numbers is the target over again.
        lacking: share of missing cells from which a column is told.
    """
    found = []
    train = subject.parts["train"]
    inputs, targets = train.fetch(np.arange(len(train)))
    info = train.info
    numbers = np.asarray(targets, dtype=np.float64).reshape(len(targets), -1)[:, 0]
    for at, name in enumerate(info.columns):
        column = inputs[:, at].astype(np.float64)
        if column.std() == 0 or numbers.std() == 0:
            continue
        alike = abs(float(np.corrcoef(column, numbers)[0, 1])) >= correlation
        if info.classes and not alike:
            different = np.unique(column)
            both = np.unique(np.stack([column, numbers]), axis=1)
            alike = len(different) == len(info.classes) == both.shape[1]
        if alike:
            place = Place("", name)
            sentence = "says the target over again; leave it out with ignore=, or predict something else"
            found.append(Finding("leaky_columns", "error", f"column {name!r}", sentence, (place,)))
    table = subject.table
    for name, cells in zip(table.names, table.columns, strict=True) if table is not None else ():
        share = sum(cell.lower() in MISSING for cell in cells) / len(cells)
        if lacking <= share < 1:
            sentence = f"{share:.0%} of its cells are empty and would be filled with one value"
            found.append(Finding("leaky_columns", "note", f"column {name!r}", sentence, (Place("", name),)))
    return found
