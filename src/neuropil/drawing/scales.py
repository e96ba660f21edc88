"""Axes: round tick values that cover the data, and the map from a value to a place on the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neuropil.drawing.wording import number

__all__ = ["Axis", "linear_axis", "log_axis", "nice_step", "usable"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LARGEST = 1e300


def usable(values: Sequence[float], *, positive: bool = False) -> list[float]:
    """The values that can be drawn: finite, not absurdly large, above zero where a logarithm is taken."""
    return [v for v in map(float, values) if abs(v) <= _LARGEST and (v > 1 / _LARGEST or not positive)]


def nice_step(span: float, target: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that cuts `span` into at most `target` parts.

    Example:
        >>> nice_step(7.3, 5), nice_step(0.9, 4), nice_step(30, 6)
        (2.0, 0.25, 5.0)
    """
    rough = span / target
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in _STEPS if factor * power >= rough * (1 - 1e-9)), 10 * power)


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values laid on a range of pixels.

    Args:
        low: value at the start.
        high: value at the end.
        ticks: values to be labelled, growing.
        labels: their texts.
        log: whether equal ratios take equal lengths.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Where `value` lies between the pixels `start` (low) and `end` (high)."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return start + (value / 2 - low / 2) / (high / 2 - low / 2) * (end - start)


def linear_axis(values: Sequence[float], *, target: int = 5, whole: bool = False, tight: bool = False) -> Axis:
    """An axis with even steps of 1, 2, 2.5 or 5 times a power of ten.

    Args:
        values: what it must cover; those that are not finite are passed over.
        target: about how many steps.
        whole: ticks at whole numbers only (epochs, counts).
        tight: end the axis at the data instead of the next tick.

    Example:
        >>> linear_axis([0.13, 0.97]).labels
        ('0', '0.2', '0.4', '0.6', '0.8', '1')
    """
    kept = usable(values) or [0.0, 1.0]
    low, high = _widened(min(kept), max(kept), whole)
    step = nice_step(high - low, target)
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if tight:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(_exact(k, step) for k in range(first, last + 1))
    if not tight:
        low, high = min(low, ticks[0]), max(high, ticks[-1])
    return Axis(low, high, ticks, tuple(_tick_label(tick, step) for tick in ticks))


def log_axis(values: Sequence[float]) -> Axis:
    """An axis with ticks at powers of ten, and at 3 or 2 and 5 times them where those are few; only values above zero.

    Example:
        >>> log_axis([0.03, 2.2]).labels
        ('0.03', '0.1', '0.3', '1', '3')
    """
    kept = usable(values, positive=True) or [0.1, 1.0]
    low, high = min(kept), max(kept)
    ratio = high / low
    factors = (1, 2, 5) if ratio < 30 else (1, 3) if ratio < 2000 else (1,)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    candidates = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
    start = max(i for i, tick in enumerate(candidates) if tick <= low * (1 + 1e-9))
    stop = min(i for i, tick in enumerate(candidates) if tick >= high * (1 - 1e-9) and i > start)
    ticks = candidates[start : stop + 1]
    shown = ticks[:: max(1, -(-len(ticks) // 8))]
    return Axis(min(low, ticks[0]), max(high, ticks[-1]), tuple(shown), tuple(number(t) for t in shown), log=True)


def _widened(low: float, high: float, whole: bool) -> tuple[float, float]:
    """A range that is not empty, also not to the eye of a float; `whole` ones span at least 1."""
    size = max(abs(low), abs(high))
    least = max(size * 1e-9, 1.0 if whole else 1e-290)
    if high - low >= least:
        return low, high
    if whole:
        return low - least / 2, high + least / 2
    return (low - size * 0.1, high + size * 0.1) if size > 1e-280 else (min(low, 0.0), 1.0)


def _exact(k: int, step: float) -> float:
    """`k` steps, free of the dust of repeated addition."""
    return float(f"{k * step:.12g}")


def _tick_label(tick: float, step: float) -> str:
    digits = 4
    if tick:
        digits = max(1, math.floor(math.log10(abs(tick))) - math.floor(math.log10(step)) + 2)
    return number(tick, digits)
