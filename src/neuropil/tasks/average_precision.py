"""Average precision of found boxes: VOC's eleven points, all points, COCO's hundred and one. Numbers in, numbers out.

Boxes are `x1 y1 x2 y2`. Of each picture: what was found (boxes, scores, classes) and what is there (boxes, classes, and
which of them are ignored: too difficult or crowds, whose finding counts neither for nor against).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = [
    "COCO_THRESHOLDS", "Curve", "Found", "Interpolation", "There", "average_precision", "curve_of_class",
    "curves_of_class", "mean_average_precision", "overlaps",
]  # fmt: skip

Array = np.ndarray[Any, Any]

Interpolation = Literal["eleven", "all", "coco"]
"""Recalls at which precision is read: 0, 0.1, ... 1 (VOC until 2009), each that occurs (since then), 0, 0.01, ... 1."""

COCO_THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))

MOST_FOUND = 100
"""Boxes of one class in one picture that COCO looks at, best first."""


@dataclass(frozen=True, slots=True)
class Found:
    """Boxes that a detector gave for one picture.

    Args:
        boxes: `[n, 4]`.
        scores: `[n]`.
        classes: `[n]`.
    """

    boxes: Array
    scores: Array
    classes: Array


@dataclass(frozen=True, slots=True)
class There:
    """Boxes that one picture has.

    Args:
        boxes: `[m, 4]`.
        classes: `[m]`.
        ignored: bool `[m]`.
    """

    boxes: Array
    classes: Array
    ignored: Array


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision over recall of one class, one point for each box found, best first.

    Args:
        recall: share of the true boxes that is found so far.
        precision: share of the found boxes so far that is true.
        scores: of the boxes.
        count: true boxes that are not ignored.
    """

    recall: Array
    precision: Array
    scores: Array
    count: int


