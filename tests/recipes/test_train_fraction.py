"""`batches.train_fraction`: a share of the training part, each class in its share, the same in a resumed run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neuropil
from neuropil.errors import InputError
from neuropil.recipes.assembly import assemble, check_recipe
from neuropil.recipes.recipe import Recipe


def recipe(*words: str) -> Recipe:
    return Recipe().with_overrides(["model=lenet5_modern", "data=digits", "data.size=32", "epochs=1", *words])


def test_each_class_in_its_share() -> None:
    whole, part = assemble(recipe()), assemble(recipe("batches.train_fraction=0.25", "seed=3"))
    all_counts, counts = (np.bincount(one.train.samples.targets, minlength=10) for one in (whole, part))
    assert np.abs(counts - all_counts / 4).max() <= 1.0
    assert len(part.train.samples) == pytest.approx(len(whole.train.samples) / 4, abs=1)
    assert len(part.valid.samples) == len(whole.valid.samples)  # type: ignore[union-attr]
    again = assemble(recipe("batches.train_fraction=0.25"))
    assert again.train.samples.name(7) == part.train.samples.name(7), "whatever the seed"
    assert part.train_batches(16).samples is part.train.samples


def test_open_data_are_not_thinned_twice() -> None:
    wanted = recipe("batches.train_fraction=0.25")
    first = assemble(wanted)
    assert len(assemble(wanted, first.splits).train.samples) == len(first.train.samples)


@pytest.mark.slow
def test_a_run_says_how_many_it_learned_from(tmp_path: Path) -> None:
    wanted = recipe("batches.train_fraction=0.25")
    first = assemble(wanted)
    run = neuropil.train(wanted.with_values({"speed": "plain"}), runs=tmp_path, progress=False)
    assert run.recipe.section("batches")["train_fraction"] == 0.25
    assert f"{len(first.train.samples):,}" in (run.folder.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [("0", "above 0 and at most 1"), ("1.5", "above 0 and at most 1"), ("true", "must be a number")],
)
def test_refusals(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_recipe(recipe(f"batches.train_fraction={given}"))
    with pytest.raises(InputError, match="leaves none; give more"):
        assemble(recipe("batches.train_fraction=0.0001"))
