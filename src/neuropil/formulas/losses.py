"""Errors and penalties. Source: chapter, "Regularization", "Learning of recurrent networks"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cross_entropy", "lasso", "ridge", "squared_error"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def cross_entropy(target: Array, predicted: Array) -> Array:
    """`-sum_i y'_i log y_i` over the last axis, `0 log 0` being 0 (row 101). Slip corrected: `y_{yi}` for `y_{ti}`.

    Example:
        >>> round(float(cross_entropy(np.array([0.0, 1.0]), np.array([0.5, 0.5]))), 4)
        0.6931
    """
    surprise = -np.log(predicted, where=target > 0, out=np.zeros_like(predicted))
    return np.asarray(np.sum(target * surprise, axis=-1))


def squared_error(target: Array, predicted: Array) -> Array:
    """`(1/K) sum_i (y'_i - y_i)^2` over the last axis (row 102). Slip corrected: `y_{yi}` for `y_{ti}`.

    Example:
        >>> float(squared_error(np.array([0.0, 0.0]), np.array([1.0, 2.0])))
        2.5
    """
    return np.asarray(np.mean((target - predicted) ** 2, axis=-1))


def ridge(weight: Array, strength: float) -> float:
    """The L2 term of the loss: `lambda sum w^2` (row 13); its gradient is `2 lambda w`.

    Example:
        >>> ridge(np.array([3.0, -4.0]), 0.1)
        2.5
    """
    return float(strength * np.sum(weight**2))


def lasso(weight: Array, strength: float) -> float:
    """The L1 term of the loss: `lambda sum |w|` (row 14); its gradient is `lambda sign(w)`.

    Example:
        >>> round(lasso(np.array([3.0, -4.0]), 0.1), 3)
        0.7
    """
    return float(strength * np.sum(np.abs(weight)))
