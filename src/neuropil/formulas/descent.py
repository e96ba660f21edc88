"""Going down the gradient, and how many data an update sees. Source: chapter, "Weight update strategies"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["gradient_descent", "updates"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def gradient_descent(weight: Array, gradient: Array, learning_rate: float) -> Array:
    """`w <- w - eta dE/dw` (row 20). Slip corrected: `learning_rage`.

    Example:
        >>> gradient_descent(np.array([1.0]), np.array([0.5]), 0.1).tolist()
        [0.95]
    """
    return weight - learning_rate * gradient


def updates(
    weight: Array, data: Array, gradient: Callable[[Array, Array], Array], learning_rate: float, batch_size: int = 32
) -> Array:
    """One epoch (rows 16-19): an update from the mean gradient of each batch; returns the weights at its end.

    `batch_size=1` is the stochastic, `len(data)` the batch update; iterations are `ceil(len(data) / batch_size)`.
    Slip corrected: the chapter's loops over one batch and over all data evaluate the gradient of `one_data`.

    Example:
        >>> updates(np.zeros(1), np.ones((4, 1)), lambda w, x: w - x, 0.5, batch_size=2).tolist()  # two half-way steps
        [0.75]
    """
    for start in range(0, len(data), batch_size):
        batch = data[start : start + batch_size]
        mean_gradient = np.mean([gradient(weight, one) for one in batch], axis=0)
        weight = gradient_descent(weight, mean_gradient, learning_rate)
    return weight
