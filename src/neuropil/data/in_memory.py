"""Samples in memory as arrays, a choice of samples, samples under a new record; pictures in memory at another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from PIL import Image

from neuropil.data.pictures import PictureRule
from neuropil.data.records import DataInfo, Samples
from neuropil.errors import InputError

__all__ = ["Described", "Fit", "InMemory", "Subset", "fit_square", "rule_for"]

Array = np.ndarray[Any, Any]
Fit = Literal["resize", "pad"]


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

    @property
    def draws_by_index(self) -> bool:
        """Whether the samples underneath are made anew in each epoch."""
        return bool(getattr(self.samples, "draws_by_index", False))

    @property
    def lengths(self) -> Array | None:
        """How long each chosen sample is, where they are sequences."""
        lengths: Array | None = getattr(self.samples, "lengths", None)
        return None if lengths is None else lengths[self.indices]

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

    @property
    def draws_by_index(self) -> bool:
        """Whether the samples underneath are made anew in each epoch."""
        return bool(getattr(self.samples, "draws_by_index", False))

    @property
    def lengths(self) -> Array | None:
        """How long each sample is, where they are sequences."""
        return getattr(self.samples, "lengths", None)

    @property
    def continues(self) -> bool:
        """Whether each sample goes on where the one before ends."""
        return bool(getattr(self.samples, "continues", False))

    def __len__(self) -> int:
        return len(self.samples)

    def name(self, index: int) -> str:
        """How the samples underneath call it."""
        return self.samples.name(index)

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The inputs and targets of some samples."""
        return self.samples.fetch(indices, draws)


def fit_square(images: Array, size: int | None, fit: Fit) -> Array:
    """Pictures `[n, C, size, size]`; the same array where `size` is left out or is theirs already.

    Shape: uint8 `[n, C, H, W]`.

    Args:
        images: the pictures.
        size: pixels a side, 1 to 4096.
        fit: `resize` stretches with a bilinear filter (Pillow); `pad` puts 0 around, the odd row or column below or
            right.

    Raises:
        InputError: a size out of its range, or `pad` to less than the pictures have.

    Example:
        >>> fit_square(np.full((1, 1, 2, 2), 7, dtype=np.uint8), 4, "pad")[0, 0].tolist()
        [[0, 0, 0, 0], [0, 7, 7, 0], [0, 7, 7, 0], [0, 0, 0, 0]]
    """
    height, width = images.shape[2:]
    if size is None or (height, width) == (size, size):
        return images
    if not 1 <= size <= 4096:
        raise InputError(f"size is {size} pixels; give 1 to 4096")
    result = np.zeros((*images.shape[:2], size, size), dtype=np.uint8)
    if fit == "pad":
        if size < max(height, width):
            raise InputError(
                f"pictures of {height} × {width} cannot be padded to {size}; give a greater size or fit='resize'"
            )
        top, left = (size - height) // 2, (size - width) // 2
        result[:, :, top : top + height, left : left + width] = images
        return result
    for source, target in zip(images.reshape(-1, height, width), result.reshape(-1, size, size), strict=True):
        target[:] = Image.fromarray(source).resize((size, size), Image.Resampling.BILINEAR)
    return result


def rule_for(images: Array, size: int | None, fit: Fit) -> PictureRule:
    """What picture files must go through to become like `fit_square(images, size, fit)`.

    Shape: images uint8 `[n, C, H, W]`, C = 1 or 3.
    """
    height, width = images.shape[2:]
    if size is None or (height, width) == (size, size):
        return PictureRule(images.shape[1], (height, width), "resize")
    return PictureRule(images.shape[1], (size, size), fit, (height, width) if fit == "pad" else None)
