"""A recipe's names turned into live objects. The only file that knows every room.

Everything is checked against the constructors' own signatures before any data are read.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from neuropil.batches import AUGMENTATIONS
from neuropil.batches.augmentation import Augmentation
from neuropil.batches.batching import Batches
from neuropil.batches.normalization import Normalization
from neuropil.data.records import Samples, Splits
from neuropil.errors import InputError
from neuropil.models import MODELS, SQUEEZE, build_model, check_squeeze, model_options
from neuropil.nn.contracts import Task
from neuropil.optim import RULES, SCHEDULES
from neuropil.optim.averaging import WeightAverage
from neuropil.optim.groups import parameter_groups
from neuropil.optim.penalties import Penalty
from neuropil.optim.schedules import Schedule
from neuropil.recipes.ends import check_ends, network_ends
from neuropil.recipes.fitting import check_fit
from neuropil.recipes.in_memory import refuse_in_memory
from neuropil.recipes.options import FROM_DATA, BatchOptions, batch_options, speed_options, training_plan, transfer_plan
from neuropil.recipes.recipe import MAIN_KEYS, Recipe
from neuropil.recipes.signature import DataSignature, sign_data
from neuropil.recipes.weights import adopt_record, fill
from neuropil.registry import Catalogue, checked_options
from neuropil.sources.opening import check_source, open_source
from neuropil.tasks import TASKS
from neuropil.training.plan import TrainingPlan
from neuropil.transfer.freezing import Freezing

__all__ = ["Assembly", "assemble", "build_network", "build_task", "check_recipe", "pieces"]


NATURAL_TASKS = {
    "classes": "classification", "values": "regression", "boxes": "detection", "masks": "segmentation",
    "tags": "tagging", "next": "language_modelling", "tokens": "translation", "pretraining": "pretraining",
    "spans": "spans",
}  # fmt: skip
"""What targets are for; tokens for pictures are for captioning."""

TOLD_TO_TASKS = ("classes", "class_counts", "targets", "mean", "scale", "vocabulary", "level", "no_answer")
"""Options of a task that the data decide."""

LANES = 16
"""Rows of a language model's evaluation: each walks through a part of the text."""

SEQUENCES = 32
"""Sequences in one batch of an evaluation at most."""

EVALUATION_VALUES = 256 * 3 * 128 * 128
"""Values in one batch of an evaluation at most: 48 MiB."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """The live objects of one recipe, before the device, the layout and the rule are settled.

    Args:
        recipe: as given.
        splits: the data.
        signature: what a finished run remembers of them.
        train: training batches, shuffled and augmented.
        valid: validation batches in order.
        test: test batches in order.
        model: freshly initialised from the seed, or with the weights that the recipe names.
        task: loss, metrics, answer.
        plan: how long and how.
        freezing: which weights learn in which epoch.
    """

    recipe: Recipe
    splits: Splits
    signature: DataSignature
    train: Batches
    valid: Batches | None
    test: Batches | None
    model: nn.Module
    task: Task
    plan: TrainingPlan
    freezing: Freezing

    def train_batches(self, batch_size: int) -> Batches:
        """Training batches of another size."""
        options = batch_options(self.recipe)
        return _training_batches(self.recipe, self.train.samples, self.train.normalize, options, batch_size)

    def make_optimizer(self, model: nn.Module, lr: float | None = None) -> torch.optim.Optimizer:
        """The recipe's rule over a network's parameters; weight decay spares biases and normalisation."""
        return make_optimizer(self.recipe, model, lr, self.freezing.shares(model))

    def make_schedule(self) -> Schedule:
        """The recipe's learning-rate schedule, constant by default."""
        return _make_schedule(self.recipe)

    def make_penalty(self) -> Penalty | None:
        """The L1 and L2 terms of the loss, if the recipe has any."""
        return _make_penalty(self.recipe)

    def make_average(self, model: nn.Module) -> WeightAverage | None:
        """The moving average of the weights, if the plan has one."""
        return None if self.plan.average_decay is None else WeightAverage(model, self.plan.average_decay)


