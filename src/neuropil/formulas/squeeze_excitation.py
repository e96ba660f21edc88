"""What SENet adds to a network. Source: chapter, "SENet"; Hu et al. 2018, "Squeeze-and-excitation networks"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["excitation", "squeeze"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def squeeze(x: Array) -> Array:
    """One number a map (row 72): `z_c = sum_ij x_cij / (H W)`. Source: equation 2.

    Example:
        >>> squeeze(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[1.5, 5.5]]
    """
    return np.asarray(x.mean(axis=(2, 3)))


def excitation(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Array:
    """Each map scaled (row 73): `s = sigmoid(W_2 relu(W_1 z + b_1) + b_2)`, `y_c = s_c x_c`. Source: equations 3, 4.

    Slip corrected: the chapter writes `delta(W_1, z)` for `relu(W_1 z)`.

    Example:
        >>> excitation(np.ones((1, 1, 1, 1)), np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)), np.zeros(1)).item()
        0.5
    """
    inner = np.maximum(squeeze(x) @ W_1.T + b_1, 0)
    s = 1 / (1 + np.exp(-(inner @ W_2.T + b_2)))
    return np.asarray(s[:, :, None, None] * x)
