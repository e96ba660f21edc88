"""Pictures in memory brought to a square of another size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from PIL import Image

from neuropil.data.pictures import PictureRule
from neuropil.errors import InputError

__all__ = ["Fit", "fit_square", "rule_for"]

Array = np.ndarray[Any, Any]
Fit = Literal["resize", "pad"]


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
