"""A run written down: sections of plain values, read from TOML, changed by `key=value`, written back.

    title = "LeNet-5 on the built-in handwritten digits"
    name = "digits-lenet5"
    seed = 0
    [data]       source = "digits"
    [model]      name = "lenet5"
    [training]   epochs = 20

A recipe holds names and numbers only. Which names and options exist is decided by the catalogues and by the
constructors' own signatures, so that a file can never name code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["MAIN_KEYS", "SECTIONS", "Recipe"]

MAIN_KEYS = {
    "task": "name",
    "data": "source",
    "model": "name",
    "transfer": "method",
    "optimizer": "name",
    "schedule": "name",
    "speed": "mode",
}
"""Sections that may be given as one word (`model=resnet18`), and the key that the word is for."""

SECTIONS = (
    "task", "data", "augment", "batches", "model", "transfer", "optimizer", "schedule", "penalty", "training", "speed",
)  # fmt: skip

PLAIN = ("title", "name", "seed")

SHORT = {
    "epochs": "training.epochs",
    "steps": "training.steps",
    "batch": "batches.batch_size",
    "batch_size": "batches.batch_size",
    "workers": "batches.workers",
    "lr": "optimizer.lr",
    "root": "data.root",
    "target": "data.target",
    "strict": "data.strict",
    "weights": "model.weights",
    "freeze": "transfer.method",
    "precision": "speed.precision",
    "device": "speed.device",
}
"""Short names of the most used paths."""

TEXTS = {"name", "title", "data.root", "model.weights", *(f"{s}.{key}" for s, key in MAIN_KEYS.items())}
"""Paths whose word on a command line stays text, also where it could be read as a number (`data=2024`)."""

TOLD = ("model", "data", "task")
"""Sections that a title speaks of."""

EXCLUSIVE = {"training.epochs": "steps", "training.steps": "epochs"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run's sections.

    Args:
        name: names the run folder.
        title: one line, for people.
        seed: of weights, order, augmentation and dropout.
        sections: section name -> its values; `augment` is a list of tables.

    Raises:
        InputError: an unknown section, or one of the wrong shape.
    """

    name: str = "run"
    title: str = ""
    seed: int = 0
    sections: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, section in self.sections.items():
            if name not in SECTIONS:
                raise InputError(f"a recipe has no section {name!r}; {nearest(name, SECTIONS)}")
            wanted = list if name == "augment" else dict
            if not isinstance(section, wanted):
                shape = "a list of tables ([[augment]])" if wanted is list else f"a table ([{name}])"
                raise InputError(f"the recipe's {name!r} must be {shape}, but {section!r} was given")
            if wanted is list and not all(isinstance(part, dict) for part in section):
                raise InputError(f"the recipe's 'augment' must be tables ([[augment]]), but it holds {section!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"the recipe's 'seed' must be a whole number from 0 on, but {self.seed!r} was given")
        for key in ("name", "title"):
            if not isinstance(getattr(self, key), str):
                raise InputError(f"the recipe's {key!r} must be text, but {getattr(self, key)!r} was given")

    def section(self, name: str) -> dict[str, Any]:
        """A copy of one section's values; empty where it is not there."""
        return deepcopy(self.sections.get(name, {}))

    @property
    def augment(self) -> list[dict[str, Any]]:
        """A copy of the augmentation list."""
        return deepcopy(self.sections.get("augment", []))

    # --- reading and writing ---------------------------------------------------------------------

    @classmethod
    def from_toml(cls, text: str, *, origin: str = "the recipe") -> Recipe:
        """Read a recipe.

        Args:
            text: TOML.
            origin: how to call it in a message.

        Raises:
            InputError: not TOML (line and column named), or an unknown key.
        """
        try:
            document = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(f"{origin} is not valid TOML: {error}") from error
        unknown = next((key for key in document if key not in (*PLAIN, *SECTIONS)), None)
        if unknown is not None:
            raise InputError(f"{origin} has an unknown key {unknown!r}; {nearest(unknown, (*PLAIN, *SECTIONS))}")
        plain = {key: document.pop(key) for key in PLAIN if key in document}
        return cls(**plain, sections=document)

    @classmethod
    def from_file(cls, path: Path | str) -> Recipe:
        """Read a recipe file.

        Raises:
            InputError: it cannot be read or is not a recipe.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise InputError(f"the recipe {str(path)!r} cannot be read: {reason}") from error
        return cls.from_toml(text, origin=f"the recipe {str(path)!r}")

    def to_toml(self) -> str:
        """The recipe as TOML, sections in a fixed order; values that are `None` are left out."""
        document: dict[str, Any] = {"title": self.title, "name": self.name, "seed": self.seed}
        for name in SECTIONS:
            section = self.sections.get(name)
            if isinstance(section, list):  # an empty one says that nothing shall be changed
                document[name] = [_without_none(part) for part in section]
            elif isinstance(section, Mapping) and (kept := _without_none(section)):
                document[name] = kept
        return tomli_w.dumps(document)

    # --- changing --------------------------------------------------------------------------------

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """A recipe with values set by path (`optimizer.lr`), short name (`lr`) or section (`model`).

        Another part of a section (`model=resnet18`) begins from that part's own defaults; the order of the values
        does not matter.

        Raises:
            InputError: no such path.
        """
        sections: dict[str, Any] = {name: deepcopy(section) for name, section in self.sections.items()}
        plain: dict[str, Any] = {}
        for given, value in sorted(values.items(), key=lambda item: not _chooses_part(item[0])):
            section, _, key = SHORT.get(given, given).partition(".")
            if section in PLAIN and not key:
                plain[section] = value
            elif section not in SECTIONS:
                raise InputError(
                    f"a recipe has no key {given!r}; {nearest(section, (*SHORT, *PLAIN, *SECTIONS))} "
                    "(other values are named with their section, such as model.dropout=0.1)"
                )
            elif section == "augment":
                sections["augment"] = _augment_list(sections.get("augment", []), key, value)
            elif not key and isinstance(value, Mapping):
                sections[section] = dict(value)
            else:
                _set(sections, section, key, value, given)
        if "title" not in plain and any(self._main(self.sections, one) != self._main(sections, one) for one in TOLD):
            plain["title"] = ""  # it told of another network, or of other data
        return replace(self, **plain, sections=sections)

    @staticmethod
    def _main(sections: Mapping[str, Any], name: str) -> Any:
        """The part that a section names."""
        return sections.get(name, {}).get(MAIN_KEYS[name])

    def with_overrides(self, overrides: Sequence[str]) -> Recipe:
        """A recipe with `key=value` words of a command line applied; values are read as TOML where they are TOML.

        Raises:
            InputError: a word without `=`, or no such path.

        Example:
            >>> Recipe().with_overrides(["model=lenet5", "optimizer.lr=0.1", "epochs=3"]).sections["optimizer"]
            {'lr': 0.1}
        """
        values = {}
        for word in overrides:
            key, equals, text = word.partition("=")
            if not equals or not key:
                raise InputError(
                    f"{word!r} is not key=value; write for example optimizer.lr=0.1 (a recipe's name stands first)"
                )
            values[key.strip()] = _value(key.strip(), text)
        return self.with_values(values)


def _chooses_part(given: str) -> bool:
    """Whether a value replaces the others of its section, so that it must be set before them."""
    section, _, key = _path(given).partition(".")
    return not key or MAIN_KEYS.get(section) == key


def _path(given: str) -> str:
    """The path that a short name, or a section given as one word, stands for."""
    path = SHORT.get(given, given)
    return f"{path}.{MAIN_KEYS[path]}" if path in MAIN_KEYS else path


def _set(sections: dict[str, Any], section: str, key: str, value: Any, given: str) -> None:
    if not key:
        if section not in MAIN_KEYS:
            raise InputError(f"{given}={value!r} does not say which value of [{section}]; write {section}.KEY=VALUE")
        key = MAIN_KEYS[section]
    if "." in key:
        raise InputError(f"{given!r} is too deep; a recipe's values are named SECTION.KEY")
    table = sections.setdefault(section, {})
    if MAIN_KEYS.get(section) == key and table.get(key) not in (None, value):
        table = sections[section] = {}
    if f"{section}.{key}" in EXCLUSIVE:
        table.pop(EXCLUSIVE[f"{section}.{key}"], None)
    table[key] = value


def _augment_list(present: list[dict[str, Any]], key: str, value: Any) -> list[dict[str, Any]]:
    """`augment=flip,cutout`, `augment=[]`, or `augment.cutout.pixels=8` on a part that is there."""
    if not key:
        names = [name for name in value.split(",") if name] if isinstance(value, str) else value
        if not isinstance(names, list):
            raise InputError(f"augment must be a list of names, but {value!r} was given; write augment=flip,cutout")
        return [{"name": name.strip()} if isinstance(name, str) else dict(name) for name in names]
    name, _, option = key.partition(".")
    part = next((part for part in present if part.get("name") == name), None)
    if part is None or not option:
        raise InputError(f"the recipe has no augmentation {name!r} to change; add it with augment=...,{name}")
    part[option] = value
    return present


def _value(key: str, text: str) -> Any:
    """A TOML value where the text is one, else the text itself (paths and names need no quotes)."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return value if isinstance(value, str) or _path(key) not in TEXTS else text


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in table.items() if value is not None
    }
