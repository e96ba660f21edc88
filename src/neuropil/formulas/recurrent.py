"""Networks with a memory, one step at a time. Source: chapter, "RNN", "LSTM", "GRU".

Weights stand as the chapter writes them, on the right: `x U + h W + b`. Of the LSTM and the GRU they are dictionaries
by gate: `U["i"]`, `W["f"]`, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuropil.formulas.activation import sigmoid

__all__ = ["gradient_term", "gru_step", "jordan_step", "lstm_step", "objective", "rnn_step"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Gates = Mapping[str, Array]


def rnn_step(x: Array, h: Array, u: Array, w: Array, b: Array, v: Array, c: Array) -> tuple[Array, Array]:
    """`h_t = tanh(x_t U + h_{t-1} W + b)`, `o_t = h_t V + c` (rows 91, 98).

    Slip corrected: the chapter's code takes the sum `s` for `h` in the output.

    Example:
        >>> one = np.ones((1, 1))
        >>> h, o = rnn_step(np.array([0.5]), np.array([0.0]), one, one, np.zeros(1), 2 * one, np.zeros(1))
        >>> h.round(4).tolist(), o.round(4).tolist()
        ([0.4621], [0.9242])
    """
    h = np.tanh(x @ u + h @ w + b)
    return h, h @ v + c


def jordan_step(x: Array, y: Array, u: Array, w: Array, b: Array, v: Array, c: Array) -> tuple[Array, Array]:
    """`h_t = tanh(x_t U + y_{t-1} W + b)`, `y_t = h_t V + c`: the output is fed back (row 93; Jordan 1986).

    Example:
        >>> one = np.ones((1, 1))
        >>> h, y = jordan_step(np.array([0.0]), np.array([0.5]), one, one, np.zeros(1), 2 * one, np.zeros(1))
        >>> y.round(4).tolist()
        [0.9242]
    """
    h = np.tanh(x @ u + y @ w + b)
    return h, h @ v + c


def lstm_step(x: Array, h: Array, cell: Array, u: Gates, w: Gates, b: Gates, v: Array) -> tuple[Array, Array]:
    """`i, a, f, c, o, h` of the LSTM whose output gate sees the cell (row 112).

    Slips corrected: the output gate sees `c_t` (the chapter: `c_{t-1}`) and has a bias of its own (there: `b_f`).

    Example:
        >>> one = {gate: np.ones((1, 1)) for gate in "iafo"}
        >>> zero = {gate: np.zeros(1) for gate in "iafo"}
        >>> h, cell = lstm_step(np.array([1.0]), np.zeros(1), np.zeros(1), one, one, zero, np.ones(1))
        >>> h.round(4).tolist(), cell.round(4).tolist()
        ([0.4176], [0.5568])
    """
    i = sigmoid(x @ u["i"] + h @ w["i"] + b["i"])
    a = np.tanh(x @ u["a"] + h @ w["a"] + b["a"])
    f = sigmoid(x @ u["f"] + h @ w["f"] + b["f"])
    cell = i * a + f * cell
    o = sigmoid(x @ u["o"] + h @ w["o"] + v * cell + b["o"])
    return o * np.tanh(cell), cell


def gru_step(x: Array, h: Array, u: Gates, w: Gates, b: Gates) -> Array:
    """Reset `r`, update `z`, candidate `n` of the gated recurrent unit (row 114; Cho et al. 2014, equations 5-8).

    Differs: torch lets `r` act behind the product with `W["n"]`.

    Example:
        >>> one = {gate: np.ones((1, 1)) for gate in "rzn"}
        >>> zero = {gate: np.zeros(1) for gate in "rzn"}
        >>> gru_step(np.array([1.0]), np.array([0.5]), one, one, zero).round(4).tolist()
        [0.5706]
    """
    r = sigmoid(x @ u["r"] + h @ w["r"] + b["r"])
    z = sigmoid(x @ u["z"] + h @ w["z"] + b["z"])
    n = np.tanh(x @ u["n"] + (r * h) @ w["n"] + b["n"])
    return z * h + (1 - z) * n


def objective(errors: Array, over: str = "sum") -> float:
    """`E = sum_t E_t` (row 103), or the mean, of which the chapter's text speaks (row 100).

    Slip corrected: the sum runs over the index of its terms, `t`.

    Example:
        >>> objective(np.array([1.0, 3.0])), objective(np.array([1.0, 3.0]), over="mean")
        (4.0, 2.0)
    """
    return float(errors.mean() if over == "mean" else errors.sum())


def gradient_term(of_h: Array, states: Array, w: Array, t: int, k: int) -> Array:
    """`dE_t/dh_t (prod_{j=k+1}^t dh_j/dh_{j-1}) dh_k/dW`, the term of step `k` in `dE_t/dW` (row 104).

    `states` are `h_{-1}, h_0, ..., h_t`, one row each; `of_h` is `dE_t/dh_t`. The sum over `k` from 0 to `t` is
    `dE_t/dW`.

    Example:
        >>> states = np.array([[0.5], [0.25], [0.0]])
        >>> gradient_term(np.array([1.0]), states, np.array([[0.5]]), t=1, k=0).tolist()
        [[0.234375]]
    """
    back = of_h * (1 - states[t + 1] ** 2)
    for j in range(t, k, -1):
        back = (back @ w.T) * (1 - states[j] ** 2)
    return np.outer(states[k], back)
