"""Forecasts that need no learning, beside which one that learns is to be judged."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuropil.errors import InputError

__all__ = ["forecast_error", "naive_forecast", "season_of"]

Array = np.ndarray[Any, Any]


def naive_forecast(values: Array, begins: Array, horizon: int, season: int = 1) -> Array:
    """The last value (`season` 1), or that of one season ago, for each of the next steps.

    Source: Hyndman and Athanasopoulos 2021, "Forecasting: principles and practice", section 5.2.
    Formula: `y'(t + h) = y(t + h - m (floor((h - 1) / m) + 1))`, m the season.

    Shape: values `[n, D]`, begins `[N]` (the first step that is foretold) -> `[N, horizon, D]`.

    Args:
        values: the series.
        begins: at least `season` each.
        horizon: steps that are foretold.
        season: m.

    Raises:
        InputError: a step that has no season before it.

    Example:
        >>> naive_forecast(np.arange(6.0)[:, None], np.array([4]), 3, season=2)[0, :, 0].tolist()
        [2.0, 3.0, 2.0]
    """
    if len(begins) and int(begins.min()) < season:
        raise InputError(f"step {int(begins.min())} has no season of {season} before it")
    steps = np.arange(1, horizon + 1)
    back = steps - season * ((steps - 1) // season + 1)  # 0 is the step before the first that is foretold
    found: Array = values[begins[:, None] - 1 + back]
    return found


def forecast_error(values: Array, begins: Array, horizon: int, season: int = 1) -> float:
    """Root of the mean squared error of `naive_forecast`, in the series' own unit."""
    steps = begins[:, None] + np.arange(horizon)
    return float(np.sqrt(np.mean((values[steps] - naive_forecast(values, begins, horizon, season)) ** 2)))


def season_of(values: Array) -> int:
    """After how many steps a series comes back to itself: the first high peak of its autocorrelation.

    A straight line is taken out first; columns are taken together. 1 where there is no peak above 0.2, or where the
    series is not three seasons long. Two and three seasons have peaks nearly as high: the first counts that has nine
    tenths of the highest.

    Example:
        >>> season_of(np.sin(2 * np.pi * np.arange(100) / 12)[:, None])
        12
    """
    count = len(values)
    line = np.polynomial.polynomial.polyfit(np.arange(count), values, 1)
    rest = values - np.polynomial.polynomial.polyval(np.arange(count), line).T
    size = 2 ** int(np.ceil(np.log2(max(2, 2 * count))))
    power = np.abs(np.fft.rfft(rest, size, axis=0)) ** 2
    both = np.fft.irfft(power, size, axis=0)[: count // 3 + 1].sum(axis=1)
    if len(both) < 4 or both[0] <= 0:
        return 1
    share = both / both[0] * count / (count - np.arange(len(both)))
    turned = int(np.argmax(share < 0)) or len(share)  # before that, values are alike because they are near
    inner = np.arange(turned, len(share) - 1)
    peaks = inner[(share[inner] > share[inner - 1]) & (share[inner] >= share[inner + 1]) & (share[inner] > 0.2)]
    return int(peaks[share[peaks] >= 0.9 * share[peaks].max()][0]) if len(peaks) else 1
