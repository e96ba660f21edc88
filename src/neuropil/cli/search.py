"""`neuropil search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json, warn

__all__ = ["search"]


def search(
    *words: str,
    space: Path,
    method: str | None = None,
    trials: int = 30,
    seed: int = 0,
    halving: Annotated[bool, Parameter(negative="")] = False,
    folder: Path | None = None,
    as_json: AsJson = False,
) -> None:
    """Look for good values of a recipe, or for a network; typed again it goes on, in several places it is shared.

    Parameters
    ----------
    words
        A recipe and key=value words, as `neuropil train` takes them.
    space
        A TOML file like a recipe, with choices [0.1, 0.01] and ranges {low = 1e-4, high = 0.1, log = true} for values.
        Or `architecture` (or a file with the table [architecture]): blocks of a network, accurate and fast here.
    method
        grid, random, greedy, tpe or evolution; left out, tpe for values and evolution for architectures.
    trials, seed
        How many there shall be in the end, and the seed of the method's draws.
    halving
        End trials early that are not among the best third of those that went as far.
    folder
        Of trials and report; searches/NAME by default.
    as_json
        Answer with one JSON object.
    """
    from neuropil.architecture.asking import plan_of, search_as_asked
    from neuropil.recipes.train import read_recipe

    plan = plan_of(read_recipe(words), space, method=method, seed=seed, halving=halving)
    place = folder or Path("searches") / plan.recipe.name
    found = search_as_asked(plan, trials=trials, folder=place, tell=warn)
    if as_json:
        say_json({"folder": str(place), "metric": found.metric, "trials": found.rows()})
        return
    say(*found.in_words())
