"""A run with a name of its own, carried on from wherever an earlier process left it: not begun, begun, finished."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from neuropil.data.records import Splits
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.running import Running, resume, start

__all__ = ["FAILURE", "begin_or_go_on", "ended_run"]

FAILURE = "failure.json"
"""What stands in the folder of a run that cannot come to an end, since its numbers stopped being finite."""

LAST_FILES = ("results.json", "results.csv")
"""What a run writes when it ends, in this order (pictures and report can be drawn again)."""


def ended_run(runs: Path, name: str) -> Path | None:
    """The folder of the run of this name that has its results, or will never have any."""
    return next((folder for folder in _folders(runs, name) if _ended(folder)), None)


def _ended(folder: Path) -> bool:
    return (folder / FAILURE).exists() or all((folder / name).exists() for name in LAST_FILES)


def begin_or_go_on(
    recipe: Recipe,
    runs: Path,
    *,
    splits: Splits | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Running:
    """The run of the recipe's name: started, or opened where an earlier process left it.

    A folder that a killed process left before its recipe was written holds nothing, and is removed. The caller sees to
    it that nobody else carries out a run of this name.

    Args:
        recipe: its `name` names the run folder.
        runs: the folder of all runs.
        splits: the recipe's data, where they are open already; only a run that starts now uses them.
        tell: gets sentences for the reader.
    """
    for folder in _folders(runs, recipe.name):
        if (folder / "recipe.toml").exists():
            return resume(folder, tell=tell)
        shutil.rmtree(folder, ignore_errors=True)
    return start(recipe, runs=runs, tell=tell, splits=splits)


def _folders(runs: Path, name: str) -> list[Path]:
    """The folders of one name, whatever the task, oldest first."""
    pattern = re.compile(re.escape(name) + r"-\d+")
    return sorted(one for one in runs.glob("*/*") if pattern.fullmatch(one.name) and one.is_dir())
