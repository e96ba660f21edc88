"""Pictures that the plantings train on: shapes that are drawn here, and scikit-learn's digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

__all__ = ["digits", "shapes"]

Array = np.ndarray[Any, Any]


def shapes(count: int, *, seed: int, side: int = 16, noise: float = 25.0, classes: int = 4) -> tuple[Array, Array]:
    """Discs, squares, crosses and triangles of any size and place, `[n, side, side]` bytes, on a noisy ground."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    found = np.empty((count, side, side), np.uint8)
    for number, label in enumerate(labels.tolist()):
        picture = Image.new("L", (side, side), int(draw.integers(0, 90)))
        _draw_shape(ImageDraw.Draw(picture), label, side, int(draw.integers(150, 255)), draw)
        found[number] = np.clip(np.asarray(picture) + noise * draw.normal(size=(side, side)), 0, 255)
    return found, labels


def _draw_shape(pen: ImageDraw.ImageDraw, label: int, side: int, grey: int, draw: np.random.Generator) -> None:
    half = float(draw.uniform(0.22, 0.4)) * side
    x, y = draw.uniform(half, side - 1 - half, 2).tolist()
    box = (x - half, y - half, x + half, y + half)
    if label == 0:
        pen.ellipse(box, fill=grey)
    elif label == 1:
        pen.rectangle(box, fill=grey)
    elif label == 2:
        pen.line((x - half, y, x + half, y), fill=grey, width=2)
        pen.line((x, y - half, x, y + half), fill=grey, width=2)
    else:
        pen.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=grey)


def digits(count: int = 1797, *, seed: int = 0) -> tuple[Array, Array]:
    """Handwritten digits, `[n, 8, 8]` bytes, 0 to 255, in an order of their own."""
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))[:count]
    return (found.images[order] * 255 / 16).astype(np.uint8), found.target[order].astype(np.int64)
