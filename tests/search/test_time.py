"""What going together gains, and that it never costs: both ways in one process, the processor's time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from neuropil.recipes.recipe import Recipe
from neuropil.search.comparing import compare
from neuropil.search.comparison import Comparison
from search.workshop import RULES


def timed(recipe: Recipe, folder: Path, *, seeds: int, together: bool) -> tuple[float, float, Comparison]:
    """Processor seconds of all, and of the training alone."""
    begun = time.process_time()
    found = compare(recipe, [RULES], seeds=seeds, folder=folder, together=together)
    return time.process_time() - begun, sum(one.seconds for one in found.outcomes), found


@pytest.mark.proof
def test_45_runs_of_a_small_perceptron(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model=perceptron", "data=digits", "model.hidden=[32]", "speed=plain", "data.valid_fraction=0.0"]
    recipe = Recipe(name="digits").with_overrides(words)
    timed(recipe.with_values({"steps": 2}), tmp_path / "warm", seeds=1, together=True)
    for steps in (50, 1000):
        chosen = recipe.with_values({"steps": steps})
        together = timed(chosen, tmp_path / f"together-{steps}", seeds=5, together=True)
        alone = timed(chosen, tmp_path / f"alone-{steps}", seeds=5, together=False)
        with capsys.disabled():
            print(  # noqa: T201
                f"\n45 runs, {steps} steps: training {together[1]:.2f} s together, {alone[1]:.2f} s apart "
                f"({together[1] / alone[1]:.2f}); the whole command {together[0]:.2f} and {alone[0]:.2f} s of processor "
                f"({together[0] / alone[0]:.2f})\n{together[2].how[0]}"
            )
        assert "together" in together[2].how[0]
        assert together[1] <= 0.5 * alone[1]


@pytest.mark.proof
@pytest.mark.parametrize("hidden", ["[1024,1024]", "[512]"])
def test_large_layers_are_never_slower(hidden: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model=perceptron", "data=digits", f"model.hidden={hidden}", "speed=plain", "steps=60"]
    recipe = Recipe(name="digits").with_overrides(words)
    timed(recipe.with_values({"steps": 2}), tmp_path / "warm", seeds=1, together=False)
    alone = timed(recipe, tmp_path / "alone", seeds=1, together=False)
    free = timed(recipe, tmp_path / "free", seeds=1, together=True)
    with capsys.disabled():
        told = f"processor {free[0]:.2f} s left free, {alone[0]:.2f} s one by one"
        print(f"\n9 runs of {hidden}: {told}\n{free[2].how[0]}")  # noqa: T201
    assert free[0] <= 1.15 * alone[0]
