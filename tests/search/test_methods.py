"""Grid, random and greedy on functions whose best points are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from neuropil.errors import InputError
from neuropil.search import METHODS
from neuropil.search.methods import WAIT, Greedy, Method, Told
from neuropil.search.space import Choices, Parameter, Range

SPACE: list[Parameter] = [Choices("a", (0, 1, 2, 3)), Choices("b", ("x", "y", "z")), Range("c", 0.0, 1.0, points=3)]


def walk(method: Method, score: Callable[[dict[str, Any]], float], most: int = 100) -> list[Told]:
    trials: list[Told] = []
    while len(trials) < most and (point := method.propose(trials)) is not None:
        assert point != WAIT
        trials.append(Told(point, score(dict(point)), False))
    return trials


def keys(trials: list[Told]) -> set[tuple[Any, ...]]:
    return {tuple(one.values.values()) for one in trials}


def test_the_grid_is_every_combination_once() -> None:
    trials = walk(METHODS.build("grid", SPACE, seed=3, start={}), lambda point: 0.0)
    assert len(trials) == 36
    assert keys(trials) == set(product((0, 1, 2, 3), "xyz", (0.0, 0.5, 1.0)))


def test_choices_are_drawn_without_repeats() -> None:
    trials = walk(METHODS.build("random", SPACE[:2], seed=0, start={}), lambda point: 0.0)
    assert len(trials) == len(keys(trials)) == 12


def test_draws_are_a_function_of_seed_and_number() -> None:
    one, same, other = (walk(METHODS.build("random", SPACE, seed=s, start={}), lambda p: 0.0, 20) for s in (1, 1, 2))
    assert one == same != other
    assert METHODS.build("random", SPACE, seed=1, start={}).propose(one[:7]) == one[7].values


def test_greedy_finds_what_can_be_found_one_at_a_time() -> None:
    """A sum of terms of one path each: coordinates can be chosen one by one, and 36 combinations need not be tried."""

    def score(point: dict[str, Any]) -> float:
        return -abs(point["a"] - 2) + "zxy".index(point["b"]) + point["c"]

    trials = walk(Greedy(SPACE, seed=0, start={"a": 1}), score)
    best = max(trials, key=lambda one: one.score or 0.0)
    assert best.values == {"a": 2, "b": "y", "c": 1.0}
    assert trials[0].values == {"a": 0, "b": "x", "c": 0.0}
    # first round 4 + 2 + 2; second: the other values of a at b=y, c=1, and those of b at a=2, c=1; the rest is known
    assert len(trials) == len(keys(trials)) == 4 + 2 + 2 + 3 + 2


def test_greedy_waits_for_running_trials() -> None:
    method = Greedy(SPACE[:2], seed=0, start={})
    running = [Told({"a": a, "b": "x"}, None, True) for a in range(4)]
    assert method.propose(running[:3]) == {"a": 3, "b": "x"}
    assert method.propose(running) == WAIT
    done = [Told(one.values, float(one.values["a"] == 1), False) for one in running]
    assert method.propose(done) == {"a": 1, "b": "y"}


def test_greedy_passes_over_failed_trials() -> None:
    trials = walk(Greedy(SPACE[:1], seed=0, start={}), lambda point: float(point["a"]), 3)
    trials.append(Told({"a": 3}, None, False))
    assert Greedy(SPACE[:1], seed=0, start={}).propose(trials) is None


@pytest.mark.parametrize("name", ["grid", "greedy"])
def test_ranges_need_points(name: str) -> None:
    with pytest.raises(InputError, match=r"points = 4"):
        METHODS.build(name, [Range("lr", 0.1, 1.0)], seed=0, start={})


def test_too_large_a_grid() -> None:
    with pytest.raises(InputError, match="at most 100,000"):
        METHODS.build("grid", [Range(path, 0.0, 1.0, points=50) for path in "abc"], seed=0, start={})


def test_tpe_is_a_function_of_what_it_was_told() -> None:
    pytest.importorskip("optuna")
    space: list[Parameter] = [Range("x", -1.0, 1.0), Choices("k", ([1], [2]))]

    def score(point: dict[str, Any]) -> float:
        return float(-((point["x"] - 0.3) ** 2) + (point["k"] == [2]))

    trials = walk(METHODS.build("tpe", space, seed=5, start={}), score, 25)
    assert METHODS.build("tpe", space, seed=5, start={}).propose(trials[:20]) == trials[20].values
    late, early = (np.mean([one.score or 0.0 for one in part]) for part in (trials[15:], trials[:10]))
    assert late > early


def test_unknown_method() -> None:
    with pytest.raises(InputError, match="did you mean 'greedy'"):
        METHODS.builder("greddy")
