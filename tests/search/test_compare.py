"""Comparisons: what is there already is not done again, what failed is told, and the page says what came out."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from neuropil.errors import InputError
from neuropil.recipes.train import Interrupted
from neuropil.search.comparing import compare
from neuropil.search.comparison import spread
from neuropil.search.locks import Lock
from search.workshop import iris


def fingerprint(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Of every run's log: when it was written, and what."""
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("metrics.jsonl")}


def test_report_table_and_figures(tmp_path: Path) -> None:
    found = compare(iris(), ["optimizer=sgd,adam"], seeds=3, folder=tmp_path)
    page = (tmp_path / "report.html").read_text()
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["optimizer"] for row in rows] == ["sgd"] * 3 + ["adam"] * 3
    for label, mean, half, count in found.summary():
        values = [float(row["valid_accuracy"]) for row in rows if row["optimizer"] == label]
        assert mean == pytest.approx(np.mean(values)) and count == 3
        assert f'<td class="t">{label}</td>' in page
        assert half == pytest.approx(4.3027 * np.std(values, ddof=1) / math.sqrt(3), rel=1e-4)
    assert page.count('class="band') >= 4 and "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert {Path(row["run"]).parent.name for row in rows} == {"classification"}


@pytest.mark.slow
def test_finished_runs_are_not_repeated(tmp_path: Path) -> None:
    compare(iris(), ["optimizer=sgd,adam"], folder=tmp_path)
    before = fingerprint(tmp_path)
    told: list[str] = []
    found = compare(iris(), ["optimizer=sgd,adam,nag"], seeds=2, folder=tmp_path, tell=told.append)
    after = fingerprint(tmp_path)
    assert told[0] == "2 of 6 runs are there already" and len(after) == 6
    assert before.items() <= after.items()
    assert len(found.outcomes) == 6


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
def test_an_interrupted_comparison_goes_on(together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by a signal amid its steps, then called again: the logs of one never stopped, but for last digits."""
    monkeypatch.setattr("neuropil.search.comparing.MARGIN", math.inf)
    whole = compare(iris(), ["optimizer=sgd,adam"], seeds=2, folder=tmp_path / "whole", together=together)
    from neuropil.training.stepping import Stepper

    steps = 0
    ours = "neuropil.search.seats.Seat.step" if together else "neuropil.training.stepping.Stepper.step"
    from neuropil.search.seats import Seat

    original = Seat.step if together else Stepper.step

    def stop_at(self, group):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        if steps == 11:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, group)

    with monkeypatch.context() as patch:
        patch.setattr(ours, stop_at)
        with pytest.raises(Interrupted, match="the same command goes on"):
            compare(iris(), ["optimizer=sgd,adam"], seeds=2, folder=tmp_path / "cut", together=together)
    assert not (tmp_path / "cut" / "report.html").exists()
    again = compare(iris(), ["optimizer=sgd,adam"], seeds=2, folder=tmp_path / "cut", together=together)
    for one, other in zip(whole.outcomes, again.outcomes, strict=True):
        if not together:
            assert one.history == other.history
        for mine, theirs in zip(one.history, other.history, strict=True):
            assert mine["step"] == theirs["step"] and mine["lr"] == theirs["lr"]
            key = "loss" if "loss" in mine else "train_loss"
            assert mine[key] == pytest.approx(theirs[key], abs=1e-5)


@pytest.mark.parametrize("together", [True, False])
def test_a_run_that_comes_to_nothing_is_told_and_the_others_go_on(
    together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuropil.search.comparing.MARGIN", math.inf)
    vary = ["optimizer.lr=0.01,1e30"]
    found = compare(iris("optimizer=sgd"), vary, folder=tmp_path, together=together)
    good, bad = found.outcomes
    assert good.results["ending"] == "done" and "step" in bad.failure and not bad.results
    assert found.ranked() == ["0.01", "1e30"] and "Came to nothing" in (tmp_path / "report.html").read_text()
    before = fingerprint(tmp_path)
    compare(iris("optimizer=sgd"), vary, folder=tmp_path, together=together)
    assert fingerprint(tmp_path) == before


def test_two_processes_cannot_compare_in_one_folder(tmp_path: Path) -> None:
    lock = Lock(tmp_path / ".lock")
    lock.take()
    with pytest.raises(InputError, match="another process compares"):
        compare(iris(), ["optimizer=sgd,adam"], folder=tmp_path)
    lock.release()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give another folder"):
        compare(iris(), ["optimizer=sgd"], folder=tmp_path / "file" / "in")


def test_where_nothing_was_set_aside_the_training_loss_judges(tmp_path: Path) -> None:
    recipe = iris("data.valid_fraction=0.0", "data.test_fraction=0.0")
    found = compare(recipe, ["optimizer=sgd,adam"], folder=tmp_path)
    assert (found.part, found.metric, found.metric_mode) == ("train", "loss", "min")
    losses = {label: mean for label, mean, _, _ in found.summary()}
    assert losses["adam"] < losses["sgd"] and found.ranked() == ["adam", "sgd"]


def test_interval_of_the_mean_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(0)
    for count in (2, 3, 5, 12, 30):
        values = draw.normal(size=count)
        found = spread(values.tolist())
        low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
        assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high), rel=1e-4)
    assert spread([1.0, math.nan]) == spread([1.0]) and spread([]).count == 0


def test_the_speed_plan_is_settled_once(tmp_path: Path) -> None:
    compare(iris("speed=auto"), ["optimizer=sgd,adam"], folder=tmp_path)
    kept = json.loads((tmp_path / "comparison.json").read_text())["speeds"]
    assert [one["mode"] for one in kept.values()] == ["plain"]
