"""What the titles of the small built-in recipes claim, measured: the median of five seeds on the test part."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import pytest

from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out

CLAIM = re.compile(r": (?:R² )?([\d.]+)( %)? (?:of|on) the test part, median of five seeds$")


def check(name: str, metric: str, least: float, runs: Path, **values: str) -> None:
    """The median reaches what was asked for, and what the title says, but for a hundredth that machines differ by."""
    recipe = find_recipe(name)
    stated = CLAIM.search(recipe.title)
    assert stated, recipe.title
    claimed = float(stated[1]) / (100 if stated[2] else 1)
    scores = []
    for seed in range(5):
        running = start(recipe.with_values({**values, "seed": seed}), runs=runs)
        scores.append(carry_out(running, lambda report: None, pictures=False).results["test"][metric])
    median = statistics.median(scores)
    assert median >= least
    assert abs(median - claimed) < 0.01, scores


@pytest.mark.slow
def test_iris(tmp_path: Path) -> None:
    check("iris-perceptron", "accuracy", 0.95, tmp_path)


@pytest.mark.slow
def test_red_wine(shared_data: Path, tmp_path: Path) -> None:
    table = shared_data / "tabular" / "winequality-red.csv"
    check("wine-quality-regression", "r2", 0.33, tmp_path, root=str(table))


@pytest.mark.proof
def test_digits(tmp_path: Path) -> None:
    check("digits-lenet5", "accuracy", 0.97, tmp_path)