def overlaps(a: Array, b: Array, crowds: Array | None = None) -> Array:
    """Intersection over union of every box of `a` with every one of `b`, float64 `[n, m]`; 0 where neither has area.

    Args:
        a: `[n, 4]`.
        b: `[m, 4]`.
        crowds: bool `[m]`; for these the area of the box of `a` stands for the union, as in COCO.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inside = np.maximum(sides, 0).prod(2)
    of_a, of_b = ((one[:, 2] - one[:, 0]) * (one[:, 3] - one[:, 1]) for one in (a, b))
    union = of_a[:, None] + of_b[None] - inside
    if crowds is not None:
        union = np.where(crowds[None], of_a[:, None], union)
    return np.asarray(np.divide(inside, union, out=np.zeros_like(inside), where=union > 0))


def _match_voc(overlap: Array, ignored: Array, thresholds: Array) -> tuple[Array, Array]:
    """Of boxes found, best first: which are true, and which count not at all; bool `[thresholds, n]` each.

    Each box is held against the true one that it overlaps most, free or not: a second finding is false.
    """
    true, left_out = np.zeros((2, len(thresholds), len(overlap)), dtype=bool)
    free = np.ones((len(thresholds), len(ignored)), dtype=bool)
    for number, row in enumerate(overlap if len(ignored) else ()):
        best = int(row.argmax())
        enough = row[best] >= thresholds
        left_out[:, number] = enough & ignored[best]
        true[:, number] = enough & free[:, best] & ~ignored[best]
        free[enough, best] = False
    return true, left_out


def _match_coco(overlap: Array, ignored: Array, thresholds: Array) -> tuple[Array, Array]:
    """As `_match_voc`, but each box gets the free true one that it overlaps most (of equals the last), else a crowd."""
    true, left_out = np.zeros((2, len(thresholds), len(overlap)), dtype=bool)
    free = np.ones((len(thresholds), len(ignored)), dtype=bool)
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    for number, row in enumerate(overlap if len(ignored) else ()):
        if row.max() < least.min():
            continue
        enough = row >= least
        candidates = enough & free & ~ignored
        best = len(row) - 1 - np.where(candidates, row, -1.0)[:, ::-1].argmax(axis=1)
        hit = candidates.any(axis=1)
        true[:, number] = hit
        free[hit, best[hit]] = False
        left_out[:, number] = ~hit & (enough & ignored).any(axis=1)
    return true, left_out


def curves_of_class(
    found: Sequence[Found], there: Sequence[There], number: int, thresholds: Sequence[float], *, voc: bool = False
) -> list[Curve]:
    """Precision over recall of one class over all pictures, a curve for each threshold.

    Source: Everingham et al. 2010, section 4.2 (VOC); Lin et al. 2014 and pycocotools' `cocoeval` (COCO).

    Args:
        found: of each picture.
        there: of each picture, in the same order.
        number: of the class.
        thresholds: least overlaps of a box that is true.
        voc: a box is held against the true one that it overlaps most, also where another box has found that already;
            else, as in COCO, against those that are still free, and 100 boxes a picture count.

    Differs:
        VOC's own script adds one picture element to each side, as its boxes name the last element inside.
    """
    match, limits, count = _match_voc if voc else _match_coco, np.asarray(thresholds, dtype=np.float64), 0
    scores: list[Array] = [np.zeros(0)]
    true: list[Array] = [np.zeros((len(limits), 0), dtype=bool)]
    left_out = list(true)
    for guess, real in zip(found, there, strict=True):
        of_class, wanted = guess.classes == number, real.classes == number
        order = np.argsort(-guess.scores[of_class], kind="stable")
        order = order if voc else order[:MOST_FOUND]
        ignored = real.ignored[wanted]
        overlap = overlaps(guess.boxes[of_class][order], real.boxes[wanted], None if voc else ignored)
        hits, others = match(overlap, ignored, limits)
        scores.append(guess.scores[of_class][order])
        true.append(hits)
        left_out.append(others)
        count += int((~ignored).sum())
    all_scores = np.concatenate(scores)
    order = np.argsort(-all_scores, kind="stable")
    curves = []
    for hits, others in zip(np.concatenate(true, axis=1), np.concatenate(left_out, axis=1), strict=True):
        kept = order[~others[order]]
        sums = np.cumsum(hits[kept])
        curves.append(Curve(sums / max(count, 1), sums / np.arange(1, len(kept) + 1), all_scores[kept], count))
    return curves


def curve_of_class(
    found: Sequence[Found], there: Sequence[There], number: int, threshold: float = 0.5, *, voc: bool = False
) -> Curve:
    """The curve of one threshold; see `curves_of_class`."""
    return curves_of_class(found, there, number, (threshold,), voc=voc)[0]


def average_precision(curve: Curve, interpolation: Interpolation = "all") -> float:
    """Precision averaged over recall; NaN for a class that no picture has.

    Source: Everingham et al. 2010, section 4.2; the VOC 2010 development kit, section 3.4.2; pycocotools.
    Formula: with p(r) the best precision at any recall of at least r: its mean over the recalls of the interpolation,
    or the area below it (`all`).

    Raises:
        InputError: an unknown interpolation.

    Example:
        >>> curve = Curve(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3]), np.array([0.9, 0.8, 0.7]), 2)
        >>> [round(average_precision(curve, kind), 4) for kind in ("eleven", "all", "coco")]
        [0.8485, 0.8333, 0.835]
    """
    if interpolation not in get_args(Interpolation):
        raise InputError(
            f"there is no interpolation {interpolation!r}; {nearest(interpolation, get_args(Interpolation))}"
        )
    if not curve.count:
        return float("nan")
    best = np.maximum.accumulate(curve.precision[::-1])[::-1]
    if interpolation == "all":
        return float((np.diff(curve.recall, prepend=0.0) * best).sum())
    recalls = np.linspace(0, 1, 11 if interpolation == "eleven" else 101)
    place = np.searchsorted(curve.recall, recalls, side="left")
    return float(np.append(best, 0.0)[np.minimum(place, len(best))].mean())


def mean_average_precision(
    found: Sequence[Found], there: Sequence[There], num_classes: int, thresholds: Sequence[float] = COCO_THRESHOLDS
) -> Array:
    """COCO's average precision of each class at each threshold, `[K, thresholds]`; NaN where a class does not occur."""
    curves = [curves_of_class(found, there, number, thresholds) for number in range(num_classes)]
    return np.array([[average_precision(curve, "coco") for curve in of_class] for of_class in curves])
