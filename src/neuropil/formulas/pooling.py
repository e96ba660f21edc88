"""One value for a block. Source: chapter, "Pooling", "LeNet"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["max_pooling", "subsampling"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def max_pooling(mat: Array, K: int, L: int) -> Array:
    """The largest value of each `K x L` block (row 52, the chapter's `maxPooling`); what fills no block is cropped.

    Example:
        >>> max_pooling(np.arange(15.0).reshape(3, 5), 2, 2).tolist()
        [[6.0, 8.0]]
    """
    M, N = mat.shape
    MK, NL = M // K, N // L
    return np.asarray(mat[: MK * K, : NL * L].reshape(MK, K, NL, L).max(axis=(1, 3)))


def subsampling(mat: Array, weight: float, bias: float) -> Array:
    """LeNet's pooling (row 57): `weight x (sum of a 2x2 block) + bias`.

    Example:
        >>> subsampling(np.ones((2, 4)), 0.5, 1.0).tolist()
        [[3.0, 3.0]]
    """
    M, N = mat.shape[0] // 2, mat.shape[1] // 2
    return np.asarray(weight * mat[: 2 * M, : 2 * N].reshape(M, 2, N, 2).sum(axis=(1, 3)) + bias)
