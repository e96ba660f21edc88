"""One value for a window. Source: chapter, "Pooling", "LeNet"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = [
    "average_pooling",
    "global_average_pooling",
    "global_max_pooling",
    "max_pooling",
    "stochastic_pooling",
    "stochastic_pooling_inference",
    "subsampling",
    "windows",
]

Array = np.ndarray[Any, np.dtype[np.float64]]


def windows(mat: Array, K: int, L: int, stride: int, padding: int = 0, fill: float = 0.0) -> Array:
    """The `K x L` windows as `[M', N', K L]`, one every `stride` places (rows 49-51); the rest is cropped.

    Example:
        >>> windows(np.arange(9.0).reshape(3, 3), 2, 2, 1)[0].tolist()
        [[0.0, 1.0, 3.0, 4.0], [1.0, 2.0, 4.0, 5.0]]
    """
    seen = sliding_window_view(np.pad(mat, padding, constant_values=fill), (K, L))[::stride, ::stride]
    return np.asarray(seen.reshape(*seen.shape[:2], K * L))


def max_pooling(mat: Array, K: int, L: int) -> Array:
    """The largest value of each `K x L` block (row 52, the chapter's `maxPooling`); what fills no block is cropped.

    Example:
        >>> max_pooling(np.arange(15.0).reshape(3, 5), 2, 2).tolist()
        [[6.0, 8.0]]
    """
    M, N = mat.shape
    MK, NL = M // K, N // L
    return np.asarray(mat[: MK * K, : NL * L].reshape(MK, K, NL, L).max(axis=(1, 3)))


def average_pooling(mat: Array, K: int, L: int, stride: int, padding: int = 0, count_padding: bool = True) -> Array:
    """The mean of each window (row 50); padding counts as zeros, or not at all.

    Example:
        >>> average_pooling(np.ones((2, 2)), 2, 2, 2, padding=1, count_padding=False).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    counts = windows(np.ones(mat.shape), K, L, stride, padding, fill=float(count_padding)).sum(axis=2)
    return np.asarray(windows(mat, K, L, stride, padding).sum(axis=2) / counts)


def stochastic_pooling(mat: Array, draws: Array, K: int, L: int, stride: int, padding: int = 0) -> Array:
    """An element of each window, taken with probability `p_i = a_i / sum_k a_k` (row 51, training).

    It is the first whose running sum of `p` exceeds the window's uniform draw; a window of zeros gives 0.

    Example:
        >>> mat = np.array([[1.0, 0.0, 3.0]])  # p = 1/4, 0, 3/4
        >>> [stochastic_pooling(mat, np.array([[draw]]), 1, 3, 1).item() for draw in (0.24, 0.25)]
        [1.0, 3.0]
    """
    seen = windows(mat, K, L, stride, padding)
    running = np.cumsum(seen, axis=2)
    chosen = (running > draws[..., None] * running[..., -1:]).argmax(axis=2)
    return np.where(running[..., -1] > 0, np.take_along_axis(seen, chosen[..., None], axis=2)[..., 0], 0.0)


def stochastic_pooling_inference(mat: Array, K: int, L: int, stride: int, padding: int = 0) -> Array:
    """The probability-weighted sum `sum_i p_i a_i`, `p_i = a_i / sum_k a_k` (row 51, inference); 0 where all are 0.

    Example:
        >>> stochastic_pooling_inference(np.array([[1.0, 0.0, 3.0]]), 1, 3, 1).tolist()
        [[2.5]]
    """
    seen = windows(mat, K, L, stride, padding)
    total = seen.sum(axis=2, keepdims=True)
    return np.asarray((seen / np.where(total > 0, total, 1) * seen).sum(axis=2))


def global_average_pooling(maps: Array) -> Array:
    """The mean of each map `[..., M, N]` (row 50 for whole maps).

    Example:
        >>> global_average_pooling(np.arange(8.0).reshape(2, 2, 2)).tolist()
        [1.5, 5.5]
    """
    return np.asarray(maps.mean(axis=(-2, -1)))


def global_max_pooling(maps: Array) -> Array:
    """The largest value of each map `[..., M, N]` (row 49 for whole maps).

    Example:
        >>> global_max_pooling(np.arange(8.0).reshape(2, 2, 2)).tolist()
        [3.0, 7.0]
    """
    return np.asarray(maps.max(axis=(-2, -1)))


def subsampling(mat: Array, weight: float, bias: float) -> Array:
    """LeNet's pooling (row 57): `weight x (sum of a 2x2 block) + bias`.

    Example:
        >>> subsampling(np.ones((2, 4)), 0.5, 1.0).tolist()
        [[3.0, 3.0]]
    """
    M, N = mat.shape[0] // 2, mat.shape[1] // 2
    return np.asarray(weight * mat[: 2 * M, : 2 * N].reshape(M, 2, N, 2).sum(axis=(1, 3)) + bias)
