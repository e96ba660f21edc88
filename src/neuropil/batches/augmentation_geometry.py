"""Augmentations that move picture elements: flip, shift-crop, random resized crop, rotation and other affine maps.

Each computes its random parameters apart from their use (`parameters`), so that boxes and masks can follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn import functional

from neuropil.data.cropping import CROP_RATIO, CROP_SCALE, crop_boxes
from neuropil.errors import InputError

__all__ = [
    "Affine",
    "Flip",
    "RandomResizedCrop",
    "ShiftCrop",
    "as_type",
    "box_masks",
    "in_pieces",
    "reduced",
    "rotation",
]

Array = np.ndarray[Any, Any]

PIECE_ELEMENTS = 1 << 17
"""Values that are computed at a time where a change needs many steps for each."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Mirror left and right.

    Args:
        p: the share of pictures that are mirrored, 0 to 1.
        vertical: mirror top and bottom instead, for pictures that have no up, such as those of microscopes.

    Raises:
        InputError: a share outside 0 to 1.
    """

    draws: ClassVar[int] = 1
    p: float = 0.5
    vertical: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InputError(f"flip: p is {self.p}; give a share from 0 to 1")

    def parameters(self, draws: Array) -> Array:
        """Whether each picture is mirrored, bool `[N]`."""
        return np.asarray(draws[:, 0] < self.p)

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures `[N, C, H, W]`, some of them mirrored."""
        mirrored = self.parameters(draws)
        result = images.copy()
        result[mirrored] = images[mirrored][..., ::-1, :] if self.vertical else images[mirrored][..., ::-1]
        return result

    def maps(self, draws: Array, height: int, width: int) -> Array:
        """See `MovingPart`."""
        maps = _still(len(draws))
        axis = 1 if self.vertical else 0
        maps[self.parameters(draws), axis, axis] = -1
        return maps


