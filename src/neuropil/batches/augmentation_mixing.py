"""Augmentations that mix each sample with its neighbour in the batch, inputs and targets alike: mixup and cut-mix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from neuropil.batches.augmentation_geometry import as_type, box_masks
from neuropil.errors import InputError

__all__ = ["CutMix", "Mixup", "beta_quantile"]

Array = np.ndarray[Any, Any]

GRID = 1 << 14
"""Points at which the distribution function of a Beta distribution is tabulated."""


def beta_quantile(u: Array, alpha: float) -> Array:
    """Numbers of the distribution Beta(alpha, alpha) from uniform ones: its inverse distribution function.

    The density x^(a-1) (1-x)^(a-1) is integrated over t = x^min(a,1), in which it has no pole at 0, by the trapezoid
    rule; the upper half follows by symmetry. The error is below 1e-4.

    Args:
        u: uniform numbers in [0, 1).
        alpha: greater than 0; 1 is the uniform distribution.

    Example:
        >>> beta_quantile(np.array([0.25, 0.5, 0.9]), 1.0).round(4).tolist()
        [0.25, 0.5, 0.9]
    """
    shares, places = _beta_table(alpha)
    lower = np.interp(np.minimum(u, 1 - u), shares, places) ** (1 / min(alpha, 1.0))
    return np.asarray(np.where(u < 0.5, lower, 1 - lower))


@lru_cache(maxsize=8)
def _beta_table(alpha: float) -> tuple[Array, Array]:
    """The distribution function from 0 to 1/2, and the t at which it has these values."""
    power = min(alpha, 1.0)
    t = np.linspace(0, 0.5**power, GRID)
    density = t ** ((alpha - power) / power) * (1 - t ** (1 / power)) ** (alpha - 1)
    total = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return total / (2 * total[-1]), t


def _checked_alpha(name: str, alpha: float) -> None:
    if not 0 < alpha < np.inf:
        raise InputError(f"{name}: alpha is {alpha}; give a number greater than 0")


@dataclass(frozen=True, kw_only=True)
class Mixup:
    """x ← λ x + (1 - λ) x', y ← λ y + (1 - λ) y', with λ from Beta(alpha, alpha) for each sample.

    The partner x' is the sample before it in the batch (the last for the first): batches are in random order.

    Source: Zhang, Cissé, Dauphin, Lopez-Paz 2018, "mixup: beyond empirical risk minimization", equation 1.

    Args:
        alpha: greater than 0; small: mostly one of the two; 1: any share alike; large: mostly halves.

    Raises:
        InputError: alpha is not greater than 0.

    Differs: the authors' program draws one λ a batch; here each sample has its own.
    """

    draws: ClassVar[int] = 1
    alpha: float = 0.2

    def __post_init__(self) -> None:
        _checked_alpha("mixup", self.alpha)

    def parameters(self, draws: Array) -> Array:
        """λ, float32 `[N]`."""
        return beta_quantile(draws[:, 0], self.alpha).astype(np.float32)

    def mix(self, inputs: Array, targets: Array, draws: Array) -> tuple[Array, Array]:
        """Mixed inputs `[N, ...]` and targets float32 `[N, K]`."""
        share = self.parameters(draws)
        mixed = _blend(inputs.astype(np.float32, copy=False), share)
        return as_type(mixed, inputs.dtype), _blend(targets, share)


@dataclass(frozen=True, kw_only=True)
class CutMix:
    """Put a box of the neighbour's picture in place; targets are mixed by the share of the area that is left.

    The box has sides √(1 - λ) of the picture's, with λ from Beta(alpha, alpha), its middle is uniform over the picture
    and what lies outside is cut off. The partner is the sample before it in the batch.

    Source: Yun et al. 2019, "CutMix", equations 1 and 2.

    Args:
        alpha: greater than 0; 1: any area alike.

    Raises:
        InputError: alpha is not greater than 0, or inputs that are not pictures.

    Differs: the authors' program draws one box a batch; here each sample has its own.
    """

    draws: ClassVar[int] = 3
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _checked_alpha("cutmix", self.alpha)

    def parameters(self, draws: Array, height: int, width: int) -> Array:
        """Top, left, bottom and right of each box inside the picture, int64 `[N, 4]`; the last two stand outside."""
        sides = np.array([height, width])
        half = (0.5 * np.sqrt(1 - beta_quantile(draws[:, :1], self.alpha)) * sides).astype(np.int64)
        middle = (draws[:, 1:] * sides).astype(np.int64)
        return np.concatenate([np.maximum(middle - half, 0), np.minimum(middle + half, sides)], axis=1)

    def mix(self, inputs: Array, targets: Array, draws: Array) -> tuple[Array, Array]:
        """Mixed pictures `[N, C, H, W]` and targets float32 `[N, K]`."""
        if inputs.ndim != 4:
            raise InputError(
                f"cutmix cuts pictures [C, H, W], but a sample is of shape {list(inputs.shape[1:])}; use mixup instead"
            )
        height, width = inputs.shape[2:]
        boxes = self.parameters(draws, height, width)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        mixed = np.where(box_masks(boxes, height, width), np.roll(inputs, 1, axis=0), inputs)
        return mixed, _blend(targets, (1 - area / (height * width)).astype(np.float32))


def _blend(values: Array, share: Array) -> Array:
    """The mean of each sample and the one before it, weighted by share and 1 - share."""
    share = share.reshape(-1, *(1 for _ in values.shape[1:]))
    return np.asarray(share * values + (1 - share) * np.roll(values, 1, axis=0))