def check_recipe(recipe: Recipe, *, data_given: bool = False) -> None:
    """Hold every name and option against its catalogue and signature; nothing is read or built.

    Args:
        recipe: to be checked.
        data_given: the data are in memory already, so that `[data]` need not name them.

    Raises:
        InputError: the first thing that is wrong, with the nearest right one.
    """
    source, data = _named(recipe, "data")
    if data_given:
        pass
    elif source is None:
        raise InputError("the recipe names no data; give a built-in set (data=digits) or a path (data=./photos)")
    else:
        refuse_in_memory(recipe, "name others with data=NAME or data=PATH")
        check_source(source, data)
    name, model = _named(recipe, "model")
    if name is None:
        raise InputError(
            "the recipe names no network; give one, for example model=resnet18 (`neuropil models` lists all)"
        )
    weights = model.pop("weights", None)
    if transfer_plan(recipe).method != "all" and weights is None:
        raise InputError("[transfer] is for a network whose weights are loaded; name them with weights=FILE")
    name, model = model_options(name, model)
    if (reduction := model.pop(SQUEEZE, None)) is not None:
        check_squeeze(name, reduction)
    _check(MODELS, name, model, FROM_DATA)
    name, task = _named(recipe, "task")
    if name is not None:
        _check(TASKS, name, task, TOLD_TO_TASKS)
    _check_rule(recipe)
    _make_schedule(recipe)
    for part in recipe.augment:
        if not isinstance(part.get("name"), str):
            raise InputError(
                f"an augmentation needs a name, but {part!r} was given; allowed: {', '.join(AUGMENTATIONS)}"
            )
        AUGMENTATIONS.build(part.pop("name"), **part)
    _make_penalty(recipe)
    batch_options(recipe)
    speed_options(recipe).chosen_device()
    training_plan(recipe)


def _named(recipe: Recipe, section: str) -> tuple[str | None, dict[str, Any]]:
    """The name that a section holds, if any, and its other values."""
    options = recipe.section(section)
    name = options.pop(MAIN_KEYS[section], None)
    if name is not None and not isinstance(name, str):
        raise InputError(f"{section}.{MAIN_KEYS[section]} must be one name, but {name!r} was given")
    return name, options


def _check(catalogue: Catalogue, name: str, options: Mapping[str, Any], supplied: tuple[str, ...]) -> None:
    checked_options(catalogue.builder(name), options, where=f"{catalogue.kind} {name!r}", supplied=supplied)


def _check_rule(recipe: Recipe) -> None:
    """Build the rule for a single weight, so that its own checks speak before data are read."""
    name, options = _named(recipe, "optimizer")
    name = name or "adam"
    if options.get("lr") == "auto":
        del options["lr"]
    weight_decay = options.get("weight_decay", 0.0)
    _check(RULES, name, options, ("params",))
    options.pop("weight_decay", None)
    RULES.build(name, parameter_groups(nn.Linear(1, 1), weight_decay=weight_decay), **options)


def _make_schedule(recipe: Recipe) -> Schedule:
    name, options = _named(recipe, "schedule")
    schedule: Schedule = SCHEDULES.build(name or "constant", **options)
    return schedule


def _make_penalty(recipe: Recipe) -> Penalty | None:
    options = recipe.section("penalty")
    return Penalty(**checked_options(Penalty, options, where="[penalty]")) if options else None


