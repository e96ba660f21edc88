"""The sections of a recipe that are plain options: batches, speed, transfer, training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from neuropil.batches.normalization import Normalization, fit_normalization
from neuropil.data.records import Samples
from neuropil.data.splitting import split
from neuropil.errors import InputError
from neuropil.recipes.recipe import Recipe
from neuropil.registry import checked_options
from neuropil.training.plan import TrainingPlan
from neuropil.transfer.freezing import TransferPlan

__all__ = [
    "FROM_DATA",
    "BatchOptions",
    "SpeedOptions",
    "batch_options",
    "speed_options",
    "training_plan",
    "transfer_plan",
]

FROM_DATA = (
    "num_classes", "in_channels", "in_features", "in_shape", "num_tokens", "num_characters", "num_target_tokens",
)  # fmt: skip
"""Options of a network that the data decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """The recipe's `[batches]`.

    Args:
        batch_size: samples in a batch; `full` for all of them (the chapter's batch update), `auto` to find it.
        workers: threads that read ahead.
        drop_last: leave a smaller last batch out.
        normalize: bring inputs to mean 0 and deviation 1 by the training part's statistics.
        mean: of each channel (pictures: divided by 255), in place of the training part's; with `std`.
        std: likewise.
        train_fraction: share of the training part that is learned from, above 0 up to 1, each class in its share.
    """

    batch_size: int | Literal["full", "auto"] = 64
    workers: int = 0
    drop_last: bool = False
    normalize: Literal["channel", "feature", "none"] = "channel"
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    train_fraction: float = 1.0

    def learned_from(self, train: Samples) -> Samples:
        """The training part, or so much of it as `train_fraction` says: the same for any seed of the run."""
        if self.train_fraction == 1.0:
            return train
        if (drawn := split(train, valid_fraction=self.train_fraction, test_fraction=0.0, seed=0).valid) is None:
            raise InputError(
                f"batches.train_fraction={self.train_fraction} of {len(train)} training samples leaves none; give more"
            )
        return drawn

    def normalization(self, train: Samples) -> Normalization | None:
        """The numbers that were given, or those of the training part.

        Raises:
            InputError: only one of mean and std, or numbers that do not belong together.
        """
        for name, given in (("mean", self.mean), ("std", self.std)):
            if isinstance(given, str):
                raise InputError(f"batches.{name} must be a list of numbers, but {given!r} was given")
        if self.mean is not None and self.std is not None:
            return Normalization(tuple(self.mean), tuple(self.std))
        if self.mean is not None or self.std is not None:
            raise InputError("batches.mean and batches.std belong together; give both, or none of them")
        return None if self.normalize == "none" else fit_normalization(train, kind=self.normalize)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedOptions:
    """The recipe's `[speed]`.

    Args:
        mode: `auto` measures and picks what is left open below; `plain` keeps fp32, ordinary layout, no compiling.
        precision: `bf16` multiplies in bfloat16 and keeps weights in fp32.
        channels_last: NHWC memory layout of pictures.
        compile: `torch.compile`.
        device: `auto` takes a GPU where there is one.
    """

    mode: Literal["auto", "plain"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool | None = None
    compile: bool | None = None
    device: str = "auto"

    def chosen_device(self) -> str:
        """The device by name.

        Raises:
            InputError: a device that this machine lacks.
        """
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        kind = self.device.partition(":")[0]
        if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
            here = "cpu, cuda" if torch.cuda.is_available() else "cpu"
            raise InputError(f"speed.device cannot be {self.device!r} on this machine; it has: {here}")
        return self.device


def batch_options(recipe: Recipe) -> BatchOptions:
    """The checked `[batches]` of a recipe."""
    options = BatchOptions(**checked_options(BatchOptions, recipe.section("batches"), where="[batches]"))
    if isinstance(options.batch_size, int) and options.batch_size < 1:
        raise InputError(f"batches.batch_size must be at least 1, but {options.batch_size} was given")
    if not 0 < options.train_fraction <= 1:
        raise InputError(
            f"batches.train_fraction must be above 0 and at most 1, but {options.train_fraction} was given"
        )
    return options


def speed_options(recipe: Recipe) -> SpeedOptions:
    """The checked `[speed]` of a recipe."""
    return SpeedOptions(**checked_options(SpeedOptions, recipe.section("speed"), where="[speed]"))


def transfer_plan(recipe: Recipe) -> TransferPlan:
    """The checked `[transfer]` of a recipe."""
    return TransferPlan(**checked_options(TransferPlan, recipe.section("transfer"), where="[transfer]"))


def training_plan(recipe: Recipe) -> TrainingPlan:
    """The checked `[training]` of a recipe; ten epochs where it names no length."""
    options = checked_options(TrainingPlan, recipe.section("training"), where="[training]")
    if "epochs" not in options and "steps" not in options:
        options["epochs"] = 10
    return TrainingPlan(**options)
