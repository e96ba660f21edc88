"""A run that was stopped and resumed is the run that was never stopped: the largest difference is exactly 0."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.run_folder import RunFolder
from neuropil.training.signals import StopSignals
from training.workshop import everything, ingredients, run_to_end

PLAN = {"epochs": 3, "clip_norm": 1.0, "save_every_seconds": 1e9}
# 10 batches an epoch; with 3 accumulated, steps end after batches 3, 6, 9 and 10

RULES = ("sgd", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "adamw")


def killed_at(step: int, parts, plan: TrainingPlan, folder: Path) -> None:
    """Leave without a word after a step, as a killed process does."""
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    for report in fit(parts, plan, run=run):
        if report.step == step:
            break
    run.close()


def stopped_at(step: int, parts, plan: TrainingPlan, folder: Path) -> None:
    """Ask for a stop after a step, as SIGTERM does; at an epoch's end that falls into the evaluation."""
    folder.mkdir(parents=True)
    run, stop = RunFolder(folder), StopSignals()
    reports = fit(parts, plan, run=run, stop=stop)
    for report in reports:
        if report.step == step:
            stop.requested = 15
    assert report.ending == "interrupted"
    run.close()


def compare(folder: Path, other: Path) -> None:
    for mine, theirs in zip(everything(folder), everything(other), strict=True):
        assert mine == theirs


STOPS = {
    "killed mid-epoch": (killed_at, 14, {"save_every_steps": 4}),
    "killed at an epoch's end": (killed_at, 10, {"save_every_steps": 5}),
    "stopped mid-epoch": (stopped_at, 7, {}),
    "stopped before an evaluation": (stopped_at, 9, {}),
    "killed while accumulating": (killed_at, 6, {"accumulate": 3, "save_every_steps": 2}),
}
CASES = [
    (model, rule, precision, workers, stop)
    for number, (model, rule, precision, workers, stop) in enumerate(
        itertools.product(("perceptron", "convolution", "resnet20"), RULES, ("fp32", "bf16"), (0, 2), STOPS)
    )
    if number % 9 == 0
]
FAST = CASES[::6]


def check(case, tmp_path: Path) -> None:
    model, rule, precision, workers, stop = case
    how, step, extra = STOPS[stop]
    plan = TrainingPlan(**(PLAN | extra))
    options = {"model": model, "rule": rule, "precision": precision, "workers": workers, "average": rule == "adam"}
    options["channels_last"] = model == "resnet20"
    run_to_end(ingredients(**options), plan, tmp_path / "straight")
    how(step, ingredients(**options), plan, tmp_path / "broken")
    run_to_end(ingredients(**options), plan, tmp_path / "broken")
    compare(tmp_path / "straight", tmp_path / "broken")


@pytest.mark.parametrize("case", FAST, ids=str)
def test_resume_is_exact(case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case not in FAST], ids=str)
def test_resume_is_exact_everywhere(case, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_there_are_sixty_cases() -> None:
    assert len(CASES) == 60
    for column in range(5):
        values = {case[column] for case in CASES}
        assert len(values) == (3, 9, 2, 2, 5)[column]


def test_weights_do_not_hang_on_the_number_of_workers(tmp_path: Path) -> None:
    for workers in (0, 1, 2, 4):
        run_to_end(ingredients(workers=workers), TrainingPlan(**PLAN), tmp_path / str(workers))
        compare(tmp_path / "0", tmp_path / str(workers))


@pytest.mark.parametrize("schedule", ["plateau", "step"])
def test_many_interruptions(schedule: str, tmp_path: Path) -> None:
    """Stopped after every fourth step, again and again."""
    plan = TrainingPlan(**PLAN)
    run_to_end(ingredients(schedule=schedule), plan, tmp_path / "straight")
    folder = tmp_path / "broken"
    folder.mkdir()
    for _ in range(20):
        run, stop = RunFolder(folder), StopSignals()
        reports = fit(ingredients(schedule=schedule), plan, run=run, stop=stop)
        for taken, report in enumerate(reports, 1):  # noqa: B007
            if taken == 4:
                stop.requested = 2
        run.close()
        if report.ending != "interrupted":
            break
    assert report.ending == "done"
    compare(tmp_path / "straight", folder)


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    plan = TrainingPlan(**PLAN)
    run_to_end(ingredients(), plan, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", symlinks=True)
    assert run_to_end(ingredients(), plan, tmp_path / "b") == []
    compare(tmp_path / "a", tmp_path / "b")
