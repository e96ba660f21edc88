"""Boxes: outside of their pictures, of hardly any area, or two at one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from neuropil.annotations.records import Box
from neuropil.checking.faults import findings_of
from neuropil.checking.pictures import own_size
from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject

__all__ = ["doubled", "outside", "shapes"]

Array = np.ndarray[Any, Any]


class _Drawn(NamedTuple):
    """The boxes of one picture, `[n, 4]` in picture elements."""

    place: Place
    size: tuple[int, int]
    boxes: list[Box]
    corners: Array


def _drawn(subject: Subject) -> Iterator[_Drawn]:
    for marked, name in subject.marked:
        place = subject.by_name.get(name)
        size = None if place is None else own_size(subject.parts[place.part], place.index)
        if place is None or size is None or not marked.boxes:
            continue
        scale = (size[1], size[0]) if marked.relative else (1, 1)
        corners = np.array([(one.left, one.top, one.right, one.bottom) for one in marked.boxes], dtype=np.float64)
        yield _Drawn(place, size, list(marked.boxes), corners * [*scale, *scale])


def _of_picture(subject: Subject, finding: Finding) -> Finding:
    """A finding of the readers with the picture of its box."""
    homes: dict[str, Place] = subject.once(
        "homes",
        lambda: {
            subject.short(box.where): subject.by_name[name]
            for marked, name in subject.marked
            if name in subject.by_name
            for box in marked.boxes
        },
    )
    place = homes.get(finding.where)
    if place is None:
        return finding
    return Finding(finding.check, finding.severity, finding.where, finding.sentence, (place,))


def outside(subject: Subject) -> list[Finding]:
    """Boxes that lie outside of their picture, or reach beyond its edge."""
    return [_of_picture(subject, one) for one in findings_of(subject, "boxes_outside")]


def shapes(subject: Subject, *, least_side: float = 3.0, whole: float = 0.98) -> list[Finding]:
    """Boxes with hardly any area, and boxes as large as their picture.

    Args:
        subject: the set.
        least_side: in picture elements; a narrower or lower box is nearly empty.
        whole: share of the picture's area from which a box holds all of it.
    """
    found = [_of_picture(subject, one) for one in findings_of(subject, "box_shapes")]
    for one in _drawn(subject):
        sides = one.corners[:, 2:] - one.corners[:, :2]
        for box, (wide, high) in zip(one.boxes, sides.tolist(), strict=True):
            if wide > 0 and high > 0 and min(wide, high) < least_side:
                sentence = f"a box of {box.label!r} is {wide:g} wide and {high:g} high, nearly empty"
                found.append(Finding("box_shapes", "warning", subject.short(box.where), sentence, (one.place,)))
            elif wide * high >= whole * one.size[0] * one.size[1]:
                sentence = f"a box of {box.label!r} holds the whole picture"
                found.append(Finding("box_shapes", "note", subject.short(box.where), sentence, (one.place,)))
    return found


def doubled(subject: Subject, *, overlap: float = 0.9) -> list[Finding]:
    """Two boxes at one place: drawn twice where their classes are the same, else a contradiction.

    Args:
        subject: the set.
        overlap: common area over the area of both (IoU) from which two boxes are at one place.
    """
    found = []
    for one in _drawn(subject):
        first, second = np.nonzero(np.triu(_overlaps(one.corners) >= overlap, 1))
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            box, other = one.boxes[b], one.boxes[a]
            same = box.label == other.label
            earlier = other.where.rpartition(", ")[2]
            sentence = (
                f"a second box of {box.label!r} where {earlier} has one"
                if same
                else f"a box of {box.label!r} where {earlier} has one of {other.label!r}"
            )
            found.append(
                Finding(
                    "doubled_boxes", "warning" if same else "error", subject.short(box.where), sentence, (one.place,)
                )
            )
    return found


def _overlaps(corners: Array) -> Array:
    """Common area over area of both, of every two boxes: `[n, n]`."""
    low = np.maximum(corners[:, None, :2], corners[None, :, :2])
    high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(2)
    area = (corners[:, 2:] - corners[:, :2]).prod(1)
    return np.asarray(common / np.maximum(area[:, None] + area[None] - common, 1e-9))
