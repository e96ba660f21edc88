"""Where two things nearly touch: the places that U-Net's loss weighs most.

Source: Ronneberger, Fischer and Brox 2015, "U-Net", section 3, equation 2; chapter, "U-Net".
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["FULL", "border_map", "components"]

Array = np.ndarray[Any, Any]

FULL = 255
"""What a border map holds where two things touch."""

REACH = 4.0
"""Deviations beyond which a border is no longer felt: exp(-8)."""


def components(mask: Array) -> tuple[Array, int]:
    """The connected parts (along rows and columns) of what is not 0, numbered from 1, and how many there are.

    Shape: `[H, W]` -> int64 `[H, W]`.

    Args:
        mask: class numbers; neighbours of different classes are different parts.

    Example:
        >>> components(np.array([[1, 0, 1], [1, 0, 2]]))[0].tolist()
        [[1, 0, 2], [1, 0, 3]]
    """
    height, width = mask.shape
    parent = [0]
    numbers = np.zeros((height, width), dtype=np.int64)
    above: list[tuple[int, int, int]] = []
    for row in range(height):
        edges = np.flatnonzero(np.diff(mask[row], prepend=-1, append=-1))
        runs = []
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if not mask[row, begin]:
                continue
            parent.append(len(parent))
            number = len(parent) - 1
            for left, right, other in above:
                if left < end and right > begin and mask[row - 1, left] == mask[row, begin]:
                    _join(parent, number, other)
            numbers[row, begin:end] = number
            runs.append((begin, end, number))
        above = runs
    roots = np.array([_root(parent, number) for number in range(len(parent))])
    kept, renamed = np.unique(roots, return_inverse=True)
    return renamed[numbers], len(kept) - 1


def _root(parent: list[int], number: int) -> int:
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


def _join(parent: list[int], one: int, other: int) -> None:
    one, other = _root(parent, one), _root(parent, other)
    parent[max(one, other)] = min(one, other)


def border_map(mask: Array, deviation: float = 5.0) -> Array:
    """How near each place of the background is to two things: `exp(-(d_1 + d_2)^2 / (2 sigma^2))`, as 0 to 255.

    `d_1` and `d_2` are the distances to the nearest and the second nearest connected part, in picture elements.

    Shape: class numbers `[H, W]`, 0 the background -> uint8 `[H, W]`; 0 on the parts themselves.

    Args:
        mask: see above; 255 (not known) belongs to no part.
        deviation: sigma; 5 in the paper.

    Example:
        >>> border_map(np.array([[1, 1, 0, 1, 1, 0, 0, 0]])).tolist()
        [[0, 0, 235, 0, 0, 155, 96, 50]]
    """
    known = np.where(mask == 255, 0, mask)
    numbers, count = components(known)
    far = np.inf
    first, second = np.full(mask.shape, far), np.full(mask.shape, far)
    reach = int(np.ceil(REACH * deviation))
    for number in range(1, count + 1):
        rows, columns = np.nonzero(numbers == number)
        top, left = max(rows.min() - reach, 0), max(columns.min() - reach, 0)
        place = (slice(top, rows.max() + reach + 1), slice(left, columns.max() + reach + 1))
        distance = _distances(numbers[place] == number, reach)
        nearest, next_one = first[place], second[place]
        second[place] = np.minimum(next_one, np.maximum(nearest, distance))
        first[place] = np.minimum(nearest, distance)
    weight = np.exp(-((first + second) ** 2) / (2 * deviation**2))
    return np.where(mask == 0, np.rint(FULL * weight), 0).astype(np.uint8)


def _distances(part: Array, reach: int) -> Array:
    """The distance of each place to a part, up to a reach; infinite beyond."""
    squares = np.where(part, 0.0, np.inf)
    for axis in (0, 1):
        found = squares.copy()
        for step in range(1, min(reach, squares.shape[axis] - 1) + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            one, other = tuple(ahead), tuple(behind)
            found[one] = np.minimum(found[one], squares[other] + step**2)
            found[other] = np.minimum(found[other], squares[one] + step**2)
        squares = found
    return np.asarray(np.sqrt(squares))
