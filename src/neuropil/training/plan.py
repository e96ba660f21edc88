"""How to train: the numbers that the loop goes by, checked when they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neuropil.errors import InputError

__all__ = ["TrainingPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What one training run does, beside its parts.

    Args:
        epochs: passes over the training data; give this or `steps`.
        steps: optimizer steps; give this or `epochs`.
        accumulate: batches whose gradients are averaged into one step.
        clip_norm: gradients whose global norm exceeds this are scaled down to it; `None` for never.
        clip_value: each number of a gradient is cut to this size, which turns the gradient; `None` for never. Give
            one of the two.
        average_decay: decay of the exponential moving average of the weights that is evaluated and kept; `None`
            for the weights themselves.
        patience_epochs: stop after so many epochs without a better metric; `None` for never.
        evaluate_every_epochs: epochs between two evaluations on the validation part.
        save_every_steps: optimizer steps between two checkpoints, beside those by time.
        save_every_seconds: seconds between two checkpoints; 0 saves after every step.
        keep_checkpoints: newest checkpoints to keep; the best one is kept besides.
        non_finite: at a loss or gradient that is no finite number: `stop` with the module that made it, `skip` the
            step, or `rollback` to the weights of the epoch's start at half the learning rate, past the bad batch.
        log_every_steps: optimizer steps between two lines of the log; `None` for about 200 lines a run.
        warnings: say once what looks wrong while it trains (gradients that explode or vanish, a loss that rises, dead
            or saturated layers), in the log too.

    Raises:
        InputError: a number outside its range, or not exactly one of `epochs` and `steps`.
    """

    epochs: int | None = None
    steps: int | None = None
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    average_decay: float | None = None
    patience_epochs: int | None = None
    evaluate_every_epochs: int = 1
    save_every_steps: int | None = None
    save_every_seconds: float = 30.0
    keep_checkpoints: int = 2
    non_finite: Literal["stop", "skip", "rollback"] = "stop"
    log_every_steps: int | None = None
    warnings: bool = True

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise InputError(
                f"training needs either epochs or steps, but epochs={self.epochs} and steps={self.steps} were given"
            )
        least_one = ("epochs", "steps", "accumulate", "patience_epochs", "evaluate_every_epochs", "save_every_steps")
        for name in (*least_one, "keep_checkpoints", "log_every_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"training.{name} must be at least 1, but {value} was given")
        for name, limit in (("clip_norm", self.clip_norm), ("clip_value", self.clip_value)):
            if limit is not None and not limit > 0:
                raise InputError(f"training.{name} must be above 0, but {limit} was given; leave it out for never")
        if self.clip_norm is not None and self.clip_value is not None:
            raise InputError(
                f"training.clip_norm={self.clip_norm} and training.clip_value={self.clip_value} were given, but "
                "gradients are clipped in one way; leave one of them out"
            )
        if self.average_decay is not None and not 0 < self.average_decay < 1:
            raise InputError(f"training.average_decay must lie between 0 and 1, but {self.average_decay} was given")
        if not self.save_every_seconds >= 0:
            raise InputError(f"training.save_every_seconds must be at least 0, but {self.save_every_seconds} was given")

    def total_steps(self, batches_per_epoch: int) -> int:
        """Optimizer steps of the whole run; a last, smaller group of accumulated batches makes a step of its own."""
        if self.steps is not None:
            return self.steps
        return (self.epochs or 0) * -(-batches_per_epoch // self.accumulate)
