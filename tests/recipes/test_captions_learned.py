"""Captioning learns a grammar: sentences about combinations of things that it never saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out
from recipes.drawn_captions import draw_set


def words_of(folder: Path) -> dict[str, set[str]]:
    """The sentences of each part."""
    found: dict[str, set[str]] = {"train": set(), "valid": set(), "test": set()}
    for line in (folder / "captions.txt").read_text(encoding="utf-8").splitlines()[1:]:
        name, _, sentence = line.partition(",")
        found[name.removesuffix(".png")[:-4]].add(sentence)
    return found


def test_no_sentence_stands_in_two_parts(tmp_path: Path) -> None:
    draw_set(tmp_path, {"train": 60, "valid": 20, "test": 20}, seed=0)
    parts = words_of(tmp_path)
    assert [len(parts[part]) for part in ("train", "valid", "test")] == [60, 20, 20]
    assert not parts["train"] & parts["test"]


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_unseen_combinations_are_told_exactly(seed: int, tmp_path: Path) -> None:
    draw_set(tmp_path / "set", {"train": 1600, "valid": 200, "test": 400}, seed=seed)
    recipe = find_recipe("caption-pictures").with_values({"root": str(tmp_path / "set"), "seed": seed})
    run = carry_out(start(recipe, runs=tmp_path / "runs"), lambda report: None, pictures=False)
    assert run.results["test"]["exact"] >= 0.95
