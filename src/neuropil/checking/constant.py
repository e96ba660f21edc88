"""What never changes: blank pictures, masks of one class, columns of one value."""

from __future__ import annotations

import numpy as np

from neuropil.checking.near_pictures import LEAST_SPREAD
from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject

__all__ = ["constant"]


def constant(subject: Subject, *, spread: float = LEAST_SPREAD, mask_share: float = 0.8) -> list[Finding]:
    """Blank pictures, masks that hold one class where most hold more, and columns of one value.

    Args:
        subject: the set.
        spread: standard deviation of a picture's brightness, of 0 to 255, below which it is blank.
        mask_share: of the masks that hold several classes, from which one of a single class is odd.
    """
    if "table" in subject.traits:
        return _columns(subject)
    prints = subject.fingerprints
    blank = [(subject.places[index], float(prints.mean[index])) for index in np.flatnonzero(prints.spread < spread)]
    found = [
        Finding("constant", "warning", str(place), f"blank: brightness {mean:.0f} everywhere", (place,))
        for place, mean in blank
    ]
    return found + (_masks(subject, mask_share) if "masks" in subject.traits else [])


def _masks(subject: Subject, share: float) -> list[Finding]:
    masks = np.concatenate(
        [one.targets if one.targets.ndim == 3 else one.targets[:, 0] for one in subject.parts.values()]
    )
    several = np.array([mask.min() != mask.max() for mask in masks])
    if several.mean() < share:
        return []
    classes = subject.splits.info.classes if subject.splits else ()
    found = []
    for index in np.flatnonzero(~several):
        place, value = subject.places[index], int(masks[index].flat[0])
        name = classes[value] if value < len(classes) else "not known"
        found.append(Finding("constant", "warning", str(place), f"its mask is {name!r} everywhere", (place,)))
    return found


def _columns(subject: Subject) -> list[Finding]:
    if (table := subject.table) is not None:
        return [
            Finding(
                "constant", "warning", f"{table.where}, column {name!r}",
                f"every row holds {column[0]!r}" if column[0] else "every cell is empty", (Place("", name),),
            )
            for name, column in zip(table.names, table.columns, strict=True)
            if len(set(column)) == 1
        ]  # fmt: skip
    train = subject.parts["train"]
    rows, info = train.fetch(np.arange(len(train)))[0], train.info
    return [
        Finding("constant", "warning", f"column {name!r}", f"every row holds {rows[0, place]:g}", (Place("", name),))
        for place, name in enumerate(info.columns)
        if (rows[:, place] == rows[0, place]).all()
    ]
