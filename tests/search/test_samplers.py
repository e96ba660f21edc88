"""Our methods beside Optuna's own samplers: same space, same budget, many seeds, values of real runs.

A table of 160 runs of the perceptron on the irises (every combination of the space) stands for the training, so that
each method can be asked with many seeds. A method is worse if Mann and Whitney's test says so with p < 0.05.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neuropil.search import METHODS
from neuropil.search.comparing import compare
from neuropil.search.methods import Told
from neuropil.search.space import Choices, Parameter
from search.workshop import iris

optuna = pytest.importorskip("optuna")
stats = pytest.importorskip("scipy.stats")

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
RULES = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
SIZES = (8, 16, 32, 64)
SPACE: list[Parameter] = [
    Choices("optimizer.name", RULES),
    Choices("optimizer.lr", RATES),
    Choices("batches.batch_size", SIZES),
]
BUDGET, SEEDS = 20, 100
Score = Callable[[dict[str, Any]], float]


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Score:
    """The validation loss of a real run with these values, less being better, its sign turned."""
    vary = [f"{one.path}={','.join(map(str, one.several()))}" for one in SPACE]
    found = compare(iris("epochs=3"), vary, folder=tmp_path_factory.mktemp("table"))
    table = {}
    for one in found.outcomes:
        loss = one.figure("valid", "loss")
        table[tuple(text for _, text in one.cell.values)] = -10.0 if np.isnan(loss) else -min(loss, 10.0)
    assert len(table) == 160 and len(set(table.values())) > 100
    return lambda point: table[tuple(str(point[one.path]) for one in SPACE)]


def ours(name: str, score: Score, seed: int) -> float:
    method, trials = METHODS.build(name, SPACE, seed=seed, start={}), list[Told]()
    while len(trials) < BUDGET and (point := method.propose(trials)) is not None:
        trials.append(Told(point, score(dict(point)), False))
    return max(one.score or -10.0 for one in trials)


def theirs(sampler: Any, score: Score) -> float:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    kinds = {one.path: optuna.distributions.CategoricalDistribution(list(one.several())) for one in SPACE}
    for _ in range(BUDGET):
        trial = study.ask(kinds)
        study.tell(trial, score(trial.params))
    return float(study.best_value)


@pytest.mark.proof
def test_no_worse_than_optunas_own(score: Score, capsys: pytest.CaptureFixture[str]) -> None:
    grid = {one.path: list(one.several()) for one in SPACE}
    samplers = {
        "random": [theirs(optuna.samplers.RandomSampler(seed=seed), score) for seed in range(SEEDS)],
        "grid": [theirs(optuna.samplers.GridSampler(grid, seed=seed), score) for seed in range(SEEDS)],
    }
    found = {name: [ours(name, score, seed) for seed in range(SEEDS)] for name in ("random", "grid", "tpe")}
    found["greedy"] = [ours("greedy", score, 0)]  # draws nothing: one value
    with capsys.disabled():
        for name, values in {**samplers, **{f"our {name}": values for name, values in found.items()}}.items():
            print(f"\n{name:12} best validation loss of {BUDGET} trials: median {-np.median(values):.4f}", end="")  # noqa: T201
    for name in ("random", "grid", "tpe"):
        for other, values in samplers.items():
            worse = stats.mannwhitneyu(found[name], values, alternative="less").pvalue
            with capsys.disabled():
                print(f"\nour {name} worse than Optuna's {other}: p = {worse:.3f}", end="")  # noqa: T201
            assert worse >= 0.05
