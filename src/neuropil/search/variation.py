"""What a comparison varies: `optimizer=sgd,momentum` and the like, and the runs that all combinations make."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from neuropil.errors import InputError
from neuropil.recipes.assembly import check_recipe
from neuropil.recipes.recipe import Recipe

__all__ = ["Axis", "Cell", "cells_of", "read_axis"]

MOST_RUNS = 10_000
NAMED = ("name", "title", "seed")


@dataclass(frozen=True, slots=True)
class Axis:
    """One path of a recipe, and the values that it takes, as written on a command line."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a comparison.

    Args:
        label: what is varied, in words (`adam`, or `adam, 0.01`); the same for all seeds.
        values: the varied values by path.
        recipe: the whole recipe; its name is a function of all that it says, so that a run is found again.
    """

    label: str
    values: tuple[tuple[str, str], ...]
    recipe: Recipe


def read_axis(words: str) -> Axis:
    """A path and its values; commas inside brackets, braces and quotes belong to a value.

    Raises:
        InputError: no `=`, no value, or one twice.

    Example:
        >>> read_axis("model.hidden=[16],[32,32]").values
        ('[16]', '[32,32]')
    """
    path, equals, text = words.partition("=")
    path, values = path.strip(), tuple(one.strip() for one in _split(text))
    if not equals or not path or not all(values):
        raise InputError(f"{words!r} does not say what to vary; write PATH=VALUE,VALUE, such as optimizer=sgd,adam")
    twice = next((one for one in values if values.count(one) > 1), None)
    if twice is not None:
        raise InputError(f"{path} takes the value {twice} twice; name each value once")
    if path in NAMED:
        told = "repeat runs with --seeds" if path == "seed" else "it changes nothing in a run"
        raise InputError(f"{path} cannot be varied; {told}")
    return Axis(path, values)


def _split(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        else:
            depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def cells_of(recipe: Recipe, axes: Sequence[Axis], seeds: int = 1) -> list[Cell]:
    """All combinations, each with all seeds; every recipe is checked before anything runs.

    Args:
        recipe: what all runs have in common; seeds count from its own on.
        axes: what is varied.
        seeds: how often each combination is repeated, 1 or more.

    Raises:
        InputError: a path or value that the recipe cannot have, a path twice, or a count outside its range.
    """
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, but {seeds} was given")
    paths = [axis.path for axis in axes]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is varied twice; name all its values in one --vary")
    count = seeds * math.prod(len(axis.values) for axis in axes)
    if count > MOST_RUNS:
        raise InputError(
            f"this comparison has {count:,} runs; vary less at once, at most {MOST_RUNS:,} are carried out"
        )
    found = []
    for values in product(*(axis.values for axis in axes)):
        named = tuple(zip(paths, values, strict=True))
        changed = recipe.with_overrides([f"{path}={value}" for path, value in named])
        check_recipe(changed)
        label = ", ".join(values) or recipe.name
        for seed in range(recipe.seed, recipe.seed + seeds):
            seeded = changed.with_values({"seed": seed})
            found.append(Cell(label, named, seeded.with_values({"name": _name(seeded, values)})))
    return found


def _name(recipe: Recipe, values: Sequence[str]) -> str:
    """The run's name: readable, and different wherever anything of the recipe is."""
    told = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(values)).strip("-._")[:50] or "run"
    digest = hashlib.sha256(recipe.with_values({"name": "run", "title": ""}).to_toml().encode()).hexdigest()[:8]
    return f"{told}-s{recipe.seed}-{digest}"
