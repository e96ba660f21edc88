"""Masks laid over their pictures, and written as indexed PNG files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from neuropil.drawing.images import png_uri
from neuropil.drawing.palette import DARK, NUM_SERIES_COLOURS
from neuropil.drawing.records import Report
from neuropil.drawing.report_sections import section
from neuropil.drawing.wording import escape

__all__ = ["indexed_png", "mask_pictures", "with_mask"]

Array = np.ndarray[Any, Any]

MAX_PICTURES, LONGEST = 8, 360
STRENGTH = 0.5
"""Share of the class's colour where it lies over the picture."""

COLOURS = np.array(
    [ImageColor.getrgb(DARK[f"s{number + 1}"]) for number in range(NUM_SERIES_COLOURS)], dtype=np.float32
)


def _colours(count: int) -> Array:
    """A colour for each class number; the first, the background, is clear in overlays."""
    return COLOURS[(np.arange(count) - 1) % NUM_SERIES_COLOURS]


def with_mask(image: Array, mask: Array) -> Array:
    """A picture with its classes in colours over it; class 0 and 255 (not known) stay clear.

    Shape: image uint8 `[C, H, W]`, mask `[H, W]` -> uint8 `[3, H, W]`.

    Example:
        >>> with_mask(np.zeros((1, 1, 2), np.uint8), np.array([[0, 1]]))[:, 0].T.tolist()
        [[0, 0, 0], [54, 89, 122]]
    """
    base = np.repeat(image, 3, axis=0) if image.shape[0] == 1 else image
    colours = _colours(256)[mask].transpose(2, 0, 1)
    shown = (mask > 0) & (mask < 255)
    blended = np.where(shown, (1 - STRENGTH) * base + STRENGTH * colours, base)
    return np.asarray(blended, dtype=np.uint8)


def indexed_png(mask: Array) -> bytes:
    """An indexed PNG file of class numbers, each with a colour of its own so that it can be looked at.

    Shape: uint8 `[H, W]`.
    """
    picture = Image.fromarray(mask.astype(np.uint8), mode="P")
    palette = _colours(256).astype(np.uint8)
    palette[0] = 0
    palette[255] = 255
    picture.putpalette(palette.tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def mask_pictures(report: Report) -> str:
    """The pictures with the greatest loss: what is there beside what was found."""
    if not report.masks:
        return ""
    figures = ""
    for one in report.masks[:MAX_PICTURES]:
        sides = (("truth", one.there), ("found", one.found))
        images = "".join(
            f'<img class="photo" src="{png_uri(with_mask(one.image, mask), LONGEST)}" alt="{escape(one.name)}: {said}" '
            f'title="{said}">'
            for said, mask in sides
        )
        wrong = (one.found != one.there) & (one.there != 255)
        share = wrong.sum() / max(1, int((one.there != 255).sum()))
        figures += (
            f'<figure class="pair">{images}<figcaption>{escape(one.name)}: {share:.1%} wrong; left the truth, right '
            "what was found</figcaption></figure>"
        )
    named = ", ".join(escape(name) for name in report.classes[1:7])
    return section("masks", "Worst pictures", f"Those with the greatest loss. Coloured: {named}.", figures)
