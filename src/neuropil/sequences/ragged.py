"""Sequences of different lengths: kept end to end, padded when they are fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.sequences.vocabulary import PAD

__all__ = ["IGNORED", "Ragged", "SequenceSamples"]

Array = np.ndarray[Any, Any]

IGNORED = -100
"""The target of a place that holds no token; losses leave it out."""


class Ragged:
    """Arrays of different lengths, end to end in one.

    Shape: values `[total, ...]`; lengths int64 `[n]`.

    Args:
        values: all of them, the first sequence's first.
        lengths: of each sequence.

    Raises:
        InputError: the lengths do not sum to the number of values.

    Example:
        >>> Ragged.of([np.array([1, 2, 3]), np.array([4])]).padded(np.array([1, 0]), 0).tolist()
        [[4, 0, 0], [1, 2, 3]]
    """

    def __init__(self, values: Array, lengths: Array) -> None:
        if int(lengths.sum()) != len(values):
            raise InputError(f"{len(values)} values cannot be cut into sequences of {int(lengths.sum())} in all")
        self.values = values
        self.lengths = lengths.astype(np.int64)
        self._begins = np.cumsum(self.lengths) - self.lengths

    @classmethod
    def of(cls, sequences: Sequence[Array]) -> Ragged:
        """The sequences, kept as 32-bit whole numbers."""
        lengths = np.array([len(one) for one in sequences], dtype=np.int64)
        values = np.concatenate(sequences) if len(sequences) else np.empty(0)
        return cls(values.astype(np.int32), lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def padded(self, indices: Array, fill: int) -> Array:
        """Some sequences as one array, as long as the longest of them.

        Shape: indices `[N]` -> int64 `[N, T, ...]`.
        """
        lengths = self.lengths[indices]
        inside = np.arange(lengths.max(initial=0)) < lengths[:, None]  # [N, T]
        places = (np.arange(inside.shape[1]) + self._begins[indices][:, None])[inside]
        result = np.full((*inside.shape, *self.values.shape[1:]), fill, dtype=np.int64)
        result[inside] = self.values[places]
        return result


class SequenceSamples:
    """Sequences of numbers as samples, padded to the longest of those that are fetched together.

    Shape: a fetch gives inputs int64 `[N, T, ...]`, 0 where padded, and targets int64 `[N]`, or `[N, T]` filled up
    with `fill`.

    Args:
        inputs: one sequence a sample.
        targets: a class number a sample, or a sequence a sample.
        info: what is known of them.
        names: how to call each sample in a message.
        fill: of padded targets.

    Raises:
        InputError: not as many targets or names as inputs.
    """

    def __init__(
        self,
        inputs: Ragged,
        targets: Array | Ragged,
        info: DataInfo,
        names: Sequence[str],
        fill: int = PAD,
    ) -> None:
        if not len(inputs) == len(targets) == len(names):
            raise InputError(
                f"{info.source!r} has {len(inputs)} sequences, {len(targets)} targets and {len(names)} names; "
                "give one of each"
            )
        self._inputs, self._targets, self._info, self._names, self._fill = inputs, targets, info, names, fill

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """All class numbers, or all sequences of targets end to end, without places that have none."""
        values: Array = self._targets.values if isinstance(self._targets, Ragged) else self._targets
        return values[values != IGNORED].astype(np.int64) if values.ndim == 1 else values.astype(np.int64)

    @property
    def lengths(self) -> Array:
        """How long each sample is, for batches: `[n, 1]`, or `[n, 2]` with the target first, whose padding costs more
        (each of its places asks for a score of every word).
        """
        columns = [self._inputs.lengths]
        if isinstance(self._targets, Ragged):
            columns.insert(0, self._targets.lengths)
        return np.stack(columns, axis=1)

    def __len__(self) -> int:
        return len(self._inputs)

    def name(self, index: int) -> str:
        """How to call one sample in a message."""
        return self._names[index]

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The padded inputs and targets of some samples; `draws` are for samples that decode files."""
        inputs = self._inputs.padded(indices, PAD)
        if isinstance(self._targets, Ragged):
            return inputs, self._targets.padded(indices, self._fill)
        return inputs, self._targets[indices]
