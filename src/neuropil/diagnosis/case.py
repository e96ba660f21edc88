"""A run rebuilt from its folder: recipe, data, the first weights and the last ones, and what it logged."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from neuropil.data.records import Samples
from neuropil.errors import CheckpointError, InputError
from neuropil.nn.contracts import BatchLike, Task
from neuropil.recipes.assembly import Assembly, assemble
from neuropil.recipes.in_memory import refuse_in_memory
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.run import recipe_of
from neuropil.training.checkpoint import newest_checkpoint
from neuropil.training.run_folder import RunFolder

__all__ = ["Case", "open_case"]

ENOUGH_SAMPLES = 512
"""Samples that a look at the network takes at least, where there are so many."""

MOST_BATCHES = 64


@dataclass
class Case:
    """What the rules look at.

    Args:
        path: the run folder.
        assembly: recipe, data, task, batches.
        first: the network at its initial weights.
        last: at those of its newest checkpoint; `None` where there is none.
        steps: rows of single steps in the log.
        epochs: rows of epochs.
        warnings: what the run said of itself.
        progress: counters of the newest checkpoint.
        notes: what could not be looked at, a sentence each.
    """

    path: Path
    assembly: Assembly
    first: nn.Module
    last: nn.Module | None
    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    warnings: tuple[str, ...]
    progress: Mapping[str, Any]
    notes: list[str]

    @property
    def recipe(self) -> Recipe:
        """The run's resolved recipe."""
        return self.assembly.recipe

    @property
    def task(self) -> Task:
        """Its loss and metrics."""
        return self.assembly.task

    @property
    def target(self) -> str:
        """What the data's targets are."""
        return self.assembly.signature.target

    @property
    def trained(self) -> nn.Module:
        """The last weights, the first where there are no others."""
        return self.first if self.last is None else self.last

    @property
    def batch_size(self) -> int:
        """Samples in a training batch."""
        size = self.assembly.recipe.section("batches").get("batch_size", 64)
        return min(size, len(self.train)) if isinstance(size, int) else len(self.train)

    @property
    def train(self) -> Samples:
        """The training part."""
        return self.assembly.splits.train

    @property
    def rate(self) -> float:
        """The learning rate of the rule, before its schedule."""
        groups = self.assembly.make_optimizer(self.first).param_groups
        return max(float(group["lr"]) for group in groups)

    @property
    def done_steps(self) -> int:
        """Optimizer steps that the run took, as far as is known."""
        logged = [int(row["step"]) for row in (*self.steps, *self.epochs) if "step" in row]
        return max([int(self.progress.get("step", 0)), *logged])

    def batches(self, samples: int = ENOUGH_SAMPLES) -> list[BatchLike]:
        """The first training batches, as the run saw them, until there are enough samples."""
        found: list[BatchLike] = []
        count = 0
        for batch in islice(self.assembly.train.epoch(0), MOST_BATCHES):
            found.append(batch)
            count += len(batch.inputs)
            if count >= samples:
                break
        return found

    def endless(self) -> Iterator[BatchLike]:
        """Training batches in the run's own order, epoch after epoch."""
        epoch = 0
        while True:
            yield from self.assembly.train.epoch(epoch)
            epoch += 1

    def logged(self, key: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Steps and values of a figure that the epochs' rows have; `nan` where it was no number."""
        rows = [row for row in self.epochs if key in row]
        values = [math.nan if row[key] is None else float(row[key]) for row in rows]
        return np.array([row["step"] for row in rows], dtype=float), np.array(values, dtype=float)

    @property
    def broke(self) -> bool:
        """Whether the run stopped before its planned end, or logged a loss that was no finite number."""
        missing = any(row.get("loss", 0.0) is None or row.get("gradient_norm", 0.0) is None for row in self.steps)
        return missing or any(row.get("train_loss", 0.0) is None for row in self.epochs)


def open_case(path: Path | str) -> Case:
    """Rebuild a run.

    Raises:
        InputError: no run folder, a damaged file in it, or its data are gone or have changed.
        CheckpointError: there are checkpoints, but none can be read.
    """
    folder = RunFolder(path)
    recipe = recipe_of(folder)
    refuse_in_memory(recipe, "only a run whose recipe names its data can be diagnosed")
    recorded = folder.path / "data.json"
    if not recorded.is_file():
        raise InputError(f"{str(path)!r} has no data.json, so it is no whole run folder; train the recipe again")
    assembly = assemble(recipe, resolved=True)
    if recorded.read_text(encoding="utf-8") != assembly.signature.to_json():
        raise InputError(
            f"the data of {str(path)!r} are not what they were when the run began; put the old data back, or train a "
            "new run on the present ones"
        )
    history = _history(folder)
    first = copy.deepcopy(assembly.model)
    notes: list[str] = []
    last, progress = _last(folder, assembly, notes)
    return Case(
        path=folder.path,
        assembly=assembly,
        first=first,
        last=last,
        steps=[row for row in history if row.get("event") == "step"],
        epochs=[row for row in history if row.get("event") == "epoch"],
        warnings=tuple(str(row.get("says", "")) for row in history if row.get("event") == "warning"),
        progress=progress,
        notes=notes,
    )


def _history(folder: RunFolder) -> list[dict[str, Any]]:
    try:
        rows = folder.history()
        if not all(isinstance(row, dict) and isinstance(row.get("step"), int) for row in rows):
            raise ValueError("a line is not a row of the log")
    except (OSError, ValueError) as error:
        raise InputError(
            f"metrics.jsonl of {str(folder.path)!r} is damaged ({json.dumps(str(error))[1:-1]}); take the broken line "
            "out, or train again"
        ) from error
    return rows


def _last(folder: RunFolder, assembly: Assembly, notes: list[str]) -> tuple[nn.Module | None, Mapping[str, Any]]:
    """The network at the newest checkpoint's weights, and its counters."""
    if not folder.checkpoints.is_dir():
        notes.append("there is no checkpoint, so the last weights were not looked at")
        return None, {}
    checkpoint, complaints = newest_checkpoint(folder.checkpoints)
    notes += [f"{one}; another one was looked at" for one in complaints]
    if checkpoint is None:
        notes.append("there is no checkpoint, so the last weights were not looked at")
        return None, {}
    model = copy.deepcopy(assembly.model)
    names = set(model.state_dict())
    try:
        model.load_state_dict({name: one for name, one in checkpoint.weights().items() if name in names})
    except RuntimeError as error:
        raise CheckpointError(f"the weights of {str(folder.path)!r} do not fit its recipe: {error}") from error
    progress: Mapping[str, Any] = checkpoint.state.get("progress", {})
    return model, progress
