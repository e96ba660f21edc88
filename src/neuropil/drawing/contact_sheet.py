"""Many small pictures with captions on one sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from neuropil.errors import InputError

__all__ = ["contact_sheet"]

Array = np.ndarray[Any, Any]

LEAST_SIDE, GREATEST_SIDE = 96, 256
"""Pixels between which the longer side of each picture is brought."""

GAP, FONT_SIZE = 10, 14
PAPER, INK = (255, 255, 255), (32, 36, 44)


def contact_sheet(images: Array, captions: Sequence[str], *, columns: int = 8) -> bytes:
    """A PNG of pictures in rows, each with its caption below.

    Tiny pictures are enlarged by a whole number, each element a clean square; large ones are made smaller.

    Shape: images uint8 `[N, C, H, W]`, C = 1 (grey) or 3 (red, green, blue).

    Args:
        images: the pictures, one or more.
        captions: one for each; shortened with … where it is wider than the picture.
        columns: pictures in a row, 1 or more.

    Raises:
        InputError: no picture, another shape or type, or another number of captions.

    Example:
        >>> contact_sheet(np.zeros((3, 1, 8, 8), dtype=np.uint8), ["0", "1", "2"])[1:4]
        b'PNG'
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise InputError(
            f"a contact sheet takes uint8 pictures [N, C, H, W] with 1 or 3 channels, "
            f"but {images.dtype} {list(images.shape)} was given"
        )
    if len(captions) != len(images):
        raise InputError(f"{len(captions)} captions were given for {len(images)} pictures; give one for each")
    if columns < 1:
        raise InputError(f"columns is {columns}; give 1 or more")
    pictures = [_picture(image) for image in images]
    wide, tall = pictures[0].size
    font = ImageFont.load_default(FONT_SIZE)
    step_x, step_y = wide + GAP, tall + FONT_SIZE + 2 * GAP
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (GAP + columns * step_x, GAP + rows * step_y), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = GAP + place % columns * step_x, GAP + place // columns * step_y
        sheet.paste(picture, (x, y))
        pen.text((x, y + tall + 2), _fitted(caption, wide, font), fill=INK, font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _picture(image: Array) -> Image.Image:
    """One picture `[C, H, W]` at the size of the sheet."""
    elements = image[0] if image.shape[0] == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    picture = Image.fromarray(elements).convert("RGB")
    longer = max(picture.size)
    if longer > GREATEST_SIDE:
        picture.thumbnail((GREATEST_SIDE, GREATEST_SIDE), Image.Resampling.LANCZOS)
        return picture
    factor = -(-LEAST_SIDE // longer)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _fitted(caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The caption on one line, shortened to a width in pixels."""
    line = " ".join(caption.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"
