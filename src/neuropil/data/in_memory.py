"""Samples that lie in memory as arrays, a choice of samples out of others, and others under a new description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.data.records import DataInfo, Samples
from neuropil.errors import InputError

__all__ = ["Described", "InMemory", "Subset"]

Array = np.ndarray[Any, Any]


class InMemory:
    """Arrays as samples; a fetch is one gather.

    Shape: inputs `[n, *info.input_shape]`; targets int64 `[n]` or float32 `[n, D]`.

    Args:
        inputs: uint8 pictures `[n, C, H, W]`, float32 rows `[n, D]`, or any other array with samples along axis 0.
        targets: one for each input.
        info: what is known of them.
        names: how to call each sample; `row 1`, `row 2` … (`picture 1` … of pictures) where left out.

    Raises:
        InputError: the lengths differ, or the inputs' shape is not that of `info`.
    """

    def __init__(self, inputs: Array, targets: Array, info: DataInfo, names: Sequence[str] | None = None) -> None:
        if len(inputs) != len(targets) or (names is not None and len(names) != len(inputs)):
            raise InputError(
                f"{info.source!r} has {len(inputs)} inputs but {len(targets)} targets"
                + ("" if names is None else f" and {len(names)} names")
                + "; give one for each"
            )
        if tuple(inputs.shape[1:]) != tuple(info.input_shape):
            raise InputError(
                f"the inputs of {info.source!r} are of shape {list(inputs.shape[1:])}, "
                f"but {list(info.input_shape)} was announced"
            )
        self.inputs = inputs
        self._targets = targets
        self._info = info
        self._names = names

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """All targets, `[n]` or `[n, D]`."""
        return self._targets

    def __len__(self) -> int:
        return len(self.inputs)

    def name(self, index: int) -> str:
        """How to call one sample in a message."""
        if self._names is not None:
            return self._names[index]
        return f"{'picture' if self._info.kind == 'images' else 'row'} {index + 1}"

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The inputs and targets of some samples, as new arrays; `draws` are for samples that decode files."""
        return self.inputs[indices], self._targets[indices]


class Subset:
    """Some samples of others, in the order of `indices`.

    Args:
        samples: where they come from.
        indices: int64 `[n]`, numbers in `samples`.

    Raises:
        InputError: a number outside `samples`.
    """

    def __init__(self, samples: Samples, indices: Array) -> None:
        indices = np.asarray(indices, dtype=np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(samples):
            raise InputError(
                f"sample {indices.max() if indices.min() >= 0 else indices.min()} was asked for, "
                f"but {samples.info.source!r} has the samples 0 to {len(samples) - 1}"
            )
        self.samples = samples
        self.indices = indices
        self._targets: Array = samples.targets[indices]

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self.samples.info

    @property
    def targets(self) -> Array:
        """The targets of the chosen samples."""
        return self._targets

    @property
    def crops_while_decoding(self) -> bool:
        """Whether the samples underneath choose their crop while they decode."""
        return bool(getattr(self.samples, "crops_while_decoding", False))

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """How the samples underneath call it."""
        return self.samples.name(int(self.indices[index]))

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The inputs and targets of some samples."""
        return self.samples.fetch(self.indices[indices], draws)


class Described:
    """The same samples with another record of what is known of them.

    Args:
        samples: the samples.
        info: the record.
    """

    def __init__(self, samples: Samples, info: DataInfo) -> None:
        self.samples = samples
        self._info = info

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """Their targets."""
        return self.samples.targets

    @property
    def crops_while_decoding(self) -> bool:
        """Whether the samples underneath choose their crop while they decode."""
        return bool(getattr(self.samples, "crops_while_decoding", False))

    def __len__(self) -> int:
        return len(self.samples)

    def name(self, index: int) -> str:
        """How the samples underneath call it."""
        return self.samples.name(index)

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The inputs and targets of some samples."""
        return self.samples.fetch(indices, draws)
