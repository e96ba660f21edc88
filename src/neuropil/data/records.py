"""What a data source is to the other rooms: samples that can be fetched by number, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

__all__ = ["Batch", "DataInfo", "Kind", "Samples", "Skipped", "Splits", "Target"]

Array = np.ndarray[Any, Any]

Kind = Literal["images", "table", "arrays", "sequences"]
Target = Literal["classes", "values", "boxes", "masks", "tags", "tokens", "next", "pretraining", "spans"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, ready for a network.

    Shape:
        inputs `[N, C, H, W]` or `[N, D]`, of texts int64 `[N, T]` or `[N, T, 1 + L]`, of series `[N, T, D]`; targets
        `[N]` or `[N, T]` int64, `[N, K]` or `[N, D]` float32; indices `[N]`.
    """

    inputs: Tensor
    targets: Tensor
    indices: Array


@dataclass(frozen=True, slots=True)
class Skipped:
    """A sample that was left out, and why."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class DataInfo:
    """What is known of a source once it is open.

    Args:
        source: how the user named it.
        kind: `images` (uint8 `[C, H, W]`), `table` (float32 `[D]`), `sequences` (token numbers int64 `[T]` or
            `[T, 1 + L]`, or a series float32 `[T, D]`) or `arrays` (anything else).
        target: `classes`, `values`, `boxes`, `masks`, `tags` (a class for each token), `tokens` (another sequence),
            `next` (the token after each), `pretraining` (hidden tokens, and whether a segment follows another) or
            `spans` (where an answer begins and ends).
        input_shape: of one sample, without the batch axis; 0 where every length is taken.
        classes: class names in the order of their numbers; empty for values.
        columns: input columns of a table, after encoding.
        targets: names of the value columns of a regression.
        notes: sentences that the user should read ("'quality' holds 6 whole numbers: read as ...").
        skipped: samples left out.
        encoding: what prediction must repeat on new files (column kinds, categories, fill values, colour mode, size
            rule, vocabularies); plain JSON values.
    """

    source: str
    kind: Kind
    target: Target
    input_shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    encoding: Mapping[str, Any] = field(default_factory=dict)


class Samples(Protocol):
    """Numbered samples.

    `fetch` must be a function of its arguments alone: it may be called from several threads and in any order.
    """

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    @property
    def targets(self) -> Array:
        """All targets: `[n]` int64 class numbers, `[n, D]` float32 values, `[n, M, 6]` float32 boxes,
        `[n, H, W]` uint8 masks; tags and tokens of all samples end to end, int64.
        """
        ...

    def name(self, index: int) -> str:
        """How to call one sample in a message: a file name, or `row 17`."""
        ...

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The raw inputs and targets of some samples.

        Args:
            indices: `[N]` sample numbers.
            draws: `[N, 4]` uniform numbers in [0, 1) for samples that choose a crop while they decode
                (random resized crop of picture files), or that are made anew in each epoch (`draws_by_index`: numbers
                that belong to seed, epoch and sample); `None` for the fixed view.

        Shape:
            inputs uint8 `[N, C, H, W]` for images, float32 `[N, D]` for tables, int64 `[N, T]` or `[N, T, 1 + L]` for
            texts; targets as in `targets`, those of sequences int64 `[N, T]`. Sequences are as long as the longest of
            those fetched.
        """
        ...


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a data set; a part that does not exist is `None`."""

    train: Samples
    valid: Samples | None
    test: Samples | None

    @property
    def info(self) -> DataInfo:
        """What is known of the source, as the training part tells it."""
        return self.train.info
