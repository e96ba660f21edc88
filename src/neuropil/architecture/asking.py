"""A search as typed: of values, or, where the space says so, of architectures."""

from __future__ import annotations

import tomllib
from pathlib import Path

from neuropil.architecture.plan import ArchitecturePlan, architecture_plan
from neuropil.architecture.searching import search_architectures
from neuropil.architecture.space import Architecture
from neuropil.errors import InputError
from neuropil.recipes.recipe import Recipe
from neuropil.registry import checked_options
from neuropil.search.found import Found, SearchPlan
from neuropil.search.searching import Tell, search
from neuropil.search.space import read_space

__all__ = ["WORD", "plan_of", "search_as_asked"]

WORD = "architecture"


def plan_of(
    recipe: Recipe, space: Path | str, *, method: str | None = None, seed: int = 0, halving: bool = False
) -> SearchPlan:
    """The plan of a search.

    Args:
        recipe: what all trials have in common.
        space: `architecture`, a file with the one table `[architecture]`, or a file of choices and ranges.
        method: evolution for architectures and tpe for values, where it is left out.
        seed: of the method's draws.
        halving: end bad trials early; not of architectures.

    Raises:
        InputError: the file cannot be read or holds what cannot be.
    """
    found = _architecture(Path(space))
    if found is None:
        return SearchPlan(recipe, read_space(space), method or "tpe", seed, halving)
    return architecture_plan(recipe, found, method=method or "evolution", seed=seed, halving=halving)


def _architecture(space: Path) -> Architecture | None:
    if str(space) == WORD:
        return Architecture()
    try:
        document = tomllib.loads(space.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return None  # `read_space` says what is wrong
    table = document.get(WORD)
    if table is None:
        return None
    if set(document) != {WORD} or not isinstance(table, dict):
        raise InputError(f"the space {str(space)!r} must hold the table [architecture] alone; search for values apart")
    return Architecture(**checked_options(Architecture, table, where="[architecture]"))


def search_as_asked(plan: SearchPlan, *, trials: int, folder: Path, tell: Tell) -> Found:
    """Carry out the search that a plan is for."""
    if isinstance(plan, ArchitecturePlan):
        return search_architectures(plan, trials=trials, folder=folder, tell=tell)
    return search(plan, trials=trials, folder=folder, tell=tell)
