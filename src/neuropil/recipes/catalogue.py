"""The built-in recipes, by name."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path

from neuropil.errors import InputError
from neuropil.recipes.recipe import Recipe
from neuropil.registry import nearest

__all__ = ["find_recipe", "list_recipes", "recipe_titles"]


def list_recipes(pattern: str = "*") -> list[str]:
    """The names of the built-in recipes that match a shell pattern."""
    names = sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))
    return [name for name in names if fnmatchcase(name, pattern)]


def recipe_titles(pattern: str = "*") -> dict[str, str]:
    """Name -> title of the built-in recipes that match."""
    return {name: tomllib.loads(_text(name))["title"] for name in list_recipes(pattern)}


def find_recipe(name: str) -> Recipe:
    """A built-in recipe by its name, or a recipe file by its path.

    Raises:
        InputError: neither.
    """
    if name in list_recipes():
        return Recipe.from_toml(_text(name), origin=f"the built-in recipe {name!r}")
    if name.endswith(".toml") or Path(name).is_file():
        return _recipe_file(name)
    if Path(name).is_dir():
        raise InputError(f"{name!r} is a folder, not a recipe; to train on it write data={name} model=resnet18")
    raise InputError(f"no recipe is named {name!r}; {nearest(name, list_recipes())}")


def _recipe_file(name: str) -> Recipe:
    try:
        return Recipe.from_file(name)
    except InputError as error:
        if name.endswith(".toml"):
            raise
        raise InputError(f"{error}; to train on a data file write data={name} model=perceptron") from error


def _folder() -> resources.abc.Traversable:
    return resources.files("neuropil.recipes") / "builtin"


def _text(name: str) -> str:
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")
