"""Charts of numbers: curves, bars, and predictions against the truth, each as a `Picture`.

Two runs with the same numbers give the same bytes. Where the pointer rests, a browser shows the exact values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from neuropil.drawing.palette import NUM_SERIES_COLOURS
from neuropil.drawing.scales import Axis, linear_axis, log_axis, usable
from neuropil.drawing.svg import Picture, element, hover, short, text
from neuropil.drawing.wording import number, printable, shorten, text_width
from neuropil.errors import InputError

__all__ = ["Curves", "Mark", "Series", "bar_chart", "line_chart", "scatter_chart"]

WIDTH, HEIGHT = 420, 264
TEXT = 12
MAX_POINTS = 400
MAX_STRIPS = 200
MAX_DOTS = 2000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: a name and its points; a point that is not finite leaves a gap.

    Args:
        label: its name.
        x: places of the points, growing.
        y: their values.
        colour: 1 to 6, the number of its colour; 0 takes the next by its place.
        low: lower border of a band around the curve, a value for each point; empty for none.
        high: upper border of the band.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A point to be pointed out, such as the best epoch."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Curves:
    """What a line chart shows.

    Args:
        title: what the curves are of, for readers who cannot see them.
        series: the curves.
        x_label: name of the horizontal axis.
        log: logarithmic vertical axis; values of zero and below are left out.
        mark: a point to be pointed out.
        whole: the horizontal axis counts (epochs, steps).
    """

    title: str
    series: Sequence[Series]
    x_label: str = ""
    log: bool = False
    mark: Mark | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Plane:
    """The box between the axes, and the way from values to places in it."""

    x: Axis
    y: Axis
    left: float
    right: float
    top: float
    bottom: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.x.place(x, self.left, self.right), self.y.place(y, self.bottom, self.top)

    def shows(self, x: float, y: float) -> bool:
        return bool(usable([x])) and bool(usable([y], positive=self.y.log))


def line_chart(curves: Curves, *, width: float = WIDTH, height: float = HEIGHT) -> Picture:
    """Draw curves over a common axis, each named at its end (or above, where there are many).

    Long curves keep the least and the greatest value of each stretch, so that no peak is lost.

    Raises:
        InputError: a series has not as many `x` as `y`.

    Example:
        >>> line_chart(Curves("loss", [Series("training", [1, 2], [0.9, 0.4])])).label
        'loss'
    """
    for one in curves.series:
        if len(one.x) != len(one.y):
            raise InputError(f"series {one.label!r} has {len(one.x)} x and {len(one.y)} y; give one x for each y")
        if len(one.low) != len(one.high) or len(one.low) not in (0, len(one.x)):
            raise InputError(f"the band of {one.label!r} has not as many borders as the curve has points")
    series = [_thinned(one) for one in curves.series]
    named_at_end = len(series) <= 4
    room = max((text_width(one.label, TEXT + 1) for one in series), default=0) if named_at_end else 0
    plane = _plane(
        curves,
        series,
        width,
        height,
        end=min(room, 110) + 12,
        top=44 if not named_at_end else 26 if curves.mark else 12,
    )
    parts = _axes(plane, curves.x_label)
    if not any(plane.shows(x, y) for one in series for x, y in zip(one.x, one.y, strict=True)):
        middle = ((plane.left + plane.right) / 2, (plane.top + plane.bottom) / 2)
        return Picture(
            "".join(parts) + text(*middle, "no values yet", anchor="middle", class_="quiet"),
            width,
            height,
            curves.title,
        )
    parts += [_band(one, plane, place) for place, one in enumerate(series) if one.low]
    parts += [_curve(one, plane, place) for place, one in enumerate(series)]
    parts += _end_labels(series, plane, width) if named_at_end else _legend(series, plane)
    parts += _marked(curves.mark, plane) if curves.mark else []
    parts += _strips(series, plane, curves.x_label)
    return Picture("".join(parts), width, height, curves.title)


def bar_chart(labels: Sequence[str], values: Sequence[float], *, title: str, width: float = WIDTH) -> Picture:
    """Draw one horizontal bar a label, with its value at its end; values that are not finite have no bar.

    Raises:
        InputError: not as many labels as values.
    """
    if len(labels) != len(values):
        raise InputError(f"{len(labels)} labels were given for {len(values)} bars; give one for each")
    row, left = 26, min(max((text_width(printable(n), TEXT) for n in labels), default=0), width * 0.4) + 10
    written = [number(v) for v in values]
    right = width - max((text_width(w, TEXT) for w in written), default=0) - 10
    axis = linear_axis([0.0, *values], tight=True)
    if axis.low < 0:
        left += max(text_width(w, TEXT) for w in written) + 6
    zero = axis.place(0.0, left, right)
    parts = []
    for place, (name, value) in enumerate(zip(labels, values, strict=True)):
        y = place * row + 4.0
        end = axis.place(value, left, right) if usable([value]) else zero
        box = {"x": min(zero, end), "y": y, "width": max(abs(end - zero), 1), "height": row - 8, "rx": 2}
        parts.append(text(0, y + 13.5, shorten(name, width * 0.4, TEXT), title=f"{name}: {written[place]}"))
        parts.append(element("rect", hover(f"{name}: {written[place]}"), class_="f1", **box))
        beyond, anchor = (end - 5, "end") if end < zero else (end + 5, "start")
        parts.append(text(beyond, y + 13.5, written[place], anchor=anchor, class_="quiet"))
    height = max(len(labels), 1) * row + 4
    parts.append(element("path", class_="axis", d=f"M{short(zero)} 0V{height}"))
    return Picture("".join(parts), width, height, title)


def scatter_chart(
    truth: Sequence[float], predicted: Sequence[float], *, title: str, width: float = WIDTH, height: float = 400
) -> Picture:
    """Draw predictions over true values on one scale; on the dashed diagonal they agree.

    Above 2,000 points an even choice of them is drawn.

    Raises:
        InputError: not as many predictions as true values.
    """
    if len(truth) != len(predicted):
        raise InputError(f"{len(predicted)} predictions were given for {len(truth)} true values; give one for each")
    pairs = [(float(t), float(p)) for t, p in zip(truth, predicted, strict=True) if len(usable([t, p])) == 2]
    axis = linear_axis([v for pair in pairs for v in pair], target=6)
    plane = _Plane(axis, axis, 16 + max(text_width(label, TEXT) for label in axis.labels), width - 10, 22, height - 42)
    parts = _axes(plane, "true value")
    parts.append(text(0, 11, "predicted", class_="quiet"))
    (x0, y0), (x1, y1) = plane.at(axis.low, axis.low), plane.at(axis.high, axis.high)
    parts.append(element("path", class_="axis dashed", d=f"M{short(x0)} {short(y0)}L{short(x1)} {short(y1)}"))
    for t, p in _evenly(pairs, MAX_DOTS):
        x, y = plane.at(t, p)
        told = f"true {number(t)}, predicted {number(p)}"
        parts.append(element("circle", hover(told), class_="f1 point", cx=x, cy=y, r=3.2 if len(pairs) < 500 else 2.2))
    return Picture("".join(parts), width, height, title)


def _plane(curves: Curves, series: Sequence[Series], width: float, height: float, *, end: float, top: float) -> _Plane:
    extra = [curves.mark] if curves.mark else []
    xs = [x for one in series for x in one.x] + [m.x for m in extra]
    ys = [y for one in series for y in (*one.y, *one.low, *one.high)] + [m.y for m in extra]
    y = log_axis(ys) if curves.log else linear_axis(ys)
    left = 10 + max(text_width(label, TEXT) for label in y.labels)
    x = linear_axis(xs, target=6 if width >= WIDTH else 4, whole=curves.whole, tight=True)
    return _Plane(x, y, left, width - end, top, height - (42 if curves.x_label else 26))


def _axes(plane: _Plane, x_label: str) -> list[str]:
    """Grid lines, the labels of both axes, and the base line."""
    parts = []
    for tick, label in zip(plane.y.ticks, plane.y.labels, strict=True):
        y = plane.y.place(tick, plane.bottom, plane.top)
        parts.append(element("path", class_="grid", d=f"M{short(plane.left)} {short(y)}H{short(plane.right)}"))
        parts.append(text(plane.left - 7, y + 4, label, anchor="end", class_="quiet"))
    parts.append(element("path", class_="axis", d=f"M{short(plane.left)} {short(plane.bottom)}H{short(plane.right)}"))
    for tick, label in zip(plane.x.ticks, plane.x.labels, strict=True):
        x = plane.x.place(tick, plane.left, plane.right)
        parts.append(element("path", class_="axis", d=f"M{short(x)} {short(plane.bottom)}v4"))
        parts.append(text(x, plane.bottom + 17, label, anchor="middle", class_="quiet"))
    if x_label:
        parts.append(text((plane.left + plane.right) / 2, plane.bottom + 35, x_label, anchor="middle", class_="quiet"))
    return parts


def _colour(one: Series, place: int) -> int:
    return one.colour or place % NUM_SERIES_COLOURS + 1


def _runs(one: Series, plane: _Plane) -> list[list[tuple[float, float]]]:
    """The stretches of a series between its gaps, as places on the paper."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(one.x, one.y, strict=True):
        if plane.shows(x, y):
            runs[-1].append(plane.at(x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _band(one: Series, plane: _Plane, place: int) -> str:
    """The ground between the borders; it reaches the axis where a logarithm of the lower one cannot be taken."""
    lowest = plane.y.low if plane.y.log else -math.inf
    rows = zip(one.x, [max(low, lowest) for low in one.low], one.high, strict=True)
    kept = [(x, low, high) for x, low, high in rows if plane.shows(x, low) and plane.shows(x, high)]
    if not kept:
        return ""
    outline = [plane.at(x, high) for x, _, high in kept] + [plane.at(x, low) for x, low, _ in reversed(kept)]
    path = "M" + "L".join(f"{short(x)} {short(y)}" for x, y in outline) + "Z"
    return element("path", class_=f"band f{_colour(one, place)}", d=path)


def _curve(one: Series, plane: _Plane, place: int) -> str:
    colour = _colour(one, place)
    dashes = f" dashes{place // NUM_SERIES_COLOURS % 3}" if not one.colour and place >= NUM_SERIES_COLOURS else ""
    parts = []
    for run in _runs(one, plane):
        if len(run) == 1:
            parts.append(element("circle", class_=f"f{colour}", cx=run[0][0], cy=run[0][1], r=3))
        else:
            path = "M" + "L".join(f"{short(x)} {short(y)}" for x, y in run)
            parts.append(element("path", class_=f"curve s{colour}{dashes}", d=path))
    return "".join(parts)


def _end_labels(series: Sequence[Series], plane: _Plane, width: float) -> list[str]:
    """The name of each curve beside its last point, pushed apart where they would overlap."""
    ends = [(runs[-1][-1], place) for place, one in enumerate(series) if (runs := _runs(one, plane))]
    ends.sort(key=lambda end: (end[0][1], end[1]))
    heights = [y for (_, y), _ in ends]
    for _ in range(len(heights)):
        for above, below in pairwise(range(len(heights))):
            overlap = 14 - (heights[below] - heights[above])
            if overlap > 0:
                heights[above] -= overlap / 2
                heights[below] += overlap / 2
    if heights:
        shift = max(0.0, plane.top + 2 - heights[0]) - max(0.0, heights[-1] - plane.bottom + 4)
        heights = [y + shift for y in heights]
    parts = []
    for ((x, _), place), y in zip(ends, heights, strict=True):
        label = shorten(series[place].label, max(width - x - 8, 40), TEXT + 1)
        parts.append(
            text(x + 7, y + 4, label, title=series[place].label, class_=f"f{_colour(series[place], place)} strong")
        )
    return parts


def _legend(series: Sequence[Series], plane: _Plane) -> list[str]:
    """The names of many curves in one line above the plane; those that do not fit are counted."""
    parts, x = [], plane.left
    for place, one in enumerate(series):
        label = shorten(one.label, 90, TEXT)
        wide = 1.1 * text_width(label, TEXT)  # the names are bold
        if x + wide + 60 > plane.right and place + 1 < len(series):
            parts.append(text(x, 11, f"+ {len(series) - place} more", class_="quiet"))
            break
        parts.append(text(x, 11, label, title=one.label, class_=f"f{_colour(one, place)} strong"))
        x += wide + 22
    return parts


def _marked(mark: Mark, plane: _Plane) -> list[str]:
    """A dashed line down to the axis, a ring at the point, and the label above."""
    if not plane.shows(mark.x, mark.y):
        return []
    x, y = plane.at(mark.x, mark.y)
    half = text_width(mark.label, 11) / 2
    centre = min(max(x, half), max(plane.right + 8 - half, half))
    return [
        element("path", class_="axis dashed", d=f"M{short(x)} {short(plane.top - 8)}V{short(plane.bottom)}"),
        element("circle", class_="ring axis", cx=x, cy=y, r=4.5),
        text(centre, plane.top - 13, mark.label, anchor="middle", class_="small"),
    ]


def _strips(series: Sequence[Series], plane: _Plane, x_label: str) -> list[str]:
    """An invisible strip over each x that tells all its values and shows their points."""
    told: dict[float, list[tuple[int, float]]] = {}
    for place, one in enumerate(series):
        for x, y in zip(one.x, one.y, strict=True):
            if plane.shows(x, y):
                told.setdefault(float(x), []).append((place, y))
    xs = _evenly(sorted(told), MAX_STRIPS)
    places = [plane.x.place(x, plane.left, plane.right) for x in xs]
    edges = [plane.left, *((a + b) / 2 for a, b in pairwise(places)), plane.right]
    parts = []
    for x, centre, (start, end) in zip(xs, places, pairwise(edges), strict=True):
        lines = [f"{x_label} {number(x, 9)}".strip(), *(f"{series[i].label}: {number(y)}" for i, y in told[x])]
        box = {"x": start, "y": plane.top, "width": max(end - start, 0), "height": plane.bottom - plane.top}
        dots = [
            element("circle", class_=f"f{_colour(series[i], i)}", cx=centre, cy=plane.at(x, y)[1], r=3.5)
            for i, y in told[x]
        ]
        parts.append(element("g", hover("\n".join(lines)), element("rect", **box), *dots, class_="hover"))
    return parts


def _thinned(one: Series) -> Series:
    """At most about `MAX_POINTS` points: the least and the greatest of each stretch, and both ends."""
    if len(one.x) <= MAX_POINTS:
        return one
    size = math.ceil(2 * len(one.x) / MAX_POINTS)
    kept = {0, len(one.x) - 1}
    for start in range(0, len(one.x), size):
        stretch = [i for i in range(start, min(start + size, len(one.x))) if usable([one.y[i]])]
        if stretch:
            kept |= {min(stretch, key=lambda i: one.y[i]), max(stretch, key=lambda i: one.y[i])}
        else:
            kept.add(start)
    chosen = sorted(kept)
    x, y, low, high = ([c[i] for i in chosen] if c else [] for c in (one.x, one.y, one.low, one.high))
    return Series(one.label, x, y, one.colour, low, high)


def _evenly(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items, evenly chosen, the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[i * (len(items) - 1) // (most - 1)] for i in range(most)]
