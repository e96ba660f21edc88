"""Formula beside measurement: a line each, with two bars, what both say, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from neuropil.drawing.svg import Picture, element, hover, text
from neuropil.drawing.wording import number, printable, shorten

__all__ = ["CostLine", "amount", "draw_costs"]

WIDTH, ROW, HEAD = 980.0, 40.0, 26.0
NAMED, BARS, TOLD = (0.0, 330.0), (345.0, 640.0), (650.0, 980.0)
TEXT, SMALL = 12.0, 11.0
SAME = 1e-9
"""Shares that differ by less are the same number, rounded."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """One cost: what a formula says and what was counted or measured.

    Args:
        what: of what.
        unit: `weights`, `multiply-adds`, `bytes`, `seconds` and so on; lines of a unit share a scale.
        measured: the number that was counted or measured.
        expected: the formula's; `None` where there is none.
        formula: the formula, with its numbers.
        how: where the measured number comes from.
        low: a quarter of the measurements lies below; `None` for what was counted.
        high: a quarter lies above.
        processor_share: of one processor that was had while it was measured; `None` for what was counted.
    """

    what: str
    unit: str
    measured: float
    expected: float | None = None
    formula: str = ""
    how: str = ""
    low: float | None = None
    high: float | None = None
    processor_share: float | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether both say the same: counts to the last one, measurements within their spread; `None` without both."""
        if self.expected is None:
            return None
        if self.low is not None and self.high is not None:
            return self.low <= self.expected <= self.high
        return abs(self.measured - self.expected) <= SAME * max(abs(self.measured), abs(self.expected))

    @property
    def verdict(self) -> str:
        """The same in words.

        Example:
            >>> CostLine("a", "weights", 27, 27).verdict, CostLine("a", "weights", 30, 20).verdict
            ('equal', '1.5 × the formula')
        """
        if self.expected is None:
            return ""
        if self.agrees:
            return "equal" if self.low is None else "within its spread"
        return f"{number(self.measured / self.expected, 3)} × the formula" if self.expected else "not the formula's"


def amount(value: float, unit: str) -> str:
    """A number with its unit: counts whole, times in milliseconds, bytes by their thousands.

    Example:
        >>> amount(124439808, "weights"), amount(0.0123, "seconds"), amount(2560, "bytes"), amount(0.75, "share")
        ('124,439,808', '12.3 ms', '2,560 B', '0.75')
    """
    if unit == "seconds":
        return f"{number(value * 1e3, 3)} ms"
    if unit == "bytes":
        return f"{value:,.0f} B"
    return f"{value:,.0f}" if float(value).is_integer() else number(value)


def draw_costs(lines: Sequence[CostLine], title: str) -> Picture:
    """Draw the lines, those of one unit under its name and on one scale from zero; the formula's bar is the upper one.

    Example:
        >>> picture = draw_costs([CostLine("three 3x3", "weights", 27, 27, "3 · 3²")], "a stack")
        >>> picture.height, picture.svg.count("<rect") - 1  # the paper is one
        (74.0, 2)
    """
    parts, y = [], 0.0
    for unit, some in groupby(lines, key=lambda one: one.unit):
        group = list(some)
        parts.append(text(0, y + 15, "time here" if unit == "seconds" else unit, class_="strong"))
        y += HEAD
        largest = max(max(one.measured, one.expected or 0.0, one.high or 0.0) for one in group)
        for one in group:
            parts += _line(one, y, largest)
            y += ROW
        parts.append(element("path", class_="axis", d=f"M{BARS[0]} {y - len(group) * ROW}V{y - 6}"))
        y += 8
    return Picture("".join(parts), WIDTH, y, title)


def _line(one: CostLine, y: float, largest: float) -> list[str]:
    """Name and formula at the left, two bars, both numbers and the verdict at the right."""
    width, told = NAMED[1] - NAMED[0], amount(one.measured, one.unit)
    parts = [
        text(0, y + 12, shorten(one.what, width, TEXT), title=one.what),
        text(0, y + 27, shorten(one.formula, width, SMALL), title=one.formula or one.what, class_="quiet small"),
    ]
    if one.expected is not None:
        said = amount(one.expected, one.unit)
        parts.append(_bar(one.expected, y + 3, largest, "f2", f"formula: {one.formula} = {said}"))
        parts.append(text(TOLD[0], y + 12, f"formula {said}", class_="quiet small"))
    parts.append(_bar(one.measured, y + 16, largest, "f1", f"{one.how or 'counted'}: {told}"))
    word = "counted" if one.low is None else "measured"
    if one.low is not None and one.high is not None:
        low, high = (_place(value, largest) for value in (one.low, one.high))
        inside = hover(f"{amount(one.low, one.unit)} to {amount(one.high, one.unit)} in the middle half of the rounds")
        parts.append(
            element("path", inside, class_="axis", d=f"M{low:.1f} {y + 21}H{high:.1f}m0 -4v8M{low:.1f} {y + 17}v8")
        )
        told += f" ({number(one.low * 1e3, 3)} to {number(one.high * 1e3, 3)})"
    parts.append(text(TOLD[0], y + 27, printable(f"{word} {told}"), class_="small"))
    if one.verdict:
        parts.append(text(TOLD[1], y + 12, one.verdict, anchor="end", class_="small f3" if one.agrees else "small f2"))
    return parts


def _place(value: float, largest: float) -> float:
    return BARS[0] + (BARS[1] - BARS[0]) * (value / largest if largest else 0.0)


def _bar(value: float, y: float, largest: float, colour: str, told: str) -> str:
    long = max(_place(value, largest) - BARS[0], 1.0) if value else 0.0
    return element("rect", hover(told), class_=colour, x=BARS[0], y=y, width=long, height=10, rx=1.5)
