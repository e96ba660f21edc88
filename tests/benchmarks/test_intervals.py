"""The statistics behind every claim of speed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.intervals import bootstrap_interval, of_pair, summarize_pairs
from benchmarks.records import Measurement, Pair, Row
from scipy import stats


def row(kind: str = "ours / peer", better: str = "low", target: float | None = 1.1) -> Row:
    return Row(what="x", figure="s", unit="s", kind=kind, better=better, target=target)


def pairs(ours: list[float], peer: list[float]) -> list[Pair]:
    return [Pair(Measurement({"s": a}), Measurement({"s": b}), 1.0) for a, b in zip(ours, peer, strict=True)]


def test_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).normal(5, 1, 15)
    low, high = bootstrap_interval(values.tolist())
    expected = stats.bootstrap((values,), np.median, method="percentile", n_resamples=10_000, rng=2)
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.1)
    assert high == pytest.approx(expected.confidence_interval.high, abs=0.1)


def test_interval_covers_the_true_median() -> None:
    draw = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        low, high = bootstrap_interval(draw.exponential(1.0, 25).tolist())
        hits += low <= math.log(2) <= high
    assert hits >= 52


def test_interval_of_one_value_is_that_value_and_of_none_is_refused() -> None:
    assert bootstrap_interval([2.5]) == (2.5, 2.5)
    with pytest.raises(ValueError, match="no values"):
        bootstrap_interval([])


def test_one_run_that_never_ends_does_not_spoil_the_others() -> None:
    low, high = bootstrap_interval([1.0, 1.1, 1.2, 1.3, math.inf] * 3)
    assert low >= 1.0
    assert not math.isnan(high)


@pytest.mark.parametrize(
    ("kind", "ours", "peer", "expected"),
    [
        ("ours / peer", 3.0, 2.0, 1.5),
        ("peer / ours", 2.0, 3.0, 1.5),
        ("ours", 2.0, 3.0, 2.0),
        ("peer / ours", math.inf, 3.0, 0.0),
        ("peer / ours", 2.0, math.inf, math.inf),
        ("peer / ours", math.inf, math.inf, 1.0),
    ],
)
def test_number_of_a_pair(kind: str, ours: float, peer: float, expected: float) -> None:
    assert of_pair(row(kind), ours, peer) == expected


def test_ratios_are_taken_pair_by_pair() -> None:
    """A machine that slows down to a third during the session does not change any ratio."""
    peer = [1.0, 1.0, 1.5, 3.0, 3.0]
    result = summarize_pairs(row(), pairs([1.05 * one for one in peer], peer))
    assert result.value == pytest.approx(1.05)
    assert (result.low, result.high) == (pytest.approx(1.05), pytest.approx(1.05))
    assert result.met is True


def test_the_worse_end_of_the_interval_decides() -> None:
    good, bad = [1.0] * 8 + [1.05] * 7, [1.0] * 8 + [1.5] * 7
    ones = [1.0] * 15
    assert summarize_pairs(row(), pairs(good, ones)).met is True
    assert summarize_pairs(row(), pairs(bad, ones)).met is False
    assert summarize_pairs(row("peer / ours", "high", 10.0), pairs(ones, [11.0] * 8 + [9.0] * 7)).met is False
    assert summarize_pairs(row("peer / ours", "high", 10.0), pairs(ones, [11.0] * 15)).met is True
    assert summarize_pairs(row(target=None), pairs(good, ones)).met is None
