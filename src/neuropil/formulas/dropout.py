"""Leaving out nodes. Source: chapter, "Dropout"; Srivastava et al. 2014."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

__all__ = ["draw_dropped", "dropout"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


def draw_dropped(num_nodes: int, random: np.random.Generator, rate: float = 0.2) -> Mask:
    """The nodes left out, chosen anew for every mini-batch or epoch: `random() < 0.2`.

    Example:
        >>> draw_dropped(4, np.random.default_rng(0)).tolist()
        [False, False, True, True]
    """
    return random.random(num_nodes) < rate


def dropout(
    nodes: Array,
    dropped: Mask | None,
    form: Literal["chapter", "srivastava", "inverted"] = "chapter",
    rate: float = 0.2,
) -> Array:
    """What the next layer sees of a hidden layer (row 15); `dropped=None` is inference, which uses every node.

    The chapter never makes up for the missing nodes; Srivastava scales at inference, the inverted form in training.
    Slip corrected: `rnage`.

    Example:
        >>> dropout(np.ones(3), np.array([True, False, False]), "inverted").tolist()
        [0.0, 1.25, 1.25]
    """
    if dropped is None:
        return nodes * (1 - rate) if form == "srivastava" else nodes
    kept = np.where(dropped, 0, nodes)
    return kept / (1 - rate) if form == "inverted" else kept
