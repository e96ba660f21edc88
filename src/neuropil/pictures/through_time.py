"""A recurrent network unrolled, with the terms of its gradient; and how much of the first input it still feels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuropil.drawing.charts import Curves, Series, line_chart
from neuropil.drawing.images import png_uri
from neuropil.drawing.svg import Picture, element, hover, short, text
from neuropil.drawing.wording import number, text_width
from neuropil.errors import InputError
from neuropil.pictures.heat import heat_map, shades

__all__ = ["draw_sensitivity", "draw_terms", "draw_unrolled", "sensitivity_curves"]

Array = np.ndarray[Any, Any]
STEP, TALL = 104.0, 306.0
WIDEST = 16


def draw_unrolled(errors: Array, terms: Array, *, weight: str = "W", of: int | None = None) -> Picture:
    """The network once for each step; below each, what one step's error asks of the weight as that step uses it.

    Source: chapter, "BPTT" (rows 99, 104): `dE_t/dW = sum_k dE_t/dW_k`.

    Shape: errors `[T]`; terms `[T, T]`: size of `dE_t/dW_k`, t the first axis, k the second.

    Args:
        errors: of each step.
        terms: sizes of the terms.
        weight: its name.
        of: the step whose error goes back; the last where left out.

    Raises:
        InputError: shapes that do not fit, more than 16 steps, or no such step.
    """
    times = len(errors)
    if terms.shape != (times, times) or not 0 < times <= WIDEST:
        raise InputError(
            f"{times} errors and terms {list(terms.shape)} were given; an unrolled network needs [T] and [T, T] of 1 "
            f"to {WIDEST} steps"
        )
    last = times - 1 if of is None else of
    if not 0 <= last < times:
        raise InputError(f"there is no step {last} of {times}; they count from 0")
    top = float(np.abs(terms[last]).max()) or 1.0
    parts = []
    for k in range(times):
        parts += _step(k, float(errors[k]), k == last)
        if k < times - 1:
            x = 20 + k * STEP
            parts.append(element("path", class_="wire", d=f"M{short(x + 64)} 121H{short(x + STEP - 6)}"))
            parts.append(element("path", class_="tip", d=f"M{short(x + STEP)} 121l-6 -3.5v7z"))
        if k < last:  # the way back
            x = 20 + k * STEP
            parts.append(element("path", class_="curve s2", d=f"M{short(x + STEP)} 131H{short(x + 70)}"))
            parts.append(element("path", class_="f2", d=f"M{short(x + 64)} 131l6 -3.5v7z"))
        if k <= last:
            parts += _term(k, float(terms[last, k]), top, f"∂E{last + 1}/∂{weight}{k + 1}")
    total = number(float(np.abs(terms[last, : last + 1]).sum()), 3)
    told = f"orange: the error of step {last + 1} on its way back; the terms' sizes add up to {total}"
    parts.append(text(20, TALL - 8, told, class_="small quiet"))
    width = max(20 + times * STEP, 30 + text_width(told, 11))
    return Picture("".join(parts), width, TALL, f"a recurrent network unrolled over {times} steps")


def _step(k: int, error: float, chosen: bool) -> list[str]:
    """Input, state and error of one step, from below to above."""
    x = 20 + k * STEP
    parts = []
    for y, name, colour in ((20.0, "E", 2 if chosen else 0), (108.0, "h", 1), (188.0, "x", 0)):
        kind = f"block b{colour}" if colour else "block"
        parts.append(element("rect", class_=kind, x=x, y=y, width=64, height=34 if name == "E" else 32, rx=5))
        parts.append(text(x + 32, y + (14 if name == "E" else 21), f"{name}{k + 1}", anchor="middle", class_="strong"))
    parts.append(text(x + 32, 48, number(error, 3), anchor="middle", class_="small quiet"))
    for begin, end in ((108, 54), (188, 140)):
        parts.append(element("path", class_="wire", d=f"M{short(x + 32)} {begin}V{end + 6}"))
        parts.append(element("path", class_="tip", d=f"M{short(x + 32)} {end}l-3.5 6h7z"))
    return parts


def _term(k: int, size: float, top: float, name: str) -> list[str]:
    """A bar for one term, its name and number."""
    x, wide = 20 + k * STEP, 64 * abs(size) / top
    bar = element(
        "rect", hover(f"{name}: {number(size, 6)}"), class_="f2", x=x, y=234, width=max(wide, 1), height=9, rx=2
    )
    return [
        bar, text(x, 258, name, class_="small"), text(x, 273, number(size, 3), class_="small quiet"),
    ]  # fmt: skip


def draw_terms(terms: Array, *, weight: str = "W") -> Picture:
    """All terms at once: a row for each step's error, a column for each step that used the weight, by magnitude.

    Raises:
        InputError: not `[T, T]`.
    """
    names = [str(step + 1) for step in range(len(terms))]
    rows = [f"E{name}" for name in names]
    return heat_map(
        terms, rows, names, title=f"terms of the gradient of {weight}", log=True,
        cell=max(8.0, min(22.0, 640 / len(names))),
        across=f"step that used {weight}; shades by order of magnitude, six of them",
    )  # fmt: skip


def draw_sensitivity(found: Mapping[str, Array]) -> Picture:
    """For each network a row of nodes, one a step: the stronger, the more its output still hangs on the first input.

    Source: chapter, sensitivity picture (row 110); Graves 2012, "Supervised sequence labelling", figures 4.1 and 4.4.

    Shape: each `[T, T]`, as `inspection.through_time.sensitivity` gives it.

    Raises:
        InputError: nothing given, or not square.
    """
    rows = _first_inputs(found)
    times = max(len(one) for one in rows.values())
    left = max(text_width(name, 12) for name in rows) + 22
    cell = max(6.0, min(26.0, 700 / times))
    parts = []
    for place, (name, share) in enumerate(rows.items()):
        y = 14 + place * 44.0
        parts.append(text(0, y + 17, name, class_="strong"))
        box = {"x": left, "y": y, "width": cell * len(share), "height": 26}
        parts.append(element("image", href=png_uri(shades(share[None, :], 1.0)), preserveAspectRatio="none", **box))
        parts.append(element("rect", class_="frame", **box))
        for step, value in enumerate(share):
            told = hover(f"{name}, step {step + 1}: {number(float(value))} of the first step's")
            where = {"x": left + step * cell, "y": y, "width": cell, "height": 26}
            parts.append(element("rect", told, class_="cell", fill="transparent", **where))
    base = 14 + len(rows) * 44.0
    parts += [
        text(left + (step + 0.5) * cell, base + 2, str(step + 1), anchor="middle", class_="small quiet")
        for step in sorted({0, times // 2, times - 1})
    ]
    parts.append(
        text(left, base + 19, "step; the stronger, the more the output hangs on the first input", class_="small quiet")
    )
    return Picture("".join(parts), max(left + cell * times + 14, left + 380), base + 28, "sensitivity over time")


def sensitivity_curves(found: Mapping[str, Array]) -> Picture:
    """The same as curves on a logarithmic scale, each as a share of its first step.

    Raises:
        InputError: nothing given, or not square.
    """
    rows = _first_inputs(found)
    series = [Series(name, list(range(1, len(one) + 1)), one.tolist()) for name, one in rows.items()]
    return line_chart(Curves("sensitivity to the first input", series, "step", log=True), width=640, height=320)


def _first_inputs(found: Mapping[str, Array]) -> dict[str, Array]:
    """How much each output hangs on the first input, as a share of the first output's."""
    if not found:
        raise InputError("there is no network to draw the sensitivity of; give at least one")
    rows = {}
    for name, one in found.items():
        if one.ndim != 2 or one.shape[0] != one.shape[1] or not one.size:
            raise InputError(f"the sensitivity of {name!r} must be [T, T], but {list(one.shape)} was given")
        rows[name] = one[:, 0] / (float(one[0, 0]) or 1.0)
    return rows
