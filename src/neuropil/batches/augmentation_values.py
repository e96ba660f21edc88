"""Augmentations that change the values of picture elements: colour jitter, exposure and cut-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neuropil.batches.augmentation_geometry import box_masks, in_pieces
from neuropil.errors import InputError

__all__ = ["ColourJitter", "Cutout", "Exposure", "shift_hue"]

Array = np.ndarray[Any, Any]

GREY = np.array([0.2989, 0.587, 0.114], dtype=np.float32).reshape(3, 1, 1)
"""Shares of red, green and blue in the brightness that the eye sees (ITU-R BT.601)."""


@dataclass(frozen=True, kw_only=True)
class ColourJitter:
    """Change brightness, contrast, saturation and hue, in this order.

    brightness b: x · f; contrast c: m + (x - m) · f with m the picture's mean grey; saturation s: g + (x - g) · f with
    g each element's grey; f uniform in [max(0, 1 - b), 1 + b] and so on. Hue: turned by a share of the colour circle
    uniform in [-hue, hue]. Values are held in 0 to 255 after each step.

    Args:
        brightness: 0 (leave) or more.
        contrast: 0 (leave) or more.
        saturation: 0 (leave) or more; pictures of one channel have none and stay as they are.
        hue: 0 (leave) to 0.5 (any hue); likewise.

    Raises:
        InputError: a number outside these bounds, or pictures that are not uint8 of 1 or 3 channels.

    Differs: torchvision draws the order of the four steps too, and rounds after each.
    """

    draws: ClassVar[int] = 4
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise InputError(f"colour_jitter: {name} is {getattr(self, name)}; give 0 or more")
        if not 0 <= self.hue <= 0.5:
            raise InputError(f"colour_jitter: hue is {self.hue}; give 0 to 0.5")

    def parameters(self, draws: Array) -> Array:
        """The factors of brightness, contrast and saturation and the turn of the hue, float32 `[N, 4]`."""
        strength = np.array([self.brightness, self.contrast, self.saturation, self.hue])
        low = np.array([1, 1, 1, 0]) - strength
        low[:3] = np.maximum(low[:3], 0)
        high = np.array([1, 1, 1, 0]) + strength
        return np.asarray(low + draws * (high - low), dtype=np.float32)

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures uint8 `[N, C, H, W]`, recoloured."""
        if images.dtype != np.uint8 or images.shape[1] not in (1, 3):
            raise InputError(
                f"colour_jitter changes uint8 pictures of 1 or 3 channels, but these are {images.dtype} "
                f"of {images.shape[1]}; leave it out"
            )
        return in_pieces(self._recoloured, images, draws)

    def _recoloured(self, images: Array, draws: Array) -> Array:
        bright, contrast, colour, turn = (one.reshape(-1, 1, 1, 1) for one in self.parameters(draws).T)
        values = images.astype(np.float32)
        if self.brightness:
            values = np.clip(values * bright, 0, 255)
        if self.contrast:
            mean = _grey(values).mean(axis=(1, 2, 3), keepdims=True)
            values = np.clip(mean + (values - mean) * contrast, 0, 255)
        if self.saturation and images.shape[1] == 3:
            grey = _grey(values)
            values = np.clip(grey + (values - grey) * colour, 0, 255)
        if self.hue and images.shape[1] == 3:
            values = shift_hue(values, turn)
        return np.rint(values).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Scale value and saturation of HSV, each by a factor up to the given one or down by it.

    With V the largest and m the smallest of red, green and blue: channel = e (V - s (V - channel)), s at most
    V / (V - m), where the colour is as strong as can be; held in 0 to 255.

    Source: Redmon et al. 2016, "You only look once", section 2.2: a factor of up to 1.5 for both.

    Args:
        exposure: greatest factor of the value, 1 (leave) or more.
        saturation: greatest factor of the saturation, 1 (leave) or more; grey pictures have none.

    Raises:
        InputError: a factor below 1, or pictures that are not uint8 of 1 or 3 channels.

    Differs: darknet draws the factor, then turns it over in half of the cases, as here; the paper does not say.
    """

    draws: ClassVar[int] = 4
    exposure: float = 1.5
    saturation: float = 1.5

    def __post_init__(self) -> None:
        if not (self.exposure >= 1 and self.saturation >= 1):
            raise InputError(f"exposure: factors {self.exposure} and {self.saturation} were given; give 1 or more")

    def parameters(self, draws: Array) -> Array:
        """The factors of value and saturation, float32 `[N, 2]`."""
        factors = 1 + draws[:, :2] * (np.array([self.exposure, self.saturation]) - 1)
        return np.asarray(np.where(draws[:, 2:] < 0.5, factors, 1 / factors), dtype=np.float32)

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures uint8 `[N, C, H, W]`, lighter or darker, paler or stronger."""
        if images.dtype != np.uint8 or images.shape[1] not in (1, 3):
            raise InputError(
                f"exposure changes uint8 pictures of 1 or 3 channels, but these are {images.dtype} of "
                f"{images.shape[1]}; leave it out"
            )
        return in_pieces(self._exposed, images, draws)

    def _exposed(self, images: Array, draws: Array) -> Array:
        light, colour = (one.reshape(-1, 1, 1, 1) for one in self.parameters(draws).T)
        values = images.astype(np.float32)
        high, low = values.max(axis=1, keepdims=True), values.min(axis=1, keepdims=True)
        strongest = high / np.maximum(high - low, 1)
        changed = np.clip(light * (high - np.minimum(colour, strongest) * (high - values)), 0, 255)
        return np.asarray(np.rint(changed), dtype=np.uint8)


