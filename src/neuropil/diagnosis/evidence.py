"""Everything that the rules may ask about a run, each measured once and only when asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuropil.data.in_memory import Subset
from neuropil.data.records import Samples
from neuropil.diagnosis.case import Case
from neuropil.diagnosis.measuring import Look, look_at
from neuropil.diagnosis.references import Reference, reference
from neuropil.diagnosis.trials import Trial, loss_of, rate_trials, unfrozen_trial
from neuropil.nn.contracts import BatchLike
from neuropil.recipes.assembly import evaluation_batches
from neuropil.training.evaluating import evaluation_mode

__all__ = ["Evidence", "Score"]

Array = np.ndarray[Any, Any]

MOST_SCORED = 1000


@dataclass(frozen=True, slots=True)
class Score:
    """How well the last weights do on some samples, as they are used.

    Args:
        loss: mean.
        metric: the task's own.
        samples: how many.
        details: per sample, as the task's scorer gives them.
        metrics: all of them.
    """

    loss: float
    metric: float
    samples: int
    details: Mapping[str, Any]
    metrics: Mapping[str, float]


class Evidence:
    """The measurements of one run.

    Args:
        case: the run.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.simple = case.target in ("classes", "values")
        """Whether answers are one class or some values a sample, so that simple methods can be held beside them."""

    # --- the network -----------------------------------------------------------------------------

    @cached_property
    def batches(self) -> list[BatchLike]:
        """Training batches to look with."""
        return self.case.batches()

    @cached_property
    def held(self) -> list[BatchLike]:
        """Those whose loss is compared between trials."""
        found, count = [], 0
        for batch in self.batches:
            found.append(batch)
            count += len(batch.inputs)
            if count >= 256:
                break
        return found

    @cached_property
    def first(self) -> Look:
        """At the initial weights."""
        return look_at(self.case.first, self.case.task, self.batches)

    @cached_property
    def last(self) -> Look:
        """At the last weights."""
        return self.first if self.case.last is None else look_at(self.case.last, self.case.task, self.batches)

    # --- how the run went ------------------------------------------------------------------------

    @cached_property
    def loss_first(self) -> float:
        """Before training, as used."""
        return loss_of(self.case, self.case.first, self.held)

    @cached_property
    def loss_last(self) -> float:
        """After training, on the same samples; infinite where the run broke before it saved anything."""
        if self.case.last is None:
            return math.inf if self.case.broke or not self.case.epochs else self.loss_first
        return loss_of(self.case, self.case.last, self.held)

    @cached_property
    def trials(self) -> list[Trial]:
        """Other learning rates from the initial weights."""
        return rate_trials(self.case, self.case.first, self.held)

    @cached_property
    def unfrozen(self) -> tuple[Trial, Trial]:
        """With what the run froze, and with everything learning."""
        return unfrozen_trial(self.case, self.held)

    @property
    def best_trial(self) -> Trial:
        """The rate that got lowest."""
        return min(self.trials, key=lambda one: one.after)

    @property
    def as_run(self) -> Trial:
        """The trial at the run's own rate."""
        return min(self.trials, key=lambda one: abs(math.log(one.factor)))

    # --- answers ---------------------------------------------------------------------------------

    @cached_property
    def on_train(self) -> Score:
        """Samples of the training part."""
        return self._score(self.case.train)

    @cached_property
    def on_others(self) -> Score | None:
        """Samples of the validation and the test part."""
        splits = self.case.assembly.splits
        parts = [part for part in (splits.valid, splits.test) if part is not None and len(part)]
        return self._score(*parts) if parts else None

    def _score(self, *parts: Samples) -> Score:
        scorer, scored = self.case.task.scorer(), 0
        with evaluation_mode(self.case.trained):
            for samples in parts:
                count = min(len(samples), MOST_SCORED)
                chosen = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(np.int64))
                part: Samples = samples if count == len(samples) or not self.simple else Subset(samples, chosen)
                batches = evaluation_batches(part, self.case.assembly.signature.normalization)
                for batch in batches.epoch(0) if batches is not None else ():
                    scorer.update(self.case.trained, batch)
                scored += len(part)
        metrics = scorer.compute()
        details = scorer.details() if self.simple else {}
        return Score(metrics["loss"], metrics[self.case.task.metric], scored, details, metrics)

    # --- the data --------------------------------------------------------------------------------

    @cached_property
    def classes(self) -> int:
        """How many; 0 for values."""
        return len(self.case.assembly.signature.classes) if self.case.target == "classes" else 0

    @cached_property
    def targets(self) -> Array:
        """Of the training part."""
        return np.asarray(self.case.train.targets)

    @cached_property
    def counts(self) -> Array:
        """Training samples of each class."""
        return np.bincount(self.targets.astype(np.int64), minlength=self.classes)

    @cached_property
    def reference(self) -> Reference | None:
        """The best simple method."""
        return reference(self.case.train, self.classes) if self.simple else None

    def reference_of(self, numbers: Array, classes: int) -> Reference | None:
        """The best simple method where the targets are read as these classes."""
        return reference(self.case.train, classes, targets=numbers)

    @cached_property
    def learned(self) -> bool:
        """Whether the last weights do clearly better than a constant answer on their own training samples."""
        return math.isfinite(self.loss_last) and self.loss_last < 0.75 * self.constant_loss

    @cached_property
    def constant_loss(self) -> float:
        """The loss of the best constant answer, or of the initial weights where that is not known."""
        if self.case.target == "classes":
            shares = self.counts[self.counts > 0] / self.counts.sum()
            return float(-(shares * np.log(shares)).sum())
        if self.case.target == "values":
            return {"squared": 1.0, "absolute": 0.8, "huber": 0.4}.get(self._error(), 1.0)
        return self.loss_first

    def _error(self) -> str:
        return str(self.case.recipe.section("task").get("loss", "squared"))

    @cached_property
    def inputs(self) -> Array:
        """What the network reads of some samples, `[N, ...]` float64; empty for tokens."""
        found = [batch.inputs for batch in self.batches]
        if not found[0].is_floating_point():
            return np.zeros((0, 1))
        same = [one for one in found if one.shape[1:] == found[0].shape[1:]]
        return np.concatenate([one.numpy(force=True) for one in same]).astype(np.float64)
