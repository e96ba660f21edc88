"""Inputs brought to mean 0 and standard deviation 1, by statistics of the training part only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neuropil.data.records import Samples
from neuropil.errors import InputError

__all__ = ["Normalization", "fit_normalization", "to_float"]

Array = np.ndarray[Any, Any]

CHUNK_BYTES = 8 << 20
"""Roughly how much is fetched at a time while statistics are gathered."""

PIECE_ELEMENTS = 1 << 17
"""Values that are normalised at a time: they stay in the processor's cache between the steps."""

NOTABLE = 1e-7
"""A mean that float32 holds less exactly than this share of the std is taken off in two steps."""


@dataclass(frozen=True)
class Normalization:
    """(x - mean) / std, for uint8 inputs with x / 255 in place of x.

    Args:
        mean: one number a channel (axis 1 of the batch), or one for each value of a sample.
        std: likewise, each greater than 0.

    Raises:
        InputError: lengths that differ, or a number that is not finite or a std that is not positive.

    Example:
        >>> Normalization((0.5,), (0.25,)).apply(np.array([[[[0, 255]]]], dtype=np.uint8)).tolist()
        [[[[-2.0, 2.0]]]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise InputError(
                f"a normalisation has {len(self.mean)} means and {len(self.std)} stds; give as many of each"
            )
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise InputError("a normalisation needs finite means and finite stds greater than 0")

    def apply(self, inputs: Array) -> Array:
        """The normalised inputs, as a new array.

        Shape: `[N, C, ...]` of any number type; result float32 of the same shape.

        Raises:
            InputError: the inputs have neither as many channels nor as many values a sample as there are means.
        """
        shape = self._shape(inputs)
        unit = 255.0 if inputs.dtype == np.uint8 else 1.0
        mean, std = unit * np.asarray(self.mean).reshape(shape), unit * np.asarray(self.std).reshape(shape)
        centre = mean.astype(np.float32)
        result = _standardized(inputs, centre, (1.0 / std).astype(np.float32))
        rounding = (mean - centre) / std
        if np.abs(rounding).max() > NOTABLE:
            result -= rounding.astype(np.float32)
        return result

    def to_json(self) -> dict[str, list[float]]:
        """Plain lists that `json` can write; `from_json` reads them back without loss."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Normalization:
        """The normalisation that `to_json` wrote.

        Raises:
            InputError: a list is missing or holds something else than numbers.
        """
        try:
            return cls(tuple(float(x) for x in saved["mean"]), tuple(float(x) for x in saved["std"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("a saved normalisation must hold two lists of numbers, 'mean' and 'std'") from error

    def _shape(self, inputs: Array) -> tuple[int, ...]:
        """How the numbers lie along a sample: by channel, or one for each value."""
        count = len(self.mean)
        if inputs.ndim > 1 and inputs.shape[1] == count:
            return (count, *(1 for _ in inputs.shape[2:]))
        if inputs.ndim > 1 and math.prod(inputs.shape[1:]) == count:
            return tuple(inputs.shape[1:])
        raise InputError(
            f"the normalisation has {count} means, but a sample is of shape {list(inputs.shape[1:])}; "
            f"give {inputs.shape[1] if inputs.ndim > 1 else 'samples with'} channels or fit it to these data"
        )


def to_float(inputs: Array) -> Array:
    """Inputs as a network takes them where nothing is normalised: uint8 becomes float32 in [0, 1].

    float64 becomes float32; whole numbers of other types (token numbers) become int64; float32 stays as it is.
    """
    if inputs.dtype == np.uint8:
        return _standardized(inputs, np.float32(0), np.float32(1.0 / 255.0))
    if np.issubdtype(inputs.dtype, np.floating):
        return inputs.astype(np.float32, copy=False)
    return inputs.astype(np.int64, copy=False)


def _standardized(inputs: Array, centre: Any, scale: Any) -> Array:
    """(inputs - centre) · scale in float32, a few samples at a time."""
    result = np.empty(inputs.shape, dtype=np.float32)
    step = max(1, PIECE_ELEMENTS // max(1, math.prod(inputs.shape[1:])))
    for begin in range(0, len(inputs), step):
        piece = result[begin : begin + step]
        piece[...] = inputs[begin : begin + step]
        np.subtract(piece, centre, out=piece)
        np.multiply(piece, scale, out=piece)
    return result


def fit_normalization(samples: Samples, *, kind: Literal["channel", "feature"] = "channel") -> Normalization:
    """The mean and the standard deviation (1/n) of the samples; give it the training part only.

    Sums are exact for uint8 (whole numbers) and float64 otherwise. A channel or column that never changes gets
    std 1, so that it becomes 0 and never divides by 0.

    Args:
        samples: the training part; all of it is read once.
        kind: `channel`: one mean for each entry of axis 1 (a picture's colour, a table's column);
            `feature`: one for each value of a sample (each pixel by itself).

    Raises:
        InputError: there are no samples, or a value is not finite (its column is named).
    """
    if not len(samples):
        raise InputError(f"{samples.info.source!r} has no samples to take the mean of; give a training part")
    shape = samples.info.input_shape
    groups = shape[0] if kind == "channel" else math.prod(shape)
    total = _Moments(groups)
    for chunk in _chunks(samples):
        total.add(chunk.reshape(len(chunk), groups, -1))
    bad = np.flatnonzero(~np.isfinite(total.sums))
    if len(bad):
        columns = samples.info.columns
        where = f"column {columns[bad[0]]!r}" if len(columns) == groups else f"{kind} {bad[0]}"
        raise InputError(f"{where} of {samples.info.source!r} holds a value that is not finite; fill or drop it first")
    return total.normalization()


def _chunks(samples: Samples) -> Iterator[Array]:
    count = len(samples)
    step = max(1, CHUNK_BYTES // (4 * max(1, math.prod(samples.info.input_shape))))
    for begin in range(0, count, step):
        yield samples.fetch(np.arange(begin, min(begin + step, count), dtype=np.int64))[0]


class _Moments:
    """Running sums of values and of their squares about a first guess of the mean (0 for whole numbers)."""

    def __init__(self, groups: int) -> None:
        self.count = 0
        self.unit = 1.0
        self.sums = np.zeros(groups)
        self.squares = np.zeros(groups)
        self.guess = np.zeros(groups)
        self.low = np.full(groups, np.inf)
        self.high = np.full(groups, -np.inf)

    def add(self, values: Array) -> None:
        """Add `[N, groups, values]`."""
        if values.dtype == np.uint8:
            self.unit = 255.0
        elif not self.count:
            self.guess = values.mean(axis=(0, 2), dtype=np.float64)
        self.guess[~np.isfinite(self.guess)] = 0.0
        centred = values.astype(np.float64) - self.guess[:, None]
        self.count += values.shape[0] * values.shape[2]
        self.sums += centred.sum(axis=(0, 2))
        self.squares += np.einsum("ngv,ngv->g", centred, centred)
        self.low = np.minimum(self.low, values.min(axis=(0, 2)))
        self.high = np.maximum(self.high, values.max(axis=(0, 2)))

    def normalization(self) -> Normalization:
        """The statistics of all that was added."""
        offset = self.sums / self.count
        constant = self.low == self.high
        mean = np.where(constant, self.low, self.guess + offset) / self.unit
        variance = np.maximum(self.squares / self.count - offset**2, 0.0)
        std = np.sqrt(variance) / self.unit
        std = np.where(constant | (std == 0), 1.0, std)
        return Normalization(tuple(mean.tolist()), tuple(std.tolist()))
