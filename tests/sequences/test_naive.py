"""Forecasts without learning: by hand, and on series whose season is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neuropil.errors import InputError
from neuropil.sequences.naive import forecast_error, naive_forecast, season_of
from neuropil.sequences.series import open_series


def test_by_hand() -> None:
    """Hyndman and Athanasopoulos, section 5.2: the last value, and the last season over and over."""
    values = np.array([10.0, 20, 30, 40, 50, 60, 70])[:, None]
    assert naive_forecast(values, np.array([3]), 2)[0, :, 0].tolist() == [30, 30]
    assert naive_forecast(values, np.array([3]), 4, season=3)[0, :, 0].tolist() == [10, 20, 30, 10]
    assert forecast_error(values, np.array([3]), 2) == pytest.approx(np.sqrt((10**2 + 20**2) / 2))
    assert forecast_error(values, np.array([3, 4]), 1, season=2) == pytest.approx(20)


@pytest.mark.parametrize("season", [4, 7, 12, 52])
def test_a_season_is_found_under_a_trend_and_noise(season: int) -> None:
    steps = np.arange(8 * season)
    draw = np.random.default_rng(season)
    values = np.sin(2 * np.pi * steps / season) + 0.05 * steps + 0.2 * draw.normal(size=len(steps))
    assert abs(season_of(values[:, None]) - season) <= season // 12


@pytest.mark.parametrize(
    "values", [np.ones((50, 1)), np.arange(50.0)[:, None], np.random.default_rng(0).normal(size=(500, 1))],
    ids=["constant", "line", "noise"],
)  # fmt: skip
def test_no_season_is_seen_where_there_is_none(values: np.ndarray) -> None:  # type: ignore[type-arg]
    assert season_of(values) == 1


def test_a_step_without_a_season_before_it_is_refused() -> None:
    with pytest.raises(InputError, match="step 3 has no season of 4 before it"):
        naive_forecast(np.zeros((9, 1)), np.array([3]), 1, season=4)


def test_a_series_says_what_comes_without_learning(shared_data: Path) -> None:
    splits = open_series(root=str(shared_data / "timeseries" / "airline-passengers.csv"), window=12)
    (said,) = [note for note in splits.info.notes if "without learning" in note]
    assert "a season of 12 rows ago" in said
