"""Random boxes that are cut out of pictures while they are decoded, and brought to one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

__all__ = ["CROP_RATIO", "CROP_SCALE", "crop_boxes", "resized_crop"]

Array = np.ndarray[Any, Any]

CROP_SCALE = (0.08, 1.0)
"""Shares of a picture's area that a crop chosen while decoding may take (GoogLeNet, section 6)."""

CROP_RATIO = (3 / 4, 4 / 3)
"""Width over height of such a crop."""


def crop_boxes(
    draws: Array,
    heights: Array | int,
    widths: Array | int,
    *,
    scale: tuple[float, float] = CROP_SCALE,
    ratio: tuple[float, float] = CROP_RATIO,
) -> Array:
    """Random boxes of a share of the area and a ratio of sides, as random resized crop takes them.

    area = u₀ uniform in `scale` · H · W; width / height = exp(u₁ uniform in log `ratio`); the place uniform.

    Source: Szegedy et al. 2015, "Going deeper with convolutions", section 6.

    Shape: draws `[N, 4]`; result int64 `[N, 4]`: top, left, height, width, inside the picture.

    Differs: torchvision draws up to ten times for a box that fits; here one that is too long is cut to the picture.

    Example:
        >>> crop_boxes(np.array([[0.5, 0.5, 0.0, 0.999]]), 100, 100).tolist()
        [[0, 27, 73, 73]]
    """
    area = (scale[0] + draws[:, 0] * (scale[1] - scale[0])) * heights * widths
    low, high = np.log(ratio)
    aspect = np.exp(low + draws[:, 1] * (high - low))
    tall = np.clip(np.rint(np.sqrt(area / aspect)), 1, heights)
    wide = np.clip(np.rint(np.sqrt(area * aspect)), 1, widths)
    top = np.floor(draws[:, 2] * (heights - tall + 1))
    left = np.floor(draws[:, 3] * (widths - wide + 1))
    return np.stack([top, left, tall, wide], axis=1).astype(np.int64)


def resized_crop(
    image: Image.Image, edges: tuple[int, int, int, int], size: tuple[int, int], resampling: Image.Resampling
) -> Array:
    """A part of a picture at another size, smoothed where it gets smaller: cut out first, then resized.

    Pillow's filter; a bilinear one by torch, where that has it for the processor's wide registers: three times as
    fast, and no value more than 1 apart.

    Shape: uint8 `[C, H, W]`.

    Args:
        image: a grey or an RGB picture.
        edges: left, top, right and bottom, inside the picture.
        size: height and width of the result.
        resampling: the filter.
    """
    left, top, right, bottom = edges
    if resampling is Image.Resampling.BILINEAR and (bottom - top, right - left) != size:
        import torch  # not above: pictures are looked at without it, and it takes a second to load

        if torch.backends.cpu.get_cpu_capability().startswith("AVX"):
            part = torch.from_numpy(np.atleast_3d(np.asarray(image)[top:bottom, left:right]).copy())
            resized = torch.nn.functional.interpolate(
                part.permute(2, 0, 1)[None], size, mode="bilinear", antialias=True, align_corners=False
            )
            return np.asarray(resized[0])
    pixels = np.asarray(image.crop(edges).resize(size[::-1], resampling))
    return np.moveaxis(np.atleast_3d(pixels), 2, 0)
