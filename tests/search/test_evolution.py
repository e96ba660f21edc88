"""Regularised evolution: one value changes, the oldest die, nothing twice, better than Optuna's random draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuropil.search import METHODS
from neuropil.search.evolution import FIRST, POPULATION, Evolution
from neuropil.search.methods import Told
from neuropil.search.space import Choices, Parameter, Range

SPACE: list[Parameter] = [Choices(f"p{place}", ("a", "b", "c", "d")) for place in range(12)]
START = {one.path: "d" for one in SPACE}


def score(point: Any) -> float:
    """How many values are `a`: what one change can better."""
    return float(sum(value == "a" for value in point.values()))


def walk(method: Any, number: int, judge: Any = score) -> list[Told]:
    trials: list[Told] = []
    for _ in range(number):
        point = method.propose(trials)
        trials.append(Told(point, judge(point), False))
    return trials


def differences(one: Any, other: Any) -> int:
    return sum(one[path] != other[path] for path in one)


def test_each_child_differs_in_one_value_from_one_of_the_living() -> None:
    trials = walk(Evolution(SPACE, seed=3, start=START), 80)
    assert trials[0].values == START
    for place in range(FIRST, 80):
        living = trials[max(0, place - POPULATION) : place]
        assert 1 in [differences(trials[place].values, one.values) for one in living]
    assert len({str(one.values) for one in trials}) == 80


def test_the_oldest_die_however_good() -> None:
    """The best of all is a parent in 4 of 12 tournaments while it is among the last 12, and never afterwards."""
    perfect = {one.path: "a" for one in SPACE}
    others = [{one.path: "bcd"[(place + number) % 3] for place, one in enumerate(SPACE)} for number in range(3)]
    others += [{**one, path: "c" if one[path] != "c" else "d"} for one in others for path in ("p0", "p1", "p2")]
    told = [Told(one, 0.0, False) for one in others]
    assert len(told) == POPULATION

    def children(trials: list[Told]) -> int:
        points = [Evolution(SPACE, seed=seed, start={}).propose(trials) for seed in range(60)]
        return sum(isinstance(point, dict) and differences(point, perfect) == 1 for point in points)

    assert 10 <= children([Told(perfect, 99.0, False), *told[1:]]) <= 30
    assert children([Told(perfect, 99.0, False), *told]) == 0


def test_a_failed_trial_has_no_children() -> None:
    trials = [Told(one.values, None, False) for one in walk(Evolution(SPACE, seed=0, start={}), 12)]
    point = Evolution(SPACE, seed=0, start={}).propose(trials)
    assert isinstance(point, dict) and all(differences(point, one.values) > 1 for one in trials)


def test_it_is_a_function_of_seed_and_trials() -> None:
    trials = walk(METHODS.build("evolution", SPACE, seed=5, start=START), 30)
    for place in (0, 3, 12, 29):
        again = METHODS.build("evolution", SPACE, seed=5, start=START).propose(trials[:place])
        assert again == trials[place].values
    assert walk(Evolution(SPACE, seed=6, start=START), 30)[20].values != trials[20].values


def test_small_spaces_come_to_an_end_and_ranges_stay_inside() -> None:
    small: list[Parameter] = [Choices("a", (1, 2)), Choices("b", (3, 4, 5))]
    method, trials = Evolution(small, seed=0, start={}), list[Told]()
    while (point := method.propose(trials)) is not None:
        trials.append(Told(point, 0.0, False))
    assert len(trials) == 6
    wide: list[Parameter] = [Range("lr", 0.001, 0.1, log=True), Choices("b", (3, 4))]
    for one in walk(Evolution(wide, seed=0, start={"lr": 0.5, "c": 1}), 40, lambda point: point["lr"]):
        assert 0.001 <= one.values["lr"] <= 0.1


def test_it_finds_more_than_optunas_random_draws() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ours = [max(one.score or 0.0 for one in walk(Evolution(SPACE, seed=s, start={}), 60)) for s in range(12)]
    theirs = []
    for seed in range(12):
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed))
        kinds = {one.path: optuna.distributions.CategoricalDistribution(list(one.several())) for one in SPACE}
        for _ in range(60):
            trial = study.ask(kinds)
            study.tell(trial, score(trial.params))
        theirs.append(study.best_value)
    assert np.mean(ours) >= np.mean(theirs) + 1.5 and min(ours) >= np.median(theirs)