@dataclass(frozen=True, kw_only=True)
class ShiftCrop:
    """Pad each side, then cut out the first size again at a random place: a shift by up to `pixels`.

    Source: the augmentation of He et al. 2016, "Deep residual learning", section 4.2 (4 pixels on CIFAR-10).

    Args:
        pixels: the largest shift to each side, 1 or more.
        fill: what stands outside: `zero`, or the picture mirrored at its edge (`reflect`).

    Raises:
        InputError: fewer than 1 pixel, or a reflection wider than the picture.
    """

    draws: ClassVar[int] = 2
    pixels: int = 4
    fill: Literal["zero", "reflect"] = "zero"

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise InputError(f"shift_crop: pixels is {self.pixels}; give 1 or more")

    def parameters(self, draws: Array) -> Array:
        """Row and column of the cut in the padded picture, int64 `[N, 2]`; both `pixels` where nothing moves."""
        return (draws * (2 * self.pixels + 1)).astype(np.int64)

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures `[N, C, H, W]`, shifted."""
        height, width = images.shape[2:]
        if self.fill == "reflect" and self.pixels >= min(height, width):
            raise InputError(
                f"shift_crop: {self.pixels} pixels cannot be reflected from a picture of {height} x {width}; give fewer"
            )
        windows = sliding_window_view(self._padded(images), (height, width), axis=(2, 3))
        rows, columns = self.parameters(draws).T
        return np.asarray(windows[np.arange(len(images)), :, rows, columns])

    def maps(self, draws: Array, height: int, width: int) -> Array:
        """See `MovingPart`."""
        maps = _still(len(draws))
        maps[:, :, 2] = self.parameters(draws)[:, ::-1] - self.pixels
        return maps

    def _padded(self, images: Array) -> Array:
        count, channels, height, width = images.shape
        by = self.pixels
        if self.fill == "reflect":
            return np.pad(images, ((0, 0), (0, 0), (by, by), (by, by)), mode="reflect")
        padded = np.zeros((count, channels, height + 2 * by, width + 2 * by), dtype=images.dtype)
        padded[:, :, by : by + height, by : by + width] = images
        return padded


@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop:
    """Cut out a random box and enlarge it to the full size (bilinear).

    Picture files are cropped while they are decoded, at their full resolution; pictures in memory by `apply`.
    See `crop_boxes` for the formula and source.

    Args:
        scale: least and greatest share of the area, 0.08 to 1.
        ratio: least and greatest width over height, 3/4 to 4/3.

    Raises:
        InputError: a range that is empty or leaves the bounds above.
    """

    draws: ClassVar[int] = 4
    scale: tuple[float, float] = CROP_SCALE
    ratio: tuple[float, float] = CROP_RATIO

    def __post_init__(self) -> None:
        for name, given, bound in (("scale", self.scale, CROP_SCALE), ("ratio", self.ratio, CROP_RATIO)):
            if not bound[0] <= given[0] <= given[1] <= bound[1]:
                raise InputError(
                    f"random_resized_crop: {name} is {list(given)}; give two numbers in order from "
                    f"{bound[0]:.4g} to {bound[1]:.4g}"
                )

    def decoding_draws(self, draws: Array) -> Array:
        """The draws moved so that `crop_boxes` with its standard ranges gives boxes of this part's ranges."""
        result = draws.copy()
        logs = tuple(np.log(self.ratio)), tuple(np.log(CROP_RATIO))
        for column, (own, standard) in enumerate(((self.scale, CROP_SCALE), logs)):
            value = own[0] + draws[:, column] * (own[1] - own[0])
            result[:, column] = np.clip((value - standard[0]) / (standard[1] - standard[0]), 0, np.nextafter(1, 0))
        return result

    def parameters(self, draws: Array, height: int, width: int) -> Array:
        """Top, left, height and width of each box, int64 `[N, 4]`."""
        return crop_boxes(draws, height, width, scale=self.scale, ratio=self.ratio)

    def maps(self, draws: Array, height: int, width: int) -> Array:
        """See `MovingPart`."""
        top, left, tall, wide = self.parameters(draws, height, width).T
        maps = _still(len(draws))
        maps[:, 0, 0], maps[:, 1, 1] = wide / width, tall / height
        maps[:, 0, 2], maps[:, 1, 2] = left + (wide - width) / 2, top + (tall - height) / 2
        return maps

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures `[N, C, H, W]`, cropped and enlarged."""
        return in_pieces(self._cropped, images, draws)

    def _cropped(self, images: Array, draws: Array) -> Array:
        height, width = images.shape[2:]
        top, left, tall, wide = self.parameters(draws, height, width).T
        rows = _enlarging(top, tall, height)
        columns = _enlarging(left, wide, width)
        result = rows[:, None] @ images.astype(np.float32) @ columns[:, None].transpose(0, 1, 3, 2)
        return as_type(result, images.dtype)


def _enlarging(begin: Array, length: Array, size: int) -> Array:
    """Weights `[N, size, size]` that spread `length` elements from `begin` on over `size` (bilinear, centres aligned).

    Row i holds max(0, 1 - |s_i - j|), where s_i is the place in the source that element i of the result is taken from.
    """
    inside = (np.arange(size) + 0.5) * (length / size)[:, None] - 0.5
    source = begin[:, None] + np.clip(inside, 0, (length - 1)[:, None])
    weights: Array = 1 - np.abs(source[:, :, None] - np.arange(size))
    return np.asarray(np.maximum(weights, 0), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Affine:
    """Turn, shift and scale about the middle of the picture (bilinear; zero outside).

    Args:
        degrees: the largest turn to either side, 0 to 180.
        shift: the largest move to each side as a share of the picture's height and width, 0 to 1.
        scale: least and greatest factor of size, each greater than 0.

    Raises:
        InputError: a number outside these bounds.
    """

    draws: ClassVar[int] = 4
    degrees: float = 10.0
    shift: float = 0.1
    scale: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        if not 0 <= self.degrees <= 180:
            raise InputError(f"affine: degrees is {self.degrees}; give 0 to 180")
        if not 0 <= self.shift <= 1:
            raise InputError(f"affine: shift is {self.shift}; give a share from 0 to 1")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(f"affine: scale is {list(self.scale)}; give two numbers greater than 0, in order")

    def maps(self, draws: Array, height: int, width: int) -> Array:
        """See `MovingPart`."""
        return self.parameters(draws, height, width)

    def parameters(self, draws: Array, height: int, width: int) -> Array:
        """Maps from places in the result to places in the source, float64 `[N, 2, 3]`.

        Both are counted from the picture's middle, as (x, y, 1) in pixels, y downwards: source = map · (x, y, 1).
        Positive angles turn clockwise on the screen.
        """
        signed = 2 * draws - 1
        angle = np.deg2rad(self.degrees) * signed[:, 0]
        move = signed[:, 1:3] * (self.shift * np.array([width, height]))
        size = self.scale[0] + draws[:, 3] * (self.scale[1] - self.scale[0])
        cosine, sine = np.cos(angle) / size, np.sin(angle) / size
        turn = np.stack([np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1)], axis=1)
        return np.asarray(np.concatenate([turn, -turn @ move[:, :, None]], axis=2))

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures `[N, C, H, W]`, turned, shifted and scaled."""
        return in_pieces(self._moved, images, draws)

    def _moved(self, images: Array, draws: Array) -> Array:
        height, width = images.shape[2:]
        y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
        places = np.stack([x.ravel(), y.ravel(), np.ones(height * width)])
        source = self.parameters(draws, height, width) @ places / (np.array([[width], [height]]) / 2)
        grid = source.transpose(0, 2, 1).reshape(-1, height, width, 2).astype(np.float32)
        values = torch.from_numpy(images.astype(np.float32))
        moved = functional.grid_sample(values, torch.from_numpy(grid), padding_mode="zeros", align_corners=False)
        return as_type(moved.numpy(), images.dtype)