def _grey(values: Array) -> Array:
    if values.shape[1] == 1:
        return values
    return np.asarray((values * GREY).sum(axis=1, keepdims=True))


def shift_hue(values: Array, turn: Array) -> Array:
    """Colours turned on the colour circle by a share of it; value and saturation (of HSV) stay.

    With V the largest and m the smallest of red, green, blue, and h the hue in sixths of the circle:
    channel = V - (V - m) · clip(min(k, 4 - k), 0, 1), where k = (n + h) mod 6 and n = 5, 3, 1 for red, green, blue.

    Shape: values float32 `[N, 3, H, W]`; turn `[N, 1, 1, 1]`.
    """
    red, green, blue = values[:, 0], values[:, 1], values[:, 2]
    high, low = values.max(axis=1), values.min(axis=1)
    chroma = high - low
    over = 1 / np.where(chroma == 0, 1, chroma)
    hue = np.where(
        red == high,
        (green - blue) * over,
        np.where(green == high, 2 + (blue - red) * over, 4 + (red - green) * over),
    )
    hue += 6 * turn[:, 0]
    place = np.array([5, 3, 1], dtype=np.float32).reshape(3, 1, 1) + hue[:, None]
    place -= 6 * np.floor(place * np.float32(1 / 6))  # several times faster than %
    return np.asarray(high[:, None] - chroma[:, None] * np.clip(np.minimum(place, 4 - place), 0, 1))


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """Cover a square at a random place.

    Source: DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with cutout",
    section 3.2: the square's middle may be anywhere, so part of it may lie outside.

    Args:
        pixels: the side of the square, 1 or more.
        fill: the colour of the square, one number a channel; `None`: each picture's own mean colour.

    Raises:
        InputError: fewer than 1 pixel, or a fill of another number of channels than the pictures have.

    Differs: the paper fills with the mean of all pictures; give it as `fill` for that.
    """

    draws: ClassVar[int] = 2
    pixels: int = 8
    fill: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise InputError(f"cutout: pixels is {self.pixels}; give 1 or more")

    def parameters(self, draws: Array, height: int, width: int) -> Array:
        """Top, left, bottom and right of each square inside the picture, int64 `[N, 4]`; the last two stand outside."""
        sides = np.array([height, width])
        first = (draws * sides).astype(np.int64) - self.pixels // 2
        return np.concatenate([np.maximum(first, 0), np.minimum(first + self.pixels, sides)], axis=1)

    def apply(self, images: Array, draws: Array) -> Array:
        """The pictures `[N, C, H, W]`, partly covered."""
        channels, height, width = images.shape[1:]
        if self.fill is None:
            colour = images.mean(axis=(2, 3), keepdims=True)
        elif len(self.fill) == channels:
            colour = np.asarray(self.fill).reshape(1, channels, 1, 1)
        else:
            raise InputError(f"cutout: fill has {len(self.fill)} numbers, but the pictures have {channels} channels")
        colour = (np.rint(colour) if images.dtype == np.uint8 else colour).astype(images.dtype)
        return np.where(box_masks(self.parameters(draws, height, width), height, width), colour, images)
