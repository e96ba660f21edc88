"""The log of a run as curves: which keys belong together, where the best epoch lies, which scale suits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from neuropil.drawing.charts import Curves, Mark, Series
from neuropil.drawing.records import Report
from neuropil.drawing.scales import usable
from neuropil.drawing.wording import number

__all__ = ["best_row", "history_curves", "merged", "readable", "shown_keys"]

_PARTS = {"train": ("training", 1), "valid": ("validation", 2)}
_NAMES = {"r2": "R²", "f1": "F1", "mae": "mean absolute error", "mse": "mean squared error", "lr": "learning rate"}
_WIDE_RATIO = 30


def merged(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The rows of each step made one, in the order of the steps, with the keys that a page may show.

    Example:
        >>> merged([{"step": 5, "train_loss": 0.5, "seconds": 1.2}, {"step": 5, "valid_loss": None}])
        [{'step': 5.0, 'train_loss': 0.5, 'valid_loss': nan}]
    """
    rows: dict[float, dict[str, float]] = {}
    for place, row in enumerate(history):
        numbers = {key: _number(row[key]) for key in row if _is_shown(key)}
        step = numbers.setdefault("step", float(place))
        rows.setdefault(step, {}).update(numbers)
    return [rows[step] for step in sorted(rows)]


def shown_keys(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """All keys of the rows: step and epoch first, the learning rate last."""
    seen = dict.fromkeys(key for row in rows for key in row)
    return sorted(seen, key=lambda key: {"step": 0, "epoch": 1, "lr": 3}.get(key, 2))


def best_row(report: Report) -> dict[str, float] | None:
    """The row of the best checkpoint, where the history has it."""
    if report.best_step is None:
        return None
    return next((row for row in merged(report.history) if row["step"] == report.best_step), None)


def history_curves(report: Report) -> dict[str, Curves]:
    """The charts of a run by file name: loss, metric, other figures, learning rate; those without values are left out.

    The loss is drawn on a logarithmic axis where it shrinks more than thirtyfold, the learning rate where it spans
    more than that and never is zero.
    """
    rows = merged(report.history)
    keys = shown_keys(rows)
    figures = dict.fromkeys(["loss", report.metric, *(_figure(key) for key in keys if _part(key))])
    axis = _horizontal(rows)
    best = best_row(report)
    charts = {}
    for figure in filter(None, figures):
        series = [
            Series(name, *_points(rows, axis, f"{part}_{figure}"), colour)
            for part, (name, colour) in _PARTS.items()
            if f"{part}_{figure}" in keys
        ]
        mark = _mark(best, axis, figure)
        if any(usable(one.y) for one in series):
            log = figure == "loss" and _is_wide([y for one in series for y in one.y])
            charts[figure] = Curves(readable(figure), series, axis, log, mark)
    rates = _points(rows, axis, "lr")
    if usable(rates[1]):
        charts["learning-rate"] = Curves("learning rate", [Series("", *rates)], axis, _is_wide(rates[1]))
    return charts


def readable(key: str) -> str:
    """A key of the history in words.

    Example:
        >>> readable("valid_r2"), readable("lr"), readable("top5_accuracy")
        ('validation R²', 'learning rate', 'top5 accuracy')
    """
    part = _part(key)
    figure = _figure(key) if part else key
    words = _NAMES.get(figure, figure.replace("_", " "))
    return f"{_PARTS[part][0]} {words}" if part else words


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _part(key: str) -> str:
    part, _, figure = key.partition("_")
    return part if part in _PARTS and figure else ""


def _figure(key: str) -> str:
    return key.partition("_")[2]


def _is_shown(key: str) -> bool:
    return key in ("step", "epoch", "lr") or bool(_part(key))


def _horizontal(rows: Sequence[Mapping[str, float]]) -> str:
    """`epoch` where each row has a later one than the row before, else `step`."""
    epochs = [row.get("epoch", math.nan) for row in rows]
    return "epoch" if all(map(math.isfinite, epochs)) and all(a < b for a, b in pairwise(epochs)) else "step"


def _points(rows: Sequence[Mapping[str, float]], axis: str, key: str) -> tuple[list[float], list[float]]:
    """The places and values of a key over the rows that have it."""
    having = [row for row in rows if key in row]
    return [row[axis] for row in having], [row[key] for row in having]


def _mark(best: Mapping[str, float] | None, axis: str, figure: str) -> Mark | None:
    key = f"valid_{figure}"
    if best is None or not usable([best.get(key, math.nan)]):
        return None
    return Mark(best[axis], best[key], f"best: {axis} {number(best[axis], 9)} · {number(best[key])}")


def _is_wide(values: Sequence[float]) -> bool:
    """Whether all values are above zero and the largest is more than thirty times the smallest."""
    kept = usable(values)
    return bool(kept) and min(kept) > 0 and max(kept) / min(kept) > _WIDE_RATIO