def rotation(*, degrees: float = 15.0) -> Affine:
    """Turn about the middle of the picture by up to `degrees` to either side (bilinear; zero outside).

    Raises:
        InputError: degrees outside 0 to 180.
    """
    return Affine(degrees=degrees, shift=0.0, scale=(1.0, 1.0))


def reduced(image: Array, height: int, width: int) -> Array:
    """One picture `[C, H, W]` made smaller, each element the mean of the area that it covers."""
    values = torch.from_numpy(image.astype(np.float32))[None]
    return as_type(functional.adaptive_avg_pool2d(values, (height, width))[0].numpy(), image.dtype)


def _still(count: int) -> Array:
    """Maps that move nothing, float64 `[N, 2, 3]`."""
    return np.tile(np.eye(2, 3), (count, 1, 1))


def in_pieces(change: Callable[[Array, Array], Array], images: Array, draws: Array) -> Array:
    """`change(images, draws)`, computed for so few pictures at a time that all of it stays in the processor's cache."""
    result = np.empty_like(images)
    step = max(1, PIECE_ELEMENTS // max(1, math.prod(images.shape[1:])))
    for begin in range(0, len(images), step):
        result[begin : begin + step] = change(images[begin : begin + step], draws[begin : begin + step])
    return result


def box_masks(boxes: Array, height: int, width: int) -> Array:
    """Which picture elements lie in each box (top, left, bottom, right; the last two stand outside).

    Shape: boxes `[N, 4]`; result bool `[N, 1, H, W]`.
    """
    top, left, bottom, right = boxes[:, :, None].transpose(1, 0, 2)
    rows, columns = np.arange(height), np.arange(width)
    in_rows, in_columns = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return np.asarray(in_rows[:, None, :, None] & in_columns[:, None, None, :])


def as_type(values: Array, dtype: Any) -> Array:
    """float32 back in the pictures' type: rounded and held in 0 to 255 for uint8."""
    if dtype == np.uint8:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return values.astype(dtype, copy=False)