def assemble(
    recipe: Recipe,
    splits: Splits | None = None,
    *,
    resolved: bool = False,
    load: bool = True,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Assembly:
    """Check a recipe, open its data, and build network and task from its seed.

    Args:
        recipe: names and options.
        splits: data in memory, in place of the recipe's source.
        resolved: the recipe is that of a run folder, so that nothing is filled in any more.
        load: fill the network from the recipe's weights; not where a checkpoint holds them.
        tell: gets sentences for the reader.

    Raises:
        InputError: something in the recipe or the data cannot be used.
    """
    if not resolved:
        recipe = adopt_record(recipe, data_given=splits is not None, tell=tell)
    check_recipe(recipe, data_given=splits is not None)
    if splits is None:
        data = recipe.section("data")
        splits = open_source(data.pop("source"), data)
    options = batch_options(recipe)
    train = options.learned_from(splits.train)
    normalization = _normalization(options, train)
    signature = sign_data(train, normalization)
    size = options.batch_size if isinstance(options.batch_size, int) else len(train)
    task = build_task(recipe, signature)
    model = build_network(recipe, signature)
    if load and (weights := recipe.section("model").get("weights")) is not None:
        recipe = _filled(model, recipe, weights, tell)
    return Assembly(
        recipe=recipe,
        splits=splits,
        signature=signature,
        train=_training_batches(recipe, train, normalization, options, size),
        valid=evaluation_batches(splits.valid, normalization, options),
        test=evaluation_batches(splits.test, normalization, options),
        model=model,
        task=task,
        plan=training_plan(recipe),
        freezing=Freezing(model, transfer_plan(recipe)),
    )


def _normalization(options: BatchOptions, train: Samples) -> Normalization | None:
    """Of inputs that are numbers; a series' columns have one mean each, the same at every step."""
    if train.info.kind != "sequences":
        return options.normalization(train)
    if "vocabulary" in train.info.encoding or options.normalize == "none":
        return None
    steps, encoding = train.info.input_shape[0], train.info.encoding
    return Normalization(tuple(encoding["mean"]) * steps, tuple(encoding["std"]) * steps)


def _filled(model: nn.Module, recipe: Recipe, weights: str, tell: Callable[[str], None]) -> Recipe:
    """Load the weights; the recipe fine-tunes then, where it does not say how a new classifier learns."""
    if not fill(model, weights, tell) or recipe.section("transfer"):
        return recipe
    tell("transfer.method=fine_tune: first the classifier learns, then everything (transfer=features, all: others)")
    return recipe.with_values({"transfer.method": "fine_tune"})


def _training_batches(
    recipe: Recipe, samples: Samples, normalization: Normalization | None, options: BatchOptions, size: int
) -> Batches:
    parts = [AUGMENTATIONS.build(part.pop("name"), **part) for part in recipe.augment]
    if parts and samples.info.kind != "images":
        kind = "holds sequences" if samples.info.kind == "sequences" else "is a table"
        raise InputError(f"augmentation is for pictures, but {samples.info.source!r} {kind}; use augment=[]")
    return Batches(
        samples,
        batch_size=min(size, len(samples)),
        seed=recipe.seed,
        shuffle=True,
        workers=options.workers,
        drop_last=options.drop_last,
        augment=Augmentation(parts, recipe.seed) if parts else None,
        normalize=normalization,
    )


def evaluation_batches(
    samples: Samples | None, normalization: Normalization | None, options: BatchOptions | None = None
) -> Batches | None:
    """Batches of an evaluation part: in order (sequences from short to long), not augmented, 256 at a time, or fewer of
    large samples.
    """
    if samples is None:
        return None
    workers = options.workers if options else 0
    size = pieces(samples.info.input_shape, samples.info.target)
    return Batches(samples, batch_size=size, seed=0, shuffle=False, workers=workers, normalize=normalization)


def pieces(shape: tuple[int, ...], target: str) -> int:
    """How many samples go through a network at a time where nothing is learned: 256, or fewer of large ones.

    Networks that outline keep wide maps at full size, those that write a score for every word.
    """
    if target == "next":
        return LANES
    if target in ("tags", "tokens") or 0 in shape:
        return max(1, min(SEQUENCES, EVALUATION_VALUES // max(1, math.prod(shape))))
    values = math.prod(shape) * (32 if target == "masks" else 1)
    return max(1, min(256, EVALUATION_VALUES // max(1, values)))


def build_network(recipe: Recipe, signature: DataSignature) -> nn.Module:
    """The recipe's network for data of this signature, its weights drawn from the recipe's seed.

    Raises:
        InputError: the network cannot take such data.
    """
    options = recipe.section("model")
    options.pop("weights", None)
    name, options = model_options(options.pop("name"), options)
    accepted = inspect.signature(MODELS.builder(name)).parameters
    known = network_ends(name, signature)
    check_ends(name, signature, accepted)
    torch.manual_seed(recipe.seed)
    model = build_model(name, {**{k: v for k, v in known.items() if k in accepted}, **options})
    check_fit(model, name, signature)
    return model


def build_task(recipe: Recipe, signature: DataSignature) -> Task:
    """The recipe's task, or the one that the data are for.

    Raises:
        InputError: a task that is not for such targets.
    """
    options = recipe.section("task")
    natural = NATURAL_TASKS[signature.target]
    if signature.target == "tokens" and signature.kind == "images":
        natural = "captioning"
    name = options.pop("name", natural)
    if name != natural:
        raise InputError(f"the task is {name}, but the data's targets are {signature.target}; use task={natural}")
    written = "target_vocabulary" if signature.target == "tokens" else "vocabulary"
    known: dict[str, Any] = {
        "classes": list(signature.classes),
        "class_counts": list(signature.class_counts),
        "targets": list(signature.targets),
        "mean": signature.target_mean,
        "scale": signature.target_scale,
        "vocabulary": list(signature.encoding.get(written, ())),
        "level": signature.encoding.get("level", "word"),
        "no_answer": bool(signature.encoding.get("no_answer", False)),
    }
    accepted = inspect.signature(TASKS.builder(name)).parameters
    task: Task = TASKS.build(name, **{key: value for key, value in known.items() if key in accepted}, **options)
    return task


def make_optimizer(
    recipe: Recipe, model: nn.Module, lr: float | None = None, shares: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """The recipe's rule over a network's parameters; `lr` stands in for its own rate, of which some have a share."""
    options = recipe.section("optimizer")
    name = options.pop("name", "adam")
    if lr is not None:
        options["lr"] = lr
    groups = parameter_groups(model, weight_decay=options.pop("weight_decay", 0.0), shares=shares)
    optimizer: torch.optim.Optimizer = RULES.build(name, groups, **options)
    for group in optimizer.param_groups:
        group["lr"] *= group.pop("share", 1.0)
    return optimizer
