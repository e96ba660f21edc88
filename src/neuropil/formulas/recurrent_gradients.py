"""Why gradients through time vanish or explode, and what is done about it. Source: chapter, "Vanishing and exploding".

RMSprop, another remedy of the chapter, stands in `rules`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["clip_by_norm", "matrix_power", "regime", "spectral_radius", "truncated_window"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def matrix_power(matrix: Array, power: int) -> Array:
    """`W^t = Q diag(lambda^t) Q^-1` by the eigenvalues (row 105); `W` must have a full set of eigenvectors.

    Example:
        >>> matrix_power(np.array([[0.5, 0.5], [0.0, 1.0]]), 100).round(6).tolist()
        [[0.0, 1.0], [0.0, 1.0]]
    """
    values, vectors = np.linalg.eig(matrix)
    return np.real((vectors * values**power) @ np.linalg.inv(vectors))


def spectral_radius(matrix: Array) -> float:
    """The largest size of an eigenvalue, complex ones included (row 105).

    Example:
        >>> round(spectral_radius(np.array([[0.0, -2.0], [2.0, 0.0]])), 12)  # a quarter turn, twice as long
        2.0
    """
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def regime(matrix: Array, slope: float = 1.0) -> str:
    """Whether the gradient through many steps `vanishes`, `explodes` or `stays` (row 105).

    Slip corrected: the spectral radius decides, not every eigenvalue, and each step also multiplies by the slope of the
    activation: give its typical size, for tanh 1 at most. A slope that varies makes this a forecast.

    Example:
        >>> regime(np.diag([0.2, 1.1])), regime(np.diag([0.2, 1.1]), slope=0.65), regime(np.eye(2))
        ('explodes', 'vanishes', 'stays')
    """
    factor = slope * spectral_radius(matrix)
    return "stays" if np.isclose(factor, 1) else "vanishes" if factor < 1 else "explodes"


def truncated_window(t: int, num_steps: int) -> list[int]:
    """The steps `k` whose terms `dE_t/dW` keeps if the error goes back `num_steps` steps, `t` among them (row 108).

    With it the highest power of `W` in the gradient is `num_steps - 1` in place of `t`.

    Example:
        >>> truncated_window(7, 3), truncated_window(1, 3)
        ([5, 6, 7], [0, 1])
    """
    return list(range(max(0, t - num_steps + 1), t + 1))


def clip_by_norm(gradient: Array, threshold: float) -> Array:
    """`||g|| > theta` gives `theta g / ||g||` (row 109; Pascanu, Mikolov & Bengio 2013, algorithm 1).

    Example:
        >>> clip_by_norm(np.array([3.0, 4.0]), 1.0).tolist(), clip_by_norm(np.array([0.3, 0.4]), 1.0).tolist()
        ([0.6, 0.8], [0.3, 0.4])
    """
    norm = float(np.linalg.norm(gradient))
    return threshold * gradient / norm if norm > threshold else gradient
