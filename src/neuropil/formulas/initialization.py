"""How weights start: matrices `[n_out, n_in]` of a layer. Source: chapter, "Weight initialization"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["he", "small_random", "uniform", "xavier"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def small_random(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """Values near zero (row 7): `0.01 N(0, 1)`; the chapter names no size.

    Example:
        >>> small_random(3, 2, np.random.default_rng(0)).shape
        (2, 3)
    """
    return 0.01 * random.standard_normal((n_out, n_in))


def uniform(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """`U(-b, b)`, `b = sqrt(6 / (n_in + n_out))` (row 8).

    Slips corrected: `sd.sqrt` for `np.sqrt`; `layer_size[i] * layer_size[i-1]` values for `[i+1] * [i]`.

    Example:
        >>> bool(np.abs(uniform(3, 3, np.random.default_rng(0))).max() <= 1)
        True
    """
    bound = np.sqrt(6 / (n_in + n_out))
    return random.uniform(-bound, bound, (n_out, n_in))


def xavier(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """`N(0, 1) / sqrt(n_in)` (row 9): elsewhere LeCun's; Glorot and Bengio have `2 / (n_in + n_out)` as variance.

    Example:
        >>> xavier(3, 2, np.random.default_rng(0)).shape
        (2, 3)
    """
    return np.asarray(random.standard_normal((n_out, n_in)) * np.sqrt(1 / n_in))


def he(n_in: int, n_out: int, random: np.random.Generator) -> Array:
    """`N(0, 1) / sqrt(n_in / 2)` (row 10).

    Example:
        >>> he(3, 2, np.random.default_rng(0)).shape
        (2, 3)
    """
    return np.asarray(random.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in))
