"""The Pareto picture: accuracy over latency, all trials, those that no other one beats, and known networks beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuropil.architecture.reward import pareto_front
from neuropil.drawing.scales import linear_axis, log_axis
from neuropil.drawing.svg import Picture, element, hover, short, text
from neuropil.drawing.wording import shorten, text_width

__all__ = ["Point", "pareto_chart"]

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 836, 40, 372
TEXT = 12


@dataclass(frozen=True, slots=True)
class Point:
    """A network: how slow, how accurate, what a pointer that rests there is told, its name where it has one."""

    latency: float
    accuracy: float
    told: str
    name: str = ""


def pareto_chart(trials: Sequence[Point], references: Sequence[Point], *, best: int | None, target: float) -> Picture:
    """Draw trials as dots, their front as stairs, the winner in orange, references as squares with their names.

    Args:
        trials: finished ones.
        references: may be empty.
        best: the winner's place among the trials.
        target: the latency that was aimed at, in milliseconds.

    Example:
        >>> pareto_chart([Point(0.5, 0.9, "trial 0")], [], best=0, target=0.5).label
        'accuracy over latency'
    """
    points = [*trials, *references]
    x = log_axis([one.latency for one in points] + [target])
    y = linear_axis([one.accuracy for one in points])

    def at(one: Point) -> tuple[float, float]:
        return x.place(one.latency, LEFT, RIGHT), y.place(one.accuracy, BOTTOM, TOP)

    parts = []
    for tick, label in zip(y.ticks, y.labels, strict=True):
        high = y.place(tick, BOTTOM, TOP)
        parts.append(element("path", class_="grid", d=f"M{LEFT} {short(high)}H{RIGHT}"))
        parts.append(text(LEFT - 7, high + 4, label, anchor="end", class_="quiet"))
    parts.append(element("path", class_="axis", d=f"M{LEFT} {BOTTOM}H{RIGHT}"))
    for tick, label in zip(x.ticks, x.labels, strict=True):
        wide = x.place(tick, LEFT, RIGHT)
        parts.append(element("path", class_="axis", d=f"M{short(wide)} {BOTTOM}v4"))
        parts.append(text(wide, BOTTOM + 17, label, anchor="middle", class_="quiet"))
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 38, "milliseconds a pass", anchor="middle", class_="quiet"))
    parts += _target(x.place(target, LEFT, RIGHT))
    front = [trials[place] for place in pareto_front([(one.latency, one.accuracy) for one in trials])]
    parts += _stairs([at(one) for one in front], "curve s1")
    for place, one in enumerate(trials):
        wide, high = at(one)
        won = place == best
        on_front = one in front
        look = {"class_": "f2" if won else "f1 point", "r": 7 if won else 5 if on_front else 3.5}
        parts.append(element("circle", hover(one.told), cx=wide, cy=high, **look))
    for one in references:
        wide, high = at(one)
        parts.append(element("rect", hover(one.told), class_="f3", x=wide - 4.5, y=high - 4.5, width=9, height=9, rx=1))
    names = [(*at(one), one.name, "f3") for one in references]
    names += [(*at(trials[best]), "found", "f2 strong")] if best is not None else []
    return Picture("".join(parts + _named(names)), WIDTH, HEIGHT, "accuracy over latency")


def _target(wide: float) -> list[str]:
    return [
        element("path", class_="axis dashed", d=f"M{short(wide)} {TOP - 14}V{BOTTOM}"),
        text(wide, TOP - 20, "target", anchor="middle", class_="quiet"),
    ]


def _stairs(places: Sequence[tuple[float, float]], class_: str) -> list[str]:
    """What is reached at each latency: level up to the next point, then up."""
    if not places:
        return []
    path = f"M{short(places[0][0])} {short(places[0][1])}"
    for wide, high in places[1:]:
        path += f"H{short(wide)}V{short(high)}"
    return [element("path", class_=class_, d=f"{path}H{RIGHT}")]


def _named(names: Sequence[tuple[float, float, str, str]]) -> list[str]:
    """Names above their points to the right, each moved up until it lies on no other one."""
    boxes: list[tuple[float, float, float]] = []
    parts = []
    for wide, high, name, class_ in sorted(names):
        label = shorten(name, 190, TEXT)
        room = 1.1 * text_width(label, TEXT)
        left = min(wide + 4, WIDTH - room)
        line = high - 9
        while any(abs(line - other) < 14 and left < end and begin < left + room for begin, end, other in boxes):
            line -= 14
        boxes.append((left, left + room, line))
        parts.append(text(left, line, label, title=name, class_=class_))
    return parts
