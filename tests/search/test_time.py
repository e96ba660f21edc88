"""What going together gains, and that it never costs: both ways in one process, one after the other."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from neuropil.recipes.recipe import Recipe
from neuropil.search.comparing import compare
from neuropil.search.comparison import Comparison
from search.workshop import RULES

WORDS = ["model=perceptron", "data=digits", "speed=plain", "data.valid_fraction=0.0"]


def timed(recipe: Recipe, folder: Path, *, seeds: int, together: bool) -> tuple[float, float, Comparison]:
    """The processor's seconds of the whole call, and the seconds of the training alone."""
    begun = time.process_time()
    found = compare(recipe, [RULES], seeds=seeds, folder=folder, together=together)
    return time.process_time() - begun, sum(one.seconds for one in found.outcomes), found


@pytest.mark.proof
@pytest.mark.parametrize("steps", [50, 1000])
def test_45_runs_of_a_small_perceptron(steps: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Training is steps, evaluations and the log; what saving costs is in the whole call, and is the same both ways."""
    recipe = Recipe(name="digits").with_overrides([*WORDS, "model.hidden=[32]", f"steps={steps}"])
    timed(recipe.with_values({"steps": 2}), tmp_path / "warm", seeds=1, together=True)
    ratios = []
    for turn in range(3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("neuropil.training.checkpoint.os.fsync", lambda descriptor: None)
            together = timed(recipe, tmp_path / f"together-{turn}", seeds=5, together=True)
            alone = timed(recipe, tmp_path / f"alone-{turn}", seeds=5, together=False)
        ratios.append(together[1] / alone[1])
        with capsys.disabled():
            training = f"training {together[1]:.2f} s together, {alone[1]:.2f} s apart ({ratios[-1]:.2f})"
            whole = f"the whole call {together[0]:.2f} and {alone[0]:.2f} s ({together[0] / alone[0]:.2f})"
            print(f"\n45 runs, {steps} steps: {training}; {whole}\n{together[2].how[0]}", end="")  # noqa: T201
        assert "took their steps together" in together[2].how[0] and not alone[2].how
    assert sorted(ratios)[1] <= 0.5


@pytest.mark.proof
@pytest.mark.parametrize("hidden", ["[512]", "[128]"])
def test_larger_layers_are_never_slower(hidden: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Recipe(name="digits").with_overrides([*WORDS, f"model.hidden={hidden}", "steps=400"])
    timed(recipe.with_values({"steps": 2}), tmp_path / "warm", seeds=1, together=False)
    ratios = []
    for turn in range(3):
        alone = timed(recipe, tmp_path / f"alone-{turn}", seeds=1, together=False)
        free = timed(recipe, tmp_path / f"free-{turn}", seeds=1, together=True)
        ratios.append(free[0] / alone[0])
        with capsys.disabled():
            told = f"processor {free[0]:.2f} s left free, {alone[0]:.2f} s one by one ({ratios[-1]:.2f})"
            print(f"\n9 runs of {hidden}: {told}\n{free[2].how[0]}", end="")  # noqa: T201
    assert sorted(ratios)[1] <= 1.05
