from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.drawing.scales import linear_axis, log_axis, nice_step, usable

FINITE = st.floats(-1e9, 1e9, allow_nan=False)


@settings(deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=20))
def test_linear_ticks_are_round_even_few_and_cover_the_data(values: list[float]) -> None:
    axis = linear_axis(values)
    assert axis.low <= min(values) <= max(values) <= axis.high
    assert axis.ticks[0] == pytest.approx(axis.low, abs=1e-8 * (axis.high - axis.low))
    assert axis.ticks[-1] == pytest.approx(axis.high, abs=1e-8 * (axis.high - axis.low))
    assert 2 <= len(axis.ticks) <= 8
    steps = [b - a for a, b in pairwise(axis.ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-2)
    step = sum(steps) / len(steps)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - nice) for nice in (1, 2, 2.5, 5, 10)) < 0.02
    assert len(set(axis.labels)) == len(axis.labels)


@settings(deadline=None)
@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=20))
def test_log_ticks_grow_and_the_axis_covers_the_data(values: list[float]) -> None:
    axis = log_axis(values)
    assert axis.low <= min(values) * (1 + 1e-8)
    assert max(values) <= axis.high * (1 + 1e-8)
    assert all(a < b for a, b in pairwise(axis.ticks))
    assert 1 <= len(axis.ticks) <= 9
    assert len(set(axis.labels)) == len(axis.labels)


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=10), st.booleans(), st.booleans())
def test_no_values_whatsoever_break_an_axis(values: list[float], whole: bool, tight: bool) -> None:
    for axis in (linear_axis(values, whole=whole, tight=tight), log_axis(values)):
        assert math.isfinite(axis.low)
        assert axis.low < axis.high
        for kept in usable(values, positive=axis.log):
            assert -1 <= axis.place(kept, 0, 100) <= 101


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_whole_axes_have_whole_ticks(values: list[int]) -> None:
    axis = linear_axis(values, whole=True, tight=True)
    assert all(tick == int(tick) for tick in axis.ticks)
    assert axis.ticks


@settings(deadline=None)
@given(st.floats(1e-200, 1e200), st.integers(1, 12))
def test_a_step_cuts_into_at_most_so_many_parts(span: float, target: int) -> None:
    assert span / nice_step(span, target) <= target * (1 + 1e-6)


def test_places() -> None:
    assert linear_axis([0, 10]).place(2.5, 100, 200) == 125
    assert log_axis([0.01, 100]).place(1, 0, 100) == pytest.approx(50)
