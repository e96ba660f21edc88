"""Elastic deformation: pictures and masks bent smoothly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import functional

from neuropil.batches.augmentation_geometry import as_type, in_pieces
from neuropil.errors import InputError

__all__ = ["Elastic"]

Array = np.ndarray[Any, Any]

GRID = 3
"""Vectors along each side, as in the paper."""


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """Random vectors on a coarse grid of 3 x 3, spread over the picture by a smooth (cubic) surface, move each place.

    Source: Ronneberger, Fischer and Brox 2015, "U-Net", section 3.1: vectors from N(0, 10^2), "per-pixel
    displacements are then computed using bicubic interpolation".

    Args:
        deviation: of the vectors, in picture elements, above 0.

    Raises:
        InputError: a deviation that is not above 0.
    """

    draws: ClassVar[int] = 2 * GRID * GRID
    deviation: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.deviation < np.inf:
            raise InputError(f"elastic: deviation is {self.deviation}; give picture elements, above 0")

    def parameters(self, draws: Array) -> Array:
        """The vectors, rows and columns, float64 `[N, 2, 3, 3]`."""
        normal = NormalDist(0, self.deviation)
        inside = np.clip(draws, 1e-9, 1 - 1e-9)
        return np.asarray(np.vectorize(normal.inv_cdf)(inside)).reshape(-1, 2, GRID, GRID)

    def sources(self, draws: Array, height: int, width: int) -> Array:
        """See `WarpingPart`."""
        rows, columns = _surface(height), _surface(width)
        moved = np.einsum("hi,ncij,wj->nhwc", rows, self.parameters(draws), columns)
        grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
        return np.asarray(grid + moved)

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures `[N, C, H, W]`, bent (bilinear; mirrored at the edges)."""
        return in_pieces(self._bent, images, draws)

    def _bent(self, images: Array, draws: Array) -> Array:
        height, width = images.shape[2:]
        places = self.sources(draws, height, width)[..., ::-1]
        grid = ((2 * places + 1) / np.array([width, height]) - 1).astype(np.float32)
        values = torch.from_numpy(images.astype(np.float32))
        bent = functional.grid_sample(values, torch.from_numpy(grid), padding_mode="reflection", align_corners=False)
        return as_type(bent.numpy(), images.dtype)


@lru_cache(maxsize=8)
def _surface(side: int) -> Array:
    """Weights `[side, 3]` of the cubic through three equal steps whose ends lie on the picture's edges.

    Lagrange's polynomial would be a parabola; the cubic convolution of Keys (a = -1/2) is what "bicubic" means.
    """
    place = np.linspace(0, GRID - 1, side)
    first = np.floor(place).astype(np.int64)
    weights = np.zeros((side, GRID))
    for step in range(-1, 3):
        distance = np.abs(place - (first + step))
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        np.add.at(weights, (np.arange(side), np.clip(first + step, 0, GRID - 1)), weight)
    return weights
