"""Boxes and masks moved along with their pictures.

A map is `[2, 3]`: it takes a place in the result to the place in the source that is seen there, both counted from the
picture's middle as (x, y, 1) in picture elements, y downwards.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

__all__ = ["OUTSIDE", "MovingPart", "WarpingPart", "cut_boxes", "mask_sources", "move_boxes", "pick"]

Array = np.ndarray[Any, Any]

OUTSIDE = 255
"""What a mask holds where the source has no picture: such places are left out of loss and metrics."""

LEAST_VISIBLE = 0.25
"""A box of which less is left inside the picture goes: what it shows can hardly be recognised."""


@runtime_checkable
class MovingPart(Protocol):
    """An augmentation that moves pictures by one map each."""

    def maps(self, draws: Array, height: int, width: int) -> Array:
        """The maps, float64 `[N, 2, 3]`."""
        ...


@runtime_checkable
class WarpingPart(Protocol):
    """An augmentation that bends pictures."""

    def sources(self, draws: Array, height: int, width: int) -> Array:
        """For each place of the result, row and column of the place in the source, float `[N, H, W, 2]`."""
        ...


def move_boxes(targets: Array, maps: Array, height: int, width: int) -> Array:
    """Boxes where a map has moved them: the upright box around the moved corners, cut at the picture's edges.

    Shape:
        targets float32 `[N, M, 6]` (class, left, top, right, bottom as shares, ignored), maps `[N, 2, 3]` -> the same.

    Example:
        >>> targets = np.array([[[0, 0.0, 0.0, 0.5, 0.5, 0]]], dtype=np.float32)
        >>> mirrored = np.array([[[-1.0, 0, 0], [0, 1, 0]]])
        >>> move_boxes(targets, mirrored, 10, 10)[0, 0].tolist()
        [0.0, 0.5, 0.0, 1.0, 0.5, 0.0]
    """
    sides = np.array([width, height], dtype=np.float64)
    turn, step = maps[:, :, :2], maps[:, :, 2]
    x, y = targets[..., [1, 3]].astype(np.float64), targets[..., [2, 4]].astype(np.float64)
    corners = np.stack([x[..., [0, 1, 0, 1]], y[..., [0, 0, 1, 1]]], axis=-1)  # [N, M, 4, 2]
    source = (corners - 0.5) * sides - step[:, None, None]
    moved = np.einsum("nij,nmkj->nmki", np.linalg.inv(turn), source) / sides + 0.5
    boxes = targets.copy()
    boxes[..., 1:3], boxes[..., 3:5] = moved.min(axis=2), moved.max(axis=2)
    return cut_boxes(boxes)


def cut_boxes(targets: Array) -> Array:
    """Boxes cut at the picture's edges; those of which too little is left become rows of class -1."""
    result = targets.copy()
    result[..., 1:5] = targets[..., 1:5].clip(0, 1)
    left, whole = (one[..., 3:5] - one[..., 1:3] for one in (result, targets))
    gone = left.prod(axis=-1) < LEAST_VISIBLE * whole.prod(axis=-1)
    gone |= (left <= 0).any(axis=-1)
    result[gone] = np.array([-1, 0, 0, 0, 0, 0], dtype=targets.dtype)
    return result


def mask_sources(maps: Array, height: int, width: int) -> Array:
    """Row and column in the source of each place of the result, float64 `[N, H, W, 2]`."""
    rows, columns = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    y, x = np.meshgrid(rows, columns, indexing="ij")
    places = np.stack([x.ravel(), y.ravel(), np.ones(height * width)])
    found = (maps @ places).reshape(-1, 2, height, width)
    return np.stack([found[:, 1] + (height - 1) / 2, found[:, 0] + (width - 1) / 2], axis=-1)


def pick(masks: Array, sources: Array) -> Array:
    """Each place's class from the nearest place in the source; `OUTSIDE` where there is none.

    Shape: masks `[N, H, W]`, sources `[N, H, W, 2]` -> `[N, H, W]`.
    """
    height, width = masks.shape[1:]
    nearest = np.rint(sources).astype(np.int64)
    rows, columns = nearest[..., 0], nearest[..., 1]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    number = np.arange(len(masks))[:, None, None]
    found = masks[number, rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return np.where(inside, found, OUTSIDE).astype(masks.dtype, copy=False)
