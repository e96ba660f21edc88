"""Loaded weights in a recipe: what their record fills in, and how they get into the network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn

from neuropil.errors import InputError
from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.options import FROM_DATA
from neuropil.recipes.recipe import MAIN_KEYS, Recipe
from neuropil.sources import SOURCES
from neuropil.sources.opening import kind_of
from neuropil.transfer.finding import find_weights
from neuropil.transfer.freezing import classifier_of
from neuropil.transfer.loading import load_weights
from neuropil.transfer.records import Preprocessing, WeightRecord

__all__ = ["adopt_record", "fill"]

Tell = Callable[[str], None]

TRANSFER = "photos-transfer"
"""The recipe from which is taken what a recipe with weights leaves open."""

VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
"""Files of a folder of weights that hold its subwords."""

TOLD = ("model", "data", "batches.mean", "batches.std", "transfer", "training")


def adopt_record(recipe: Recipe, *, data_given: bool, tell: Tell) -> Recipe:
    """A recipe with what is known of its weights filled in, where the recipe leaves it open.

    That is the network and its options, the pictures' size, crop and interpolation, the mean and deviation by which
    they are normalized, and how few photos are best learned from (the recipe `photos-transfer`).

    Args:
        recipe: may name weights.
        data_given: the data are in memory, so that nothing of `[data]` is filled in.
        tell: gets a sentence where something was filled in, and before anything is downloaded.

    Raises:
        InputError: weights that cannot be found.
    """
    weights = recipe.section("model").get("weights")
    if weights is None:
        return recipe
    if not isinstance(weights, str):
        raise InputError(f"model.weights must be the path of a file or a public name, but {weights!r} was given")
    path, record = find_weights(weights, tell=tell)
    if record is None:
        return recipe
    values = _network(recipe, record)
    if path.is_dir():
        values |= _subwords(recipe, record, path, data_given=data_given)
    if record.preprocessing is not None and recipe.section("model").get("name") in (None, record.model):
        values |= _pictures(recipe, record.preprocessing, data_given=data_given)
        values |= _training(recipe)
    if values:
        told = ", ".join(f"{key}={_short(value)}" for key, value in values.items() if key.startswith(TOLD))
        rest = "" if record.preprocessing is None else f"; what else is left open is as in {TRANSFER!r}"
        tell(f"{weights!r} is known ({record.source}): {told}{rest}")
    return recipe.with_values(values)


def _short(value: Any) -> str:
    return "[" + ", ".join(f"{one:.4g}" for one in value) + "]" if isinstance(value, list) else str(value)


def _network(recipe: Recipe, record: WeightRecord) -> dict[str, Any]:
    given = recipe.section("model")
    known = record.options_of(given.get("name", record.model))
    if known is None:
        return {}
    own = {key: value for key, value in known.items() if key not in given and key not in FROM_DATA}
    found = {f"model.{key}": value for key, value in own.items()}
    if "name" not in given:
        # the name comes with the whole section, because another name alone begins a section anew
        found = {"model": {"name": record.model, **given, **own}}
        if recipe.name == "run":
            found["name"] = record.model
    return found


def _subwords(recipe: Recipe, record: WeightRecord, folder: Path, *, data_given: bool) -> dict[str, Any]:
    """The folder's own subwords, where the texts can be read by some and the recipe says nothing of them; texts no
    longer than its context.
    """
    data = recipe.section("data")
    source = data.get("source")
    if data_given or not isinstance(source, str) or not any((folder / name).is_file() for name in VOCABULARIES):
        return {}
    accepted = inspect.signature(SOURCES.builder(kind_of(source))).parameters
    if "subwords" not in accepted or "subwords" in data or "size" in data:
        return {}
    found: dict[str, Any] = {"data.subwords": str(folder)}
    if "level" in accepted and "level" not in data:
        found["data.level"] = "bpe" if record.model == "gpt" else "wordpiece"
    for name in ("max_length", "window"):
        usual = accepted[name].default if name in accepted else None
        if isinstance(usual, int) and name not in data and usual > record.options["context"]:
            found[f"data.{name}"] = record.options["context"]
    return found


def _pictures(recipe: Recipe, wanted: Preprocessing, *, data_given: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    data, batches = recipe.section("data"), recipe.section("batches")
    source = data.get("source")
    if not data_given and isinstance(source, str):
        accepted = inspect.signature(SOURCES.builder(kind_of(source))).parameters
        known = {"size": wanted.size, "crop_share": wanted.crop_share, "interpolation": wanted.interpolation}
        if "crop_share" in accepted:  # the source brings pictures to a size; a fit of the user's own needs no crop
            found = {f"data.{key}": value for key, value in known.items() if key not in data}
    if not {"mean", "std", "normalize"} & batches.keys():
        found |= {"batches.mean": list(wanted.mean), "batches.std": list(wanted.std)}
    return found


def _training(recipe: Recipe) -> dict[str, Any]:
    """How few photos are best learned from, where the recipe leaves it open: as `TRANSFER` has it."""
    if recipe.section("transfer").get("method") == "all":
        return {}
    usual = find_recipe(TRANSFER)
    found: dict[str, Any] = {} if "augment" in recipe.sections else {"augment": usual.augment}
    for name in ("batches", "transfer", "optimizer", "schedule", "training", "speed"):
        given, own = recipe.section(name), usual.section(name)
        main = MAIN_KEYS.get(name, "")
        if given.get(main, own.get(main)) == own.get(main):  # else another part, with options of its own
            found |= {f"{name}.{key}": value for key, value in own.items() if key not in given}
    if {"epochs", "steps"} & recipe.section("training").keys():
        found.pop("training.epochs", None)
    return found


def fill(model: nn.Module, weights: str, tell: Tell) -> bool:
    """Load weights, but not those of a classifier whose number of outputs alone is another.

    A classifier's weights fill the backbone of a network that stands on one: YOLO is trained so, first to classify.

    Returns:
        Whether the classifier begins anew.

    Raises:
        InputError: weights that do not fit: the first mismatch.
    """
    path = find_weights(weights, tell=tell).path
    if path.is_dir():
        return _fill_from_folder(model, path, weights, tell)
    if _fill_backbone(model, path, weights, tell):
        return False
    report = load_weights(model, path, strict=False)
    if report.complete:
        return False
    classifier = classifier_of(model)
    others = [
        name
        for name, theirs, ours in report.mismatched
        if name not in classifier or not theirs or theirs[1:] != ours[1:] or theirs[0] == ours[0]
    ]
    widths = {(theirs[:1], ours[:1]) for _, theirs, ours in report.mismatched}
    if report.missing or report.unexpected or others or len(widths) != 1:
        load_weights(model, path)  # refuses, and says why
    (((theirs,), (ours,)),) = widths
    tell(
        f"the classifier in {weights!r} has {theirs} outputs, these data need {ours}: all other weights were loaded, "
        "the classifier begins anew"
    )
    return True


def _fill_from_folder(model: nn.Module, path: Path, weights: str, tell: Tell) -> bool:
    """Load a folder as Hugging Face writes it: the body, and the head if it is the same one.

    Returns:
        False: a new head is small beside the body, and all learns together (Devlin et al. 2018, section 4).
    """
    report = load_weights(model, path, strict="body")
    anew = sorted({*report.missing, *(name for name, _, _ in report.mismatched)})
    told = "".join(
        f"; {verb}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
        for verb, names in (("begins anew", anew), ("left over", list(report.unexpected)))
        if names
    )
    tell(f"{len(report.matched)} tensors were loaded from {weights!r}{told}")
    return False


def _fill_backbone(model: nn.Module, path: Path, weights: str, tell: Tell) -> bool:
    """Whether a network has a backbone that these weights fill; what is left over in the file is told."""
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        return False
    trial = deepcopy(backbone)
    try:
        report = load_weights(trial, path, strict=False)
    except InputError:
        return False  # perhaps they are the whole network's
    if report.missing or report.mismatched:
        return False
    backbone.load_state_dict(trial.state_dict())
    left = f"; left over: {', '.join(report.unexpected[:4])}" if report.unexpected else ""
    tell(f"the backbone was filled from {weights!r} ({len(report.matched)} tensors{left}); the rest begins anew")
    return True
