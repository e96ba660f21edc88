"""Runs one process of a search, for tests that kill it: FOLDER METHOD TRIALS EPOCHS."""

from __future__ import annotations

import sys

from neuropil.search.found import SearchPlan
from neuropil.search.searching import search
from neuropil.search.space import space_from_toml
from search.workshop import SPACE, iris

if __name__ == "__main__":
    folder, method, trials, epochs = sys.argv[1:]
    recipe = iris(f"epochs={epochs}", "training.save_every_steps=15")
    plan = SearchPlan(recipe, space_from_toml(SPACE), method=method, seed=1)
    search(plan, trials=int(trials), folder=folder, tell=lambda line: print(line, flush=True))  # noqa: T201
