"""Random changes of training samples, each a function of (seed, epoch, position).

A part says how many uniform numbers a sample needs (`draws`) and changes a batch by them (`apply`, or `mix` where
samples are mixed with one another). Parts of geometry say how they move a picture (`maps`, or `sources` where they bend
it), so that boxes and masks move along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from neuropil.batches.augmentation_geometry import RandomResizedCrop
from neuropil.batches.moving import MovingPart, WarpingPart, mask_sources, move_boxes, pick
from neuropil.data.order import checked_seed, uniforms
from neuropil.errors import InputError

__all__ = ["Augmentation", "ChangingPart", "MixingPart"]

Array = np.ndarray[Any, Any]


@runtime_checkable
class ChangingPart(Protocol):
    """A change of each sample by itself."""

    @property
    def draws(self) -> int:
        """Uniform numbers that one sample needs."""
        ...

    def apply(self, images: Array, draws: Array) -> Array:
        """The changed images `[N, C, H, W]`, of the same type; `images` itself is left alone."""
        ...


@runtime_checkable
class MixingPart(Protocol):
    """A mixture of each sample with another of its batch."""

    @property
    def draws(self) -> int:
        """Uniform numbers that one sample needs."""
        ...

    def mix(self, inputs: Array, targets: Array, draws: Array) -> tuple[Array, Array]:
        """The mixed inputs, and the targets float32 `[N, K]` mixed in the same proportion."""
        ...


class Augmentation:
    """Parts applied one after another, each with random numbers of its own.

    The numbers belong to the part's class and its place among parts of that class: adding another part changes none.

    Args:
        parts: of the catalogue `AUGMENTATIONS`, in the order of use; those that mix samples stand last.
        seed: 0 to 2^64 - 1.

    Raises:
        InputError: a part that changes single samples stands after one that mixes them, or the random resized crop
            is not the first part or stands there twice.

    Example:
        >>> from neuropil.batches.augmentation_geometry import Flip
        >>> images = np.arange(4, dtype=np.uint8).reshape(2, 1, 1, 2)
        >>> pipeline = Augmentation([Flip(p=1.0)], seed=0)
        >>> pipeline.apply(images, np.array([0, 1]), np.arange(2), epoch=0)[0].tolist()
        [[[[1, 0]]], [[[3, 2]]]]
    """

    def __init__(self, parts: Sequence[ChangingPart | MixingPart], seed: int) -> None:
        kinds = [isinstance(part, MixingPart) for part in parts]
        if kinds != sorted(kinds):
            raise InputError("a part that mixes samples (mixup, cutmix) must stand after all that change single ones")
        if any(isinstance(part, RandomResizedCrop) for part in parts[1:]):
            raise InputError("random_resized_crop must be the first part, and there only once: it chooses the view")
        self.parts = tuple(parts)
        self.seed = checked_seed(seed)
        self._streams = _stream_names(self.parts)

    @property
    def mixes(self) -> bool:
        """Whether samples of one batch are mixed: targets become float32 `[N, K]`."""
        return any(isinstance(part, MixingPart) for part in self.parts)

    def decoding_draws(self, positions: Array, epoch: int) -> Array | None:
        """The draws `[N, 4]` for `Samples.fetch` where the first part is a random resized crop, else `None`."""
        if not self.parts or not isinstance(self.parts[0], RandomResizedCrop):
            return None
        part = self.parts[0]
        return part.decoding_draws(self._draws(0, positions, epoch))

    def apply(
        self,
        inputs: Array,
        targets: Array,
        positions: Array,
        epoch: int,
        num_classes: int | None = None,
        *,
        cropped: bool = False,
    ) -> tuple[Array, Array]:
        """The changed inputs and targets of one batch; what is given is left alone.

        Args:
            inputs: `[N, C, H, W]`.
            targets: int64 `[N]`, or float32 `[N, K]` or `[N, D]`; boxes float32 `[N, M, 6]`; masks uint8 `[N, H, W]`
                or `[N, 2, H, W]`.
            positions: `[N]`: the samples' places in the epoch.
            epoch: 0 or more.
            num_classes: K; needed where samples of int64 targets are mixed.
            cropped: the random resized crop was done while decoding, so it is left out here.

        Raises:
            InputError: inputs that a part cannot change, or no `num_classes` where it is needed.
        """
        if self.mixes and targets.ndim < 3:
            targets = _probabilities(targets, num_classes)
        for place, part in enumerate(self.parts):
            if cropped and place == 0:
                continue
            draws = self._draws(place, positions, epoch)
            if isinstance(part, MixingPart):
                if (targets.ndim >= 3) != getattr(part, "of_boxes", False) or targets.dtype == np.uint8:
                    raise InputError(f"{type(part).__name__} cannot mix targets of this kind; leave it out")
                inputs, targets = part.mix(inputs, targets, draws)
            else:
                inputs = part.apply(_images(inputs, part), draws)
                if targets.ndim >= 3:
                    targets = _moved(part, targets, draws, *inputs.shape[2:])
        return inputs, targets

    def _draws(self, place: int, positions: Array, epoch: int) -> Array:
        return uniforms(positions, self.parts[place].draws, seed=self.seed, epoch=epoch, stream=self._streams[place])


def _moved(part: object, targets: Array, draws: Array, height: int, width: int) -> Array:
    """Boxes or masks after a part has changed their pictures."""
    boxes = np.issubdtype(targets.dtype, np.floating)
    if targets.ndim == 4:  # planes of one mask move alike
        planes = [_moved(part, plane, draws, height, width) for plane in np.moveaxis(targets, 1, 0)]
        return np.stack(planes, axis=1)
    if isinstance(part, MovingPart):
        maps = part.maps(draws, height, width)
        return move_boxes(targets, maps, height, width) if boxes else pick(targets, mask_sources(maps, height, width))
    if isinstance(part, WarpingPart):
        if boxes:
            raise InputError(f"{type(part).__name__} bends pictures, and boxes do not bend; leave it out")
        return pick(targets, part.sources(draws, height, width))
    return targets


def _stream_names(parts: Sequence[object]) -> list[str]:
    """`augmentation/Flip/0`, and so on: the class and the how-manieth of it."""
    names = [type(part).__name__ for part in parts]
    return [f"augmentation/{name}/{names[:place].count(name)}" for place, name in enumerate(names)]


def _images(inputs: Array, part: object) -> Array:
    if inputs.ndim != 4:
        raise InputError(
            f"{type(part).__name__} changes pictures [C, H, W], but a sample is of shape {list(inputs.shape[1:])}; "
            "leave this augmentation out"
        )
    return inputs


def _probabilities(targets: Array, num_classes: int | None) -> Array:
    """Class numbers as float32 `[N, K]` of ones and zeros; values stay as they are."""
    if not np.issubdtype(targets.dtype, np.integer):
        return targets.astype(np.float32, copy=False)
    if num_classes is None:
        raise InputError("mixing samples needs the number of classes; give num_classes")
    if len(targets) and not 0 <= targets.min() <= targets.max() < num_classes:
        raise InputError(f"class numbers run from {targets.min()} to {targets.max()}, outside 0 to {num_classes - 1}")
    result = np.zeros((len(targets), num_classes), dtype=np.float32)
    result[np.arange(len(targets)), targets] = 1.0
    return result
