"""Boxes drawn on their pictures: as SVG over a page's image, and into the picture itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from neuropil.drawing.images import png_uri, to_pil
from neuropil.drawing.palette import DARK, NUM_SERIES_COLOURS
from neuropil.drawing.records import BoxPicture, DrawnBox
from neuropil.drawing.svg import Picture, element, hover, text

__all__ = ["box_picture", "boxed", "with_boxes"]

Array = np.ndarray[Any, Any]

LONGEST = 420
"""Pixels of the longer side in a page."""


def box_picture(one: BoxPicture, classes: Sequence[str]) -> Picture:
    """The picture with true boxes dashed and found ones drawn through, each class in its colour."""
    high, wide = one.image.shape[1:]
    scale = LONGEST / max(high, wide)
    width, height = wide * scale, high * scale
    found = sorted(one.found, key=lambda box: box.score or 0)
    body = [
        element("image", href=png_uri(one.image, LONGEST), width=width, height=height, class_="photo"),
        *(_rectangle(box, classes, width, height, "box there") for box in one.there),
        *(_rectangle(box, classes, width, height, "box found") for box in found),
    ]
    label = f"{one.name}: {len(one.found)} found, {len(one.there)} there"
    return Picture("".join(body), width, height, label)


def _rectangle(box: DrawnBox, classes: Sequence[str], width: float, height: float, kind: str) -> str:
    left, top, right, bottom = box.corners
    told = classes[box.number] if box.score is None else f"{classes[box.number]} {box.score:.2f}"
    colour = f"s{box.number % NUM_SERIES_COLOURS + 1}"
    x, y = left * width, top * height
    shape = element(
        "rect", hover(told), class_=f"{kind} {colour}", x=x, y=y, width=(right - left) * width,
        height=(bottom - top) * height,
    )  # fmt: skip
    if box.score is None:
        return shape
    return shape + text(x + 3, y + 12 if y < 12 else y - 3, told, class_="tag")


def with_boxes(image: Array, boxes: Sequence[DrawnBox], classes: Sequence[str], *, format: str = "PNG") -> bytes:
    """A picture file with boxes drawn in, each with its class and score.

    Shape: image uint8 `[C, H, W]`.

    Args:
        image: the picture.
        boxes: to be drawn, the surest last.
        classes: names in the order of their numbers.
        format: `PNG` or `JPEG`.

    Example:
        >>> with_boxes(np.zeros((3, 32, 32), np.uint8), [DrawnBox(0, (0.1, 0.1, 0.9, 0.9), 0.8)], ["cat"])[1:4]
        b'PNG'
    """
    file = io.BytesIO()
    _drawn(image, boxes, classes).save(file, format=format)
    return file.getvalue()


def boxed(image: Array, boxes: Sequence[DrawnBox], classes: Sequence[str]) -> Array:
    """The same as an array, uint8 `[3, H, W]`."""
    return np.asarray(_drawn(image, boxes, classes)).transpose(2, 0, 1)


def _drawn(image: Array, boxes: Sequence[DrawnBox], classes: Sequence[str]) -> Image.Image:
    picture = to_pil(image).convert("RGB")
    pen = ImageDraw.Draw(picture)
    thick = max(1, round(min(picture.size) / 200))
    font = ImageFont.load_default(max(10, round(min(picture.size) / 32)))
    for box in boxes:
        colour = ImageColor.getrgb(DARK[f"s{box.number % NUM_SERIES_COLOURS + 1}"])
        left, right = (box.corners[side] * (picture.width - 1) for side in (0, 2))
        top, bottom = (box.corners[side] * (picture.height - 1) for side in (1, 3))
        pen.rectangle((left, top, right, bottom), outline=colour, width=thick)
        told = classes[box.number] if box.score is None else f"{classes[box.number]} {box.score:.2f}"
        edges = pen.textbbox((left + thick, top + thick), told, font=font)
        pen.rectangle(edges, fill=colour)
        pen.text((left + thick, top + thick), told, fill=(0, 0, 0), font=font)
    return picture
