"""Runs one process of a small architecture search, for tests that kill it: FOLDER TRIALS METHOD."""

from __future__ import annotations

import sys
from pathlib import Path

from neuropil.architecture.found import ArchitectureFound
from neuropil.architecture.plan import ArchitecturePlan, architecture_plan
from neuropil.architecture.searching import search_architectures
from neuropil.architecture.space import Architecture
from neuropil.recipes.recipe import Recipe

TINY = Architecture(
    base="cn_c8 - cn_s2_c16 - cn_s2_c16",
    kinds=("cn", "ds", "ir3"),
    epochs=1,
    train_fraction=0.3,
    references=("mobilenet_v1 width=0.25",),
)


def tiny_plan(method: str = "evolution", **more: object) -> ArchitecturePlan:
    words = [
        "model=lenet5", "data=digits", "data.size=16", "epochs=3", "speed=plain", "training.save_every_steps=3",
        "lr=0.01",
    ]  # fmt: skip
    recipe = Recipe(name="tiny").with_overrides(words)
    return architecture_plan(recipe, TINY, method=method, **more)  # type: ignore[arg-type]


def run(folder: Path, trials: int, method: str = "evolution") -> ArchitectureFound:
    return search_architectures(
        tiny_plan(method),
        trials=trials,
        folder=folder,
        tell=lambda line: print(line, flush=True),  # noqa: T201
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
