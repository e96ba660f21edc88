"""Pictures made of pixels: uint8 arrays as PNG data URIs, grids of them, and the filters of a first layer."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from neuropil.drawing.svg import Picture, element, hover, text
from neuropil.drawing.wording import shorten
from neuropil.errors import InputError

__all__ = ["filter_grid", "filter_tiles", "image_grid", "png_uri", "to_pil"]

Array = np.ndarray[Any, Any]
POSITIVE, NEGATIVE = (47, 134, 214), (226, 104, 36)
"""Blue for weights above zero, orange for those below; zero is clear, so that both papers suit."""


def to_pil(image: Array, largest: int | None = None) -> Image.Image:
    """An array as a Pillow image, made smaller where a side is longer than `largest` pixels.

    Shape:
        uint8 `[C, H, W]` with C = 1 (grey), 3 (RGB) or 4 (RGBA), or `[H, W]`; of any other C the first channel.

    Raises:
        InputError: not uint8, or not of such a shape.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise InputError(
            f"an image to draw must be uint8 [C, H, W] or [H, W], but {image.dtype} {list(image.shape)} was given"
        )
    planes = image if image.ndim == 3 else image[None]
    if planes.shape[0] in (3, 4):
        picture = Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    else:
        picture = Image.fromarray(np.ascontiguousarray(planes[0]))
    if largest is not None and max(picture.size) > largest:
        scale = largest / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return picture


def png_uri(image: Array, largest: int | None = None) -> str:
    """An image as a `data:image/png` address that a page can hold; shapes as in `to_pil`.

    Example:
        >>> png_uri(np.zeros((1, 2, 2), np.uint8))[:30]
        'data:image/png;base64,iVBORw0K'
    """
    file = io.BytesIO()
    to_pil(image, largest).save(file, format="PNG", optimize=False, compress_level=9)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def image_grid(
    images: Sequence[Array],
    captions: Sequence[str] = (),
    *,
    title: str,
    columns: int = 8,
    tile: float = 96,
) -> Picture:
    """Draw images in rows, each scaled into a square of `tile` pixels, with a caption below where there are captions.

    Raises:
        InputError: captions were given, but not one for each image; or an image that `to_pil` refuses.
    """
    if captions and len(captions) != len(images):
        raise InputError(f"{len(captions)} captions were given for {len(images)} images; give one for each, or none")
    columns = max(1, min(columns, len(images)))
    gap, below = 8.0, 20.0 if captions else 0.0
    parts = []
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        x, y = gap + column * (tile + gap), gap + row * (tile + gap + below)
        label = captions[place] if captions else None
        box = {"x": x, "y": y, "width": tile, "height": tile}
        parts.append(element("image", *([hover(label)] if label else []), href=png_uri(image, 192), **box))
        if label:
            parts.append(text(x + tile / 2, y + tile + 14, shorten(label, tile, 11), anchor="middle", class_="small"))
    rows = -(-len(images) // columns)
    width, height = gap + columns * (tile + gap), gap + max(rows, 1) * (tile + gap + below)
    if not images:
        parts.append(text(width / 2, height / 2, "no images", anchor="middle", class_="quiet"))
    return Picture("".join(parts), width, height, title)


def filter_tiles(weights: Array, most: int = 64) -> list[tuple[str, Array]]:
    """The filters of a convolution as small images with names, scaled so that the largest weight is full colour.

    Filters over three channels are shown in colour (grey is zero); others a channel each, blue above and orange
    below zero. At most `most` are made.

    Shape:
        weights `[N, C, H, W]` float; tiles uint8 `[3, H, W]` or `[4, H, W]`.

    Raises:
        InputError: not four axes, or an empty one.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 4 or 0 in weights.shape:
        raise InputError(f"filters to draw must be [N, C, H, W], but {list(weights.shape)} was given")
    weights = np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(np.abs(weights).max()) or 1.0
    scaled = weights / largest
    num_filters, channels = scaled.shape[:2]
    if channels == 3:
        colours = np.rint(127.5 + 127.5 * scaled).astype(np.uint8)
        return [(f"filter {n + 1}", colours[n]) for n in range(min(num_filters, most))]
    tiles = []
    for place in range(min(num_filters * channels, most)):
        n, c = divmod(place, channels)
        name = f"filter {n + 1}" if channels == 1 else f"filter {n + 1}, channel {c + 1}"
        tiles.append((name, _signed(scaled[n, c])))
    return tiles


def filter_grid(weights: Array, *, title: str = "first-layer filters", columns: int = 8, tile: float = 44) -> Picture:
    """Draw the filters of a convolution in rows; shapes and colours as in `filter_tiles`."""
    tiles = filter_tiles(weights)
    columns = max(1, min(columns, len(tiles)))
    gap = 6.0
    parts = []
    for place, (name, pixels) in enumerate(tiles):
        row, column = divmod(place, columns)
        box = {"x": gap + column * (tile + gap), "y": gap + row * (tile + gap), "width": tile, "height": tile}
        parts.append(element("image", hover(name), href=png_uri(pixels), preserveAspectRatio="none", **box))
        parts.append(element("rect", class_="frame", **box))
    rows = -(-len(tiles) // columns)
    return Picture("".join(parts), gap + columns * (tile + gap), gap + rows * (tile + gap), title)


def _signed(plane: Array) -> Array:
    """Weights in [-1, 1] as colours that are the clearer the smaller: uint8 `[4, H, W]`."""
    colours = np.where(plane[..., None] >= 0, np.array(POSITIVE), np.array(NEGATIVE))
    alpha = np.rint(255 * np.abs(plane))[..., None]
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint8).transpose(2, 0, 1)
