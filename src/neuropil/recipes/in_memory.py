"""Data handed over from Python: what a recipe calls them, and how they become the three parts."""

from __future__ import annotations

from typing import Any

from neuropil.data.arrays import from_arrays, from_dataset
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.recipes.recipe import Recipe

__all__ = ["IN_MEMORY", "refuse_in_memory", "splits_of"]

IN_MEMORY = "arrays"
"""The `data.source` of a run whose data no file holds."""


def splits_of(data: Any) -> Splits:
    """A pair `(X, y)` of arrays, tensors or data frames, a PyTorch `Dataset`, or parts that are ready.

    Raises:
        InputError: none of these, or data that cannot be used.

    Example:
        >>> len(splits_of(([[0.0], [1.0]] * 20, [0, 1] * 20)).train)
        36
    """
    if isinstance(data, Splits):
        return data
    if isinstance(data, tuple):
        if len(data) != 2:
            raise InputError(f"data is a tuple of {len(data)}; give a pair (X, y)")
        return from_arrays(*data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, list | dict):
        return from_dataset(data)
    raise InputError(f"data cannot be a {type(data).__name__}; give a name, a path, a pair (X, y) or a PyTorch Dataset")


def refuse_in_memory(recipe: Recipe, advice: str) -> None:
    """Say that a recipe's data are not to be had again.

    Raises:
        InputError: they were handed over in memory.
    """
    if recipe.section("data").get("source") == IN_MEMORY:
        raise InputError(f"the data of {recipe.name!r} were handed over in memory and are gone; {advice}")
