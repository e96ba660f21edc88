"""Searches: every trial an ordinary run, the best recipe ready to run, the same again from the start."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import neuropil
from neuropil.errors import InputError, MissingExtraError
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.train import Interrupted
from neuropil.search.found import Found, SearchPlan
from neuropil.search.searching import search
from neuropil.search.space import space_from_toml
from neuropil.search.trials import Trials
from search.workshop import SPACE, iris

pytest.importorskip("optuna")


def plan(method: str = "random", space: str = SPACE, **more: Any) -> SearchPlan:
    return SearchPlan(more.pop("recipe", iris()), space_from_toml(space), method=method, **more)


def told(found: Found) -> list[tuple[Any, ...]]:
    return [(one.number, tuple(map(str, one.values.values())), one.state, one.value) for one in found.trials]


@pytest.fixture(scope="module")
def random_search(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return search(plan(), trials=6, folder=tmp_path_factory.mktemp("random"))


def test_every_trial_is_an_ordinary_run(random_search: Found) -> None:
    rows = list(csv.DictReader((random_search.folder / "trials.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete"] * 6
    for row, trial in zip(rows, random_search.trials, strict=True):
        run = neuropil.load_run(random_search.folder / "runs" / "classification" / f"trial-{trial.number:04d}-1")
        assert run.results["valid"]["accuracy"] == trial.value == float(row["accuracy"])
        assert run.recipe.section("optimizer")["lr"] == trial.values["optimizer.lr"]
        by_epoch = {r["epoch"]: r["valid_accuracy"] for r in run.history if r["event"] == "epoch"}
        assert trial.by_epoch == {epoch: value for epoch, value in by_epoch.items() if epoch < 3}


@pytest.mark.slow
def test_the_best_recipe_runs_to_the_same_value(random_search: Found, tmp_path: Path) -> None:
    best = random_search.best
    assert best is not None and best.value == max(trial.value or 0.0 for trial in random_search.trials)
    recipe = Recipe.from_file(random_search.folder / "best.toml")
    again = neuropil.train(recipe, runs=tmp_path, progress=False)
    assert again.results["valid"]["accuracy"] == best.value
    page = (random_search.folder / "report.html").read_text()
    assert "best.toml" in page and "How values go together" in page and "<script" not in page


@pytest.mark.slow
def test_called_again_it_goes_on(random_search: Found, tmp_path: Path) -> None:
    search(plan(), trials=2, folder=tmp_path)
    again = search(plan(), trials=6, folder=tmp_path)
    assert told(again) == told(random_search)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grid", "greedy", "tpe"])
def test_each_method_from_end_to_end(method: str, tmp_path: Path) -> None:
    recipe = iris("epochs=1")
    found = search(plan(method, recipe=recipe), trials=12 if method != "tpe" else 4, folder=tmp_path / "whole")
    assert {trial.state for trial in found.trials} == {"complete"}
    assert len({str(trial.values) for trial in found.trials}) == len(found.trials) >= 4
    if method == "grid":
        assert (
            len(found.trials)
            == 12
            == len(search(plan(method, recipe=recipe), trials=99, folder=tmp_path / "whole").trials)
        )
    if method == "greedy":
        first = found.trials[0].values
        assert first["optimizer.name"] == "sgd" and first["model.hidden"] == [16]  # the recipe's own where it is there


@pytest.mark.slow
def test_successive_halving_ends_trials_early(tmp_path: Path) -> None:
    found = search(plan(recipe=iris("epochs=9"), halving=True), trials=12, folder=tmp_path)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert len(pruned) >= 4 and found.best is not None and found.best.state == "complete"
    assert all(max(trial.by_epoch) in (1, 3) for trial in pruned)
    assert not any(
        (tmp_path / "runs" / "classification" / f"trial-{t.number:04d}-1" / "results.json").exists() for t in pruned
    )


def test_a_trial_that_cannot_be_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    space = '[optimizer]\nname = ["sgd", "momentum"]\nmomentum = [0.5, 0.9]'
    found = search(plan("grid", space), trials=4, folder=tmp_path)
    assert sorted(trial.state for trial in found.trials) == ["complete", "complete", "failed", "failed"]
    assert all("no option 'momentum'" in trial.failure for trial in found.trials if trial.state == "failed")
    assert "no option" in (tmp_path / "report.html").read_text()


def test_numbers_that_stop_being_finite_fail_their_trial_only(tmp_path: Path) -> None:
    found = search(plan("grid", "[optimizer]\nname=['sgd']\n".replace("name=['sgd']\n", "lr = [0.01, 1e30]"),
                        recipe=iris("optimizer=sgd")), trials=2, folder=tmp_path)  # fmt: skip
    assert {trial.values["optimizer.lr"]: trial.state for trial in found.trials} == {0.01: "complete", 1e30: "failed"}


def test_an_interrupted_trial_goes_on_to_the_same_history(
    random_search: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    from neuropil.training.stepping import Stepper

    steps, original = 0, Stepper.step

    def stop_at(self, group):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        if steps == 25:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, group)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", stop_at)
        with pytest.raises(Interrupted, match="the same command goes on"):
            search(plan(), trials=6, folder=tmp_path)
    again = search(plan(), trials=6, folder=tmp_path)
    assert told(again) == told(random_search)
    for one in sorted((random_search.folder / "runs").rglob("metrics.jsonl")):
        assert (tmp_path / one.relative_to(random_search.folder)).read_bytes() == one.read_bytes()


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_whose_checkpoint_was_saved_but_not_told_is_told_later(
    epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = iris("training.save_every_steps=1")
    straight = search(plan(recipe=recipe), trials=1, folder=tmp_path / "straight")
    original = Trials.report

    def die(self: Trials, number: int, told_epoch: int, value: float) -> bool:
        if told_epoch == epoch:
            raise Killed
        return original(self, number, told_epoch, value)

    with monkeypatch.context() as patch:
        patch.setattr(Trials, "report", die)
        with pytest.raises(Killed):
            search(plan(recipe=recipe), trials=1, folder=tmp_path / "killed")
    again = search(plan(recipe=recipe), trials=1, folder=tmp_path / "killed")
    assert again.trials[0].by_epoch == straight.trials[0].by_epoch and set(straight.trials[0].by_epoch) == {1, 2}


def test_half_a_line_of_a_killed_process_is_cut_off(random_search: Found, tmp_path: Path) -> None:
    search(plan(), trials=3, folder=tmp_path)
    with (tmp_path / "trials.journal").open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"torn')
    assert told(search(plan(), trials=6, folder=tmp_path)) == told(random_search)
    assert b"torn" not in (tmp_path / "trials.journal").read_bytes()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "grid"}, "holds a search with another method"),
        ({"seed": 3}, "holds a search with another seed"),
        ({"recipe": iris("epochs=4")}, "holds a search with another recipe"),
        ({"space": "lr = [0.1, 0.2]"}, "holds a search with another space"),
    ],
)
def test_another_search_in_the_same_folder(changed: dict[str, Any], said: str, random_search: Found) -> None:
    with pytest.raises(InputError, match=said):
        search(plan(**changed), trials=6, folder=random_search.folder)


@pytest.mark.parametrize(
    ("changed", "trials", "said"),
    [
        ({"method": "tpee"}, 1, "did you mean 'tpe'"),
        ({"seed": -1}, 1, "seed must be a whole number"),
        ({}, 0, "trials must be at least 1"),
        ({"recipe": iris("data.valid_fraction=0.0")}, 1, "needs a validation part"),
        ({"space": "optimizer = ['sgd', 'adamm']"}, 1, "the space's optimizer cannot be tried.*did you mean 'adam'"),
        ({"space": "lr = [0.1, -1.0]"}, 1, "the space's lr cannot be tried"),
        ({"space": "[model]\nhiden = [[3], [4]]"}, 1, "did you mean 'hidden'"),
        ({"space": "lr = [0.1, 0.2]\noptimizer.lr = [0.3, 0.4]"}, 1, "names optimizer.lr twice"),
        ({"space": "lr = {low = 0.1, high = 1.0}", "method": "grid"}, 1, "points = 4"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_runs(
    changed: dict[str, Any], trials: int, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        search(plan(**changed), trials=trials, folder=tmp_path)
    assert not list(tmp_path.glob("runs/*/*"))


def test_without_optuna_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"neuropil\[search\]"):
        search(plan(), trials=1, folder=tmp_path)


def test_a_journal_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "trials.journal").write_text(json.dumps({"op_code": 99}) + "\n" + "[]\n")
    with pytest.raises(InputError, match="give another folder"):
        search(plan(), trials=1, folder=tmp_path)
