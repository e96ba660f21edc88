"""Ways of update rules over a loss surface, drawn on its contour lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.drawing.charts import Curves, Series, line_chart
from neuropil.drawing.images import png_uri
from neuropil.drawing.scales import linear_axis
from neuropil.drawing.svg import Picture, element, hover, short, text
from neuropil.drawing.wording import number
from neuropil.inspection.descent import Descent, Surface

__all__ = ["draw_losses", "draw_paths"]

Array = np.ndarray[Any, Any]
WIDE, HIGH, BANDS = 300.0, 200.0, 12


def draw_paths(surface: Surface, heights: Array, ways: Sequence[Descent]) -> Picture:
    """One map for each rule: shaded bands of equal loss (by its logarithm), the way, its start and end.

    Shape: heights `[rows, columns]`, as `inspection.descent.heights` gives them.

    Args:
        surface: its box and its least place.
        heights: of the loss over the box.
        ways: one for each rule, named above its map with the loss that it reached.
    """
    columns = min(3, max(1, len(ways)))
    ground = _bands(heights)
    parts = []
    for place, way in enumerate(ways):
        row, column = divmod(place, columns)
        inside = _map(surface, ground, way)
        parts.append(element("g", inside, transform=f"translate({column * (WIDE + 46)} {row * (HIGH + 58)})"))
    rows = -(-len(ways) // columns)
    return Picture("".join(parts), columns * (WIDE + 46), rows * (HIGH + 58), f"ways over {surface.formula}")


def _map(surface: Surface, ground: str, way: Descent) -> str:
    left, right, low, high = surface.box
    across = linear_axis([left, right], target=5, tight=True)
    up = linear_axis([low, high], target=4, tight=True)
    x0, y0 = 34.0, 24.0

    def at(a: float, b: float) -> tuple[float, float]:
        return across.place(a, x0, x0 + WIDE), up.place(b, y0 + HIGH, y0)

    box = {"x": x0, "y": y0, "width": WIDE, "height": HIGH}
    reached = f"{len(way.points) - 1} steps, loss {number(float(way.losses[-1]), 3)}"
    parts = [text(x0, 15, way.rule, class_="strong"), text(x0 + WIDE, 15, reached, anchor="end", class_="small quiet")]
    parts += [element("image", href=ground, preserveAspectRatio="none", **box), element("rect", class_="frame", **box)]
    for tick, label in zip(across.ticks, across.labels, strict=True):
        parts.append(text(at(tick, low)[0], y0 + HIGH + 15, label, anchor="middle", class_="small quiet"))
    for tick, label in zip(up.ticks, up.labels, strict=True):
        parts.append(text(x0 - 5, at(left, tick)[1] + 4, label, anchor="end", class_="small quiet"))
    if surface.least is not None:
        x, y = at(*surface.least)
        parts.append(element("path", class_="axis", d=f"M{short(x - 5)} {short(y)}h10M{short(x)} {short(y - 5)}v10"))
    inner = "".join(
        f"{'L' if number else 'M'}{short(x)} {short(y)}" for number, (x, y) in enumerate(_inside(way, at, box))
    )
    parts.append(element("path", hover(f"{way.rule}: {reached}"), class_="curve s2", d=inner))
    for a, b in way.points[[0, -1]]:
        x, y = at(float(a), float(b))
        if x0 <= x <= x0 + WIDE and y0 <= y <= y0 + HIGH:
            parts.append(element("circle", class_="f2", cx=x, cy=y, r=3))
    return "".join(parts)


def _inside(way: Descent, at: Any, box: dict[str, float]) -> list[tuple[float, float]]:
    """The way up to its first point outside the map, which is drawn at the map's edge."""
    points = []
    for a, b in way.points:
        x, y = at(float(a), float(b))
        kept = (
            min(max(x, box["x"]), box["x"] + box["width"]),
            min(max(y, box["y"]), box["y"] + box["height"]),
        )
        points.append(kept)
        if kept != (x, y):
            break
    return points


def _bands(heights: Array) -> str:
    """The surface as a picture of bands: equal steps of the logarithm of the loss above its least."""
    above = np.log10(heights - heights.min() + 0.02 * (np.median(heights) - heights.min()) + 1e-12)
    share = (above - above.min()) / (float(np.ptp(above)) or 1.0)
    bands = np.floor(share * BANDS).clip(0, BANDS - 1) / (BANDS - 1)
    alpha = np.rint(200 * (1 - bands)).astype(np.uint8)[::-1]
    colour = np.broadcast_to(np.array([47, 134, 214], np.uint8)[:, None, None], (3, *alpha.shape))
    return png_uri(np.concatenate([colour, alpha[None]]))


def draw_losses(ways: Sequence[Descent]) -> Picture:
    """The losses of all ways over their steps; where a loss falls below zero it is left out of the scale."""
    series = [Series(way.rule, list(range(len(way.losses))), way.losses.tolist()) for way in ways]
    positive = all((way.losses > 0).all() for way in ways)
    return line_chart(Curves("loss over steps", series, "step", log=positive), width=760, height=320)
