"""Parallel coordinates: an upright axis for each thing that was chosen and for what came out, a line for each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neuropil.drawing.scales import Axis, linear_axis, log_axis
from neuropil.drawing.svg import Picture, element, hover, short, text
from neuropil.drawing.wording import shorten, text_width
from neuropil.search.space import Choices, Parameter, written

__all__ = ["Line", "parallel_chart"]

WIDTH, HEIGHT = 860.0, 360.0
TOP, BOTTOM = 34.0, 334.0
TEXT = 12
MOST_LINES = 400


@dataclass(frozen=True, slots=True)
class Line:
    """One trial: its values by path, what came out, and whether it is the best."""

    values: Mapping[str, Any]
    result: float
    told: str
    best: bool = False


def parallel_chart(space: Sequence[Parameter], lines: Sequence[Line], *, result: str, more_is_better: bool) -> Picture:
    """Draw trials as lines; the better half in the first colour, the rest paler, the best one strong.

    Args:
        space: an axis each.
        lines: at most 400 are drawn, the best ones.
        result: what the last axis is called.
        more_is_better: which end of the last axis is good.

    Example:
        >>> space = [Choices("optimizer", ("sgd", "adam"))]
        >>> lines = [Line({"optimizer": "sgd"}, 0.9, "trial 0")]
        >>> parallel_chart(space, lines, result="accuracy", more_is_better=True).width
        860.0
    """
    ranked = sorted(lines, key=lambda line: line.result, reverse=more_is_better)[:MOST_LINES]
    left = 14 + min(110.0, max((text_width(label, TEXT) for label in _labels(space[0])), default=0.0))
    right = WIDTH - 60
    places = [left + (right - left) * place / len(space) for place in range(len(space) + 1)]
    results = linear_axis([line.result for line in ranked])
    parts = []
    for rank, line in reversed(list(enumerate(ranked))):
        heights = [_height(one, line.values[one.path]) for one in space]
        heights.append(results.place(line.result, BOTTOM, TOP))
        path = "M" + "L".join(f"{short(x)} {short(y)}" for x, y in zip(places, heights, strict=True))
        good = rank < (len(ranked) + 1) // 2
        look = {"stroke_opacity": 1 if line.best else 0.55 if good else 0.22, "stroke_width": 3 if line.best else 1.5}
        colour = "s2" if line.best else "s1" if good else "axis"
        parts.append(element("path", hover(line.told), class_=f"curve {colour}", d=path, **look))
    room = (places[1] - places[0]) - 12
    for one, x in zip(space, places, strict=False):
        parts += _axis(one.path, x, [(_height(one, value), label) for value, label in _ticks(one)], room)
    ticks = [(results.place(t, BOTTOM, TOP), label) for t, label in zip(results.ticks, results.labels, strict=True)]
    parts += _axis(result, places[-1], ticks, room, beyond=True)
    return Picture("".join(parts), WIDTH, HEIGHT, f"what was chosen, and the {result} that came of it")


def _axis(name: str, x: float, ticks: Sequence[tuple[float, str]], room: float, *, beyond: bool = False) -> list[str]:
    parts = [element("path", class_="axis", d=f"M{short(x)} {short(TOP)}V{short(BOTTOM)}")]
    place, anchor = (x + 7, "start") if beyond else (x - 7, "end")
    for y, label in ticks:
        parts.append(element("path", class_="axis", d=f"M{short(x - 3)} {short(y)}h6"))
        shown = shorten(label, min(110.0, room), TEXT)
        parts.append(text(place, y + 4, shown, anchor=anchor, title=label, class_="tag"))
    head = shorten(name, room, TEXT)
    half = text_width(head, TEXT) * 0.55
    parts.append(text(min(max(x, half), WIDTH - half), 16, head, anchor="middle", title=name, class_="strong"))
    return parts


def _numeric(one: Parameter) -> Axis | None:
    if isinstance(one, Choices):
        return None
    return log_axis([one.low, one.high]) if one.log else linear_axis([one.low, one.high], whole=one.whole)


def _ticks(one: Parameter) -> list[tuple[Any, str]]:
    axis = _numeric(one)
    if axis is None:
        return [(value, written(value)) for value in one.several()]
    return list(zip(axis.ticks, axis.labels, strict=True))


def _labels(one: Parameter) -> list[str]:
    return [label for _, label in _ticks(one)]


def _height(one: Parameter, value: Any) -> float:
    axis = _numeric(one)
    if axis is not None:
        return axis.place(float(value), BOTTOM, TOP)
    texts = [written(choice) for choice in one.several()]
    return BOTTOM - (BOTTOM - TOP) * (texts.index(written(value)) + 0.5) / len(texts)
