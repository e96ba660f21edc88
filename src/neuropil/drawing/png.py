"""The charts of a report as PNG, drawn with matplotlib (extra `plot`) from the same series as the SVG ones."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from neuropil.drawing.charts import Curves
from neuropil.drawing.confusion import confusion_shares, worst_classes
from neuropil.drawing.history import history_curves
from neuropil.drawing.images import filter_tiles, to_pil
from neuropil.drawing.palette import LIGHT, NUM_SERIES_COLOURS
from neuropil.drawing.records import Report
from neuropil.drawing.report_sections import scatter_pairs
from neuropil.drawing.wording import printable, value
from neuropil.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["report_pngs"]

Array = np.ndarray[Any, Any]
DOTS_PER_INCH = 160
MAX_TILES = 32
PLAIN: dict[str, Any] = {"parse_math": False}
"""A class may be called `$x_`: names are never read as formulas."""


def report_pngs(report: Report) -> dict[str, bytes]:
    """The PNG file of each chart that a report has numbers for, by name as in `report_pictures`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: arrays of shapes that cannot be drawn.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("PNG charts need matplotlib; install neuropil[plot], or use the SVG files") from error
    figures: dict[str, Figure] = {}
    for name, curves in history_curves(report).items():
        figures[name] = Figure(figsize=(6, 3.8))
        _curves(figures[name], curves)
    if report.confusion is not None and len(report.classes):
        figures["confusion"] = Figure(figsize=(6.4, 6))
        _confusion(figures["confusion"], *worst_classes(report.confusion, report.classes))
    for name, (title, truth, predicted) in scatter_pairs(report).items():
        figures[name] = Figure(figsize=(5, 5))
        _scatter(figures[name], title, truth, predicted)
    shown = [one for one in report.mistakes if one.image is not None][:MAX_TILES]
    tiles = [
        (f"{value(m.truth)} → {value(m.predicted)}", np.asarray(to_pil(m.image, 192)))
        for m in shown
        if m.image is not None
    ]
    if tiles:
        figures["mistakes"] = _tiles(tiles, tile_inches=1.1)
    if report.filters is not None and report.filters.ndim == 4 and report.filters.size:
        figures["filters"] = _tiles(
            [("", np.asarray(to_pil(pixels))) for _, pixels in filter_tiles(report.filters)], tile_inches=0.55
        )
    return {name: _png(figure) for name, figure in figures.items()}


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # signs that the font lacks are drawn as boxes
        figure.savefig(
            file,
            format="png",
            dpi=DOTS_PER_INCH,
            facecolor=LIGHT["paper"],
            bbox_inches="tight",
            metadata={"Software": None},
        )
    return file.getvalue()


def _axes(figure: Figure, title: str) -> Any:
    axes = figure.add_subplot()
    axes.set_title(printable(title), loc="left", fontsize=11, fontweight="bold", color=LIGHT["ink"], **PLAIN)
    axes.set_facecolor(LIGHT["paper"])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["muted"])
    axes.tick_params(colors=LIGHT["muted"], labelsize=9, length=3)
    return axes


def _curves(figure: Figure, curves: Curves) -> None:
    axes = _axes(figure, curves.title)
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.8)
    for place, one in enumerate(curves.series):
        colour = LIGHT[f"s{one.colour or place % NUM_SERIES_COLOURS + 1}"]
        y = np.array(one.y, dtype=np.float64)
        y[~np.isfinite(y) | ((y <= 0) & curves.log)] = np.nan
        axes.plot(one.x, y, color=colour, linewidth=1.8, marker="o" if len(one.x) == 1 else None, label=one.label)
    if curves.log:
        axes.set_yscale("log")
    if curves.mark:
        axes.axvline(curves.mark.x, color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (3, 3)))
        axes.plot([curves.mark.x], [curves.mark.y], "o", color=LIGHT["muted"], markerfacecolor=LIGHT["paper"])
        axes.set_title(printable(curves.mark.label), loc="right", fontsize=9, color=LIGHT["ink"], **PLAIN)
    if any(one.label for one in curves.series):
        axes.legend(frameon=False, fontsize=9, labelcolor=LIGHT["ink"])
    axes.set_xlabel(curves.x_label, color=LIGHT["muted"], fontsize=9, **PLAIN)


def _scatter(figure: Figure, title: str, truth: Array, predicted: Array) -> None:
    axes = _axes(figure, title)
    both = np.concatenate([truth, predicted])
    both = both[np.isfinite(both)]
    if both.size:
        axes.plot(
            [both.min(), both.max()],
            [both.min(), both.max()],
            color=LIGHT["muted"],
            linewidth=0.9,
            linestyle=(0, (3, 3)),
        )
    axes.scatter(truth, predicted, s=9, alpha=0.55, color=LIGHT["s1"], linewidths=0)
    axes.set_xlabel("true value", color=LIGHT["muted"], fontsize=9)
    axes.set_ylabel("predicted", color=LIGHT["muted"], fontsize=9)


def _confusion(figure: Figure, counts: Array, classes: list[str]) -> None:
    axes = _axes(figure, "confusion matrix")
    shades = np.sqrt(confusion_shares(counts))[..., None]
    right = np.eye(len(classes), dtype=bool)[..., None]
    full = np.where(right, _rgb(LIGHT["s1"]), _rgb(LIGHT["s2"]))
    axes.imshow(full * shades + _rgb(LIGHT["panel"]) * (1 - shades), interpolation="nearest")
    every = -(-len(classes) // 30)
    places = range(0, len(classes), every)
    names = [printable(classes[i]) for i in places]
    axes.set_xticks(places, names, rotation=0 if max(map(len, names)) <= 2 else 60, **PLAIN)
    axes.set_yticks(places, names, **PLAIN)
    axes.xaxis.tick_top()
    axes.set_xlabel("predicted", color=LIGHT["muted"], fontsize=9)
    axes.set_ylabel("truth", color=LIGHT["muted"], fontsize=9)
    if len(classes) <= 20:
        for t, p in zip(*np.nonzero(counts), strict=True):
            colour = LIGHT["paper"] if shades[t, p, 0] > 0.6 else LIGHT["ink"]
            axes.text(p, t, str(counts[t, p]), ha="center", va="center", fontsize=8, color=colour)


def _tiles(tiles: list[tuple[str, Array]], tile_inches: float, columns: int = 8) -> Figure:
    from matplotlib.figure import Figure

    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    captioned = any(name for name, _ in tiles)
    figure = Figure(figsize=(columns * tile_inches, rows * tile_inches * (1.25 if captioned else 1)))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (name, pixels) in zip(grid.flat, tiles, strict=False):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(printable(name), fontsize=7, color=LIGHT["ink"], pad=2, **PLAIN)
    return figure


def _rgb(colour: str) -> Array:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
