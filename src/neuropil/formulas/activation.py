"""What a unit does to its sum. Source: chapter, "Vanishing gradient", "LeNet", "Structure of a CNN"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["relu", "scaled_tanh", "sigmoid", "softmax", "tanh"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def relu(x: Array) -> Array:
    """The larger of 0 and x (row 2). The chapter spells it `RelU` once.

    Example:
        >>> relu(np.array([-2.0, 3.0])).tolist()
        [0.0, 3.0]
    """
    return np.maximum(0, x)


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))` (row 3), written so that neither sign overflows.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def tanh(x: Array) -> Array:
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))` (row 4), by way of the sigmoid: `2 sigmoid(2x) - 1`.

    Example:
        >>> tanh(np.array([0.0, 1000.0])).tolist()
        [0.0, 1.0]
    """
    return 2 * sigmoid(2 * np.asarray(x)) - 1


def scaled_tanh(x: Array) -> Array:
    """`1.7159 tanh(2x/3)`: what LeNet-5's paper has where the chapter says sigmoid (row 3).

    Example:
        >>> round(float(scaled_tanh(np.array(1.0))), 4)
        1.0
    """
    return 1.7159 * tanh(2 * np.asarray(x) / 3)


def softmax(x: Array) -> Array:
    """`exp(x_k) / sum_j exp(x_j)` over the last axis (row 5), the largest taken off first so that nothing overflows.

    Example:
        >>> softmax(np.array([1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
