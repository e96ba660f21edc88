"""The shapes of agreement between rooms: what a network, a batch, a task and a stream of batches offer.

Rooms that may not import one another meet here, through structural types (`typing.Protocol`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

__all__ = [
    "BatchLike",
    "BatchStream",
    "Carry",
    "CountsItself",
    "LearnsByEpoch",
    "Network",
    "Scorer",
    "Task",
    "WithAuxiliaries",
]

Carry = Any
"""State that a task hands from one batch to the next: `None` for images, detached states for truncated BPTT."""


class BatchLike(Protocol):
    """One batch: what goes in, what should come out, and which samples these are."""

    @property
    def inputs(self) -> Tensor:
        """`[N, ...]` in the dtype that the network takes."""
        ...

    @property
    def targets(self) -> Tensor:
        """Class numbers `[N]` (int64), class probabilities `[N, K]`, or values `[N, D]` (float32)."""
        ...

    @property
    def indices(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """`[N]`: the samples' places in their source."""
        ...


class BatchStream(Protocol):
    """Batches of one part of the data, in an order that is a function of (seed, epoch) alone."""

    def __len__(self) -> int:
        """Batches in one epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[BatchLike]:
        """The batches of an epoch from batch number `start` on; no earlier batch is made to get there."""
        ...


@runtime_checkable
class Network(Protocol):
    """What every network of the catalogue that has stages offers beside `forward`."""

    widths: Sequence[int]

    def features(self, x: Tensor) -> list[Tensor]:
        """The outputs of the stages, shallow to deep."""
        ...

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, K]`."""
        ...

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the classifier for a fresh one; 0 leaves it out, and `forward` gives pooled features."""
        ...


class WithAuxiliaries(NamedTuple):
    """What a network with auxiliary classifiers gives while training: their losses, times the weight, are added."""

    logits: Tensor
    """`[N, K]`."""
    auxiliary: tuple[Tensor, ...]
    """`[N, K]` each."""
    weight: float
    """Of each auxiliary loss beside the main one's 1."""


@runtime_checkable
class CountsItself(Protocol):
    """A layer of our own that knows its cost, which cannot be read off its kind."""

    def multiply_adds(self, output_shape: tuple[int, ...]) -> int:
        """Multiply-adds for one sample, given the output's shape without the batch axis."""
        ...


class LearnsByEpoch(Protocol):
    """Decides which weights learn; a function of the epoch alone, so that a resumed run does the same."""

    def start_epoch(self, epoch: int) -> None:
        """Set what learns in this epoch, counted from 0."""
        ...


class Scorer(Protocol):
    """Gathers the metrics of one pass over an evaluation set."""

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch (no gradient) and add its results."""
        ...

    def compute(self) -> dict[str, float]:
        """The metrics by name; always holds `loss` and the task's own `metric`."""
        ...

    def details(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """What a report draws: per-sample `indices`, `losses`, `predicted`, `truth`; a `confusion` matrix."""
        ...


class Task(Protocol):
    """What a network is for: its loss, its metrics and its answer in words."""

    name: str
    metric: str
    metric_mode: Literal["max", "min"]

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch (a scalar, mean over samples) and the carry for the next."""
        ...

    def scorer(self) -> Scorer:
        """A fresh, empty scorer."""
        ...

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """One readable answer a sample, of plain Python values that `json` can write."""
        ...
