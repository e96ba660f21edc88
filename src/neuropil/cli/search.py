"""`neuropil search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, counted, say, say_json, warn

__all__ = ["search"]


def search(
    *words: str,
    space: Path,
    method: str = "tpe",
    trials: int = 30,
    seed: int = 0,
    halving: Annotated[bool, Parameter(negative="")] = False,
    folder: Path | None = None,
    as_json: AsJson = False,
) -> None:
    """Look for good values of a recipe; typed again it goes on, at once in several places the work is shared.

    Parameters
    ----------
    words
        A recipe and key=value words, as `neuropil train` takes them.
    space
        A TOML file like a recipe, with choices [0.1, 0.01] and ranges {low = 1e-4, high = 0.1, log = true} for values.
    method
        grid, random, greedy or tpe.
    trials, seed
        How many there shall be in the end, and the seed of the method's draws.
    halving
        End trials early that are not among the best third of those that went as far.
    folder
        Of trials and report; searches/NAME by default.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.train import read_recipe
    from neuropil.search.found import SearchPlan
    from neuropil.search.searching import search as carry_out
    from neuropil.search.space import read_space

    plan = SearchPlan(read_recipe(words), read_space(space), method, seed, halving)
    place = folder or Path("searches") / plan.recipe.name
    found = carry_out(plan, trials=trials, folder=place, tell=warn)
    if as_json:
        say_json({"folder": str(place), "metric": found.metric, "trials": found.rows()})
        return
    if (best := found.best) is not None:
        say(f"best of {counted(len(found.trials), 'trial')}: {best.number}, {found.metric} {best.value:.4f}")
        say(*(f"  {path} = {value}" for path, value in best.values.items()))
        say(f"train it: neuropil train {place / 'best.toml'}")
    say(f"report: {place / 'report.html'}  (open it in a browser)")
