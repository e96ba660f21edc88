"""The statistics: one number a pair, their median, its bootstrap interval, and whether a target is met."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.records import Pair, Result, Row

__all__ = ["bootstrap_interval", "of_pair", "summarize_pairs"]

RESAMPLES = 10_000
NOISY = 0.9
"""A pair with a probe below this share of the session's best."""


def bootstrap_interval(values: Sequence[float], *, share: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """The percentile bootstrap interval of the median.

    Both ends are medians of resampled values, so that it also holds for values that are infinite.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("an interval of no values was asked for; give one or more")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    draws = np.random.default_rng(seed).integers(0, len(ordered), (RESAMPLES, len(ordered)))
    draws.sort(axis=1)
    middle = len(ordered) // 2  # of an even number of values the upper one: no mean of finite and infinite
    medians = np.sort(ordered[draws[:, middle]])
    cut = (1 - share) / 2
    return float(medians[int(cut * RESAMPLES)]), float(medians[math.ceil((1 - cut) * RESAMPLES) - 1])


def of_pair(row: Row, ours: float, peer: float) -> float:
    """The number of one pair that is held against the target.

    A side that never reached its goal has infinite seconds: it loses; where neither did, nobody wins.
    """
    if row.kind == "ours":
        return ours
    over, under = (ours, peer) if row.kind == "ours / peer" else (peer, ours)
    if math.isinf(over) and math.isinf(under):
        return 1.0
    return over / under


def summarize_pairs(row: Row, pairs: Sequence[Pair]) -> Result:
    """The row's numbers; a target is met where the worse end of the interval meets it."""
    ours = [pair.ours.figures[row.figure] for pair in pairs]
    peer = [pair.peer.figures[row.figure] for pair in pairs]
    values = [of_pair(row, a, b) for a, b in zip(ours, peer, strict=True)]
    low, high = bootstrap_interval(values)
    met = None
    if row.target is not None:
        met = low >= row.target if row.better == "high" else high <= row.target
    noisy = sum(pair.probe < NOISY for pair in pairs)
    return Result(row, _median(ours), _median(peer), _median(values), low, high, met, len(pairs), noisy)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
