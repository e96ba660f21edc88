"""YOLO's formulas. Source: chapter, "YOLO"; Redmon et al. 2016, "You only look once"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cell_loss", "cell_of", "iou", "suppressed"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def cell_of(box: Array, grid: int) -> tuple[int, int, Array]:
    """Row and column of the cell that answers for a box, and x, y, w, h as it is told them (row 83).

    The box is left, top, right, bottom as shares of the picture; x and y count in the cell, w and h in the picture.

    Example:
        >>> cell_of(np.array([0.0, 0.0, 0.5, 0.25]), 7)
        (0, 1, array([0.75 , 0.875, 0.5  , 0.25 ]))
    """
    x, y = grid * (box[0] + box[2]) / 2, grid * (box[1] + box[3]) / 2
    row, column = min(int(y), grid - 1), min(int(x), grid - 1)
    return row, column, np.array([x - column, y - row, box[2] - box[0], box[3] - box[1]])


def iou(a: Array, b: Array) -> float:
    """Intersection over union (row 85): `area(a and b) / area(a or b)`; 0 where neither has an area.

    Example:
        >>> iou(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2]))
        0.3333333333333333
    """
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inside = float(np.maximum(sides, 0).prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - inside
    return inside / union if union else 0.0


def suppressed(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """Non-maximum suppression of one class (row 86): the places of the boxes that stay, best first.

    Example:
        >>> suppressed(np.array([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]]), np.array([0.9, 0.8, 0.7]), 0.5)
        [0, 2]
    """
    kept: list[int] = []
    for place in np.argsort(-scores, kind="stable").tolist():
        if all(iou(boxes[place], boxes[other]) <= threshold for other in kept):
            kept.append(place)
    return kept


def cell_loss(found: Array, classes: Array, truth: Array, number: int, responsible: int, overlap: float) -> float:
    """YOLO's loss of one cell with an object (rows 84 and 87): 5 for places and sizes, 1/2 for boxes without an object.

    `found` are rows of x, y, sqrt w, sqrt h, C; `truth` is x, y, w, h.

    Example:
        >>> cell_loss(np.array([[0.5, 0.5, 0.5, 0.5, 1.0]]), np.ones(1), np.array([0.5, 0.5, 0.25, 0.25]), 0, 0, 1.0)
        0.0
    """
    own, others = found[responsible], np.delete(found, responsible, axis=0)
    place = np.concatenate([truth[:2], np.sqrt(truth[2:])])
    one_of_k = np.arange(len(classes)) == number
    coordinates = 5 * ((own[:4] - place) ** 2).sum()
    confidence = (own[4] - overlap) ** 2 + 0.5 * (others[:, 4] ** 2).sum()
    return float(coordinates + confidence + ((classes - one_of_k) ** 2).sum())
