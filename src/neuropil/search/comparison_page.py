"""The report of a comparison: curves with bands over the seeds, the table of what came out, the time, the recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from neuropil.drawing.charts import Curves, Series, line_chart
from neuropil.drawing.history import readable
from neuropil.drawing.palette import NUM_SERIES_COLOURS
from neuropil.drawing.report import write_page
from neuropil.drawing.report_sections import section
from neuropil.drawing.svg import Picture, element
from neuropil.drawing.wording import duration, escape, number
from neuropil.search.comparison import Comparison, Outcome, Spread, spread

__all__ = ["comparison_curves", "comparison_page"]

WIDTH, HEIGHT = 860, 340
FEW_EPOCHS = 5
WIDE_RATIO = 30
MOST_CURVES = 24


def comparison_page(comparison: Comparison) -> str:
    """The page as text."""
    parts = [_heading(comparison), _table(comparison), _curves(comparison), _failures(comparison), _runs(comparison)]
    return write_page(f"Comparison: {_name(comparison)}", "\n".join(filter(None, parts)))


def _name(comparison: Comparison) -> str:
    return comparison.recipe.title or comparison.recipe.name


def _heading(comparison: Comparison) -> str:
    varied = "; ".join(f"{axis.path}: {', '.join(axis.values)}" for axis in comparison.axes)
    runs, best = len(comparison.outcomes), comparison.ranked()[0]
    found = _spread_of(comparison, best, comparison.part, comparison.metric)
    figures = [
        (f"best {_metric(comparison)}", number(found.mean), " class=hero"),
        ("reached with", best, ""),
        ("runs", str(runs), ""),
        ("training time", duration(sum(one.seconds for one in comparison.outcomes)), ""),
    ]
    shown = "".join(f"<div{kind}><dt>{escape(label)}</dt><dd>{escape(v)}</dd></div>" for label, v, kind in figures)
    seeds = f", each with {comparison.seeds} seeds" if comparison.seeds > 1 else ""
    return (
        f'<header><p class="eyebrow">Neuropil · comparison</p><h1>{escape(_name(comparison))}</h1>'
        f'<p class="lead">Varied: {escape(varied)}{seeds}.</p><dl class="figures">{shown}</dl></header>'
    )


def _metric(comparison: Comparison) -> str:
    parts = {"valid": "validation", "test": "test", "train": "training"}
    return f"{parts[comparison.part]} {readable(comparison.metric)}"


def _spread_of(comparison: Comparison, label: str, part: str, name: str) -> Spread:
    return spread([one.figure(part, name) for one in comparison.by_label()[label]])


# --- the table -----------------------------------------------------------------------------------


def _table(comparison: Comparison) -> str:
    groups, order = comparison.by_label(), comparison.ranked()
    places = {label: place for place, label in enumerate(groups)}
    columns = _columns(comparison)
    rows = []
    for rank, label in enumerate(order):
        cells = "".join(
            f'<td class="n">{_with_half(_spread_of(comparison, label, part, name))}</td>' for part, name in columns
        )
        failed = sum(bool(one.failure) for one in groups[label])
        seconds = spread([one.seconds for one in groups[label]]).mean
        done = f"{len(groups[label]) - failed} of {len(groups[label])}" if failed else str(len(groups[label]))
        rows.append(
            f"<tr{' class=best' if rank == 0 else ''}><td>{_swatch(places[label])}</td>"
            f'<td class="t">{escape(label)}</td>{cells}<td class="n">{done}</td>'
            f'<td class="n">{escape(duration(seconds))}</td></tr>'
        )
    parts = {"valid": "validation", "test": "test", "train": "training"}
    heads = "".join(f'<th class="n">{parts[part]} {escape(readable(name))}</th>' for part, name in columns)
    varied = escape(", ".join(axis.path for axis in comparison.axes)) or "recipe"
    table = (
        f'<div class="scroll"><table><thead><tr><th>curve</th><th>{varied}</th>{heads}<th class="n">runs</th>'
        f'<th class="n">time a run</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )
    told = f"Best first, by {escape(_metric(comparison))}; of each run the best checkpoint."
    if comparison.seeds > 1:
        told += " ± is half the 95 % confidence interval of the mean over the seeds."
    if comparison.part == "test":
        told += " Nothing was set aside to validate on, so the test part chose the order."
    return section("table", "What came out", told, table)


def _columns(comparison: Comparison) -> list[tuple[str, str]]:
    wanted = [(part, name) for part in ("valid", "test") for name in dict.fromkeys((comparison.metric, "loss"))]
    found = [
        (part, name)
        for part, name in wanted
        if any(math.isfinite(one.figure(part, name)) for one in comparison.outcomes)
    ]
    return found or [("train", "loss")]


def _with_half(found: Spread) -> str:
    if not found.count:
        return "–"
    return number(found.mean) if found.count == 1 else f"{number(found.mean)} ± {number(found.half, 2)}"


def _swatch(place: int) -> str:
    """A piece of the curve as the charts draw it."""
    dashes = f" dashes{place // NUM_SERIES_COLOURS % 3}" if place >= NUM_SERIES_COLOURS else ""
    line = element("path", class_=f"curve s{place % NUM_SERIES_COLOURS + 1}{dashes}", d="M1 6H33")
    return Picture(line, 34, 12, f"curve {place + 1}").inline() if place < MOST_CURVES else ""


# --- the curves ----------------------------------------------------------------------------------


def _curves(comparison: Comparison) -> str:
    pictures = comparison_curves(comparison)
    body = "".join(
        f"<figure><h3>{escape(title[:1].upper() + title[1:])}</h3>"
        f'<div class="scroll wide">{picture.inline()}</div></figure>'
        for title, picture in pictures.items()
    )
    told = '<span class="pointer">Rest the pointer on a curve to read its values.</span>'
    if comparison.seeds > 1:
        told = "Means over the seeds; the bands are 95 % confidence intervals of the mean. " + told
    if len(comparison.by_label()) > MOST_CURVES:
        told += f" The {MOST_CURVES} first of {len(comparison.by_label())} are drawn."
    return section("curves", "Curves", told, body) if body else ""


def comparison_curves(comparison: Comparison) -> dict[str, Picture]:
    """The charts by title: training loss, validation loss, and the metric; those without values are left out."""
    named = next((str(one.results["metric"]) for one in comparison.outcomes if one.results), "loss")
    wanted = {"training loss": "train_loss", "validation loss": "valid_loss"}
    wanted.setdefault(f"validation {readable(named)}", f"valid_{named}")
    found = {}
    for title, key in wanted.items():
        series, axis = _series(comparison, key)
        if any(math.isfinite(y) for one in series for y in one.y):
            curves = Curves(title, series, x_label=axis, log=_log(title, series))
            found[title] = line_chart(curves, width=WIDTH, height=HEIGHT)
    return found


def _log(title: str, series: Sequence[Series]) -> bool:
    values = [y for one in series for y in one.y if math.isfinite(y)]
    return title.endswith("loss") and min(values) > 0 and max(values) > WIDE_RATIO * min(values)


def _series(comparison: Comparison, key: str) -> tuple[list[Series], str]:
    groups = list(comparison.by_label().items())[:MOST_CURVES]
    epochs = max((len(_points(one, key, "epoch")) for _, runs in groups for one in runs), default=0)
    axis = "step" if key == "train_loss" and epochs < FEW_EPOCHS else "epoch"
    return [_mean_curve(label, [_points(one, key, axis) for one in runs]) for label, runs in groups], axis


def _points(outcome: Outcome, key: str, axis: str) -> dict[float, float]:
    """The values of a run by epoch; by step those of the single steps, where the log names them."""
    rows: Sequence[Mapping[str, Any]] = [row for row in outcome.history if row["event"] == axis]
    name = "loss" if axis == "step" else key
    return {float(row[axis]): float(row[name]) for row in rows if row.get(name) is not None}


def _mean_curve(label: str, runs: Sequence[Mapping[float, float]]) -> Series:
    places = sorted({x for run in runs for x in run})
    found = [spread([run[x] for run in runs if x in run]) for x in places]
    if not any(one.half for one in found):
        return Series(label, places, [one.mean for one in found])
    low, high = [one.mean - one.half for one in found], [one.mean + one.half for one in found]
    return Series(label, places, [one.mean for one in found], low=low, high=high)


# --- the rest ------------------------------------------------------------------------------------


def _failures(comparison: Comparison) -> str:
    failed = [one for one in comparison.outcomes if one.failure]
    rows = "".join(
        f'<tr><td class="t">{escape(one.cell.label)}</td><td class="n">{one.cell.recipe.seed}</td>'
        f'<td class="t">{escape(one.failure)}</td></tr>'
        for one in failed
    )
    table = f'<table><thead><tr><th>run</th><th class="n">seed</th><th>what happened</th></tr></thead><tbody>{rows}'
    return section("failed", "Came to nothing", "", table + "</tbody></table>") if failed else ""


def _runs(comparison: Comparison) -> str:
    rows = "".join(
        f'<tr><td class="t">{escape(one.cell.label)}</td><td class="n">{one.cell.recipe.seed}</td>'
        f'<td class="n">{number(one.figure(comparison.part, comparison.metric))}</td>'
        f'<td class="n">{escape(duration(one.seconds))}</td><td class="t small">{escape(one.folder)}</td></tr>'
        for one in comparison.outcomes
    )
    table = (
        f"<details><summary>All {len(comparison.outcomes)} runs and their folders</summary>"
        '<div class="scroll"><table><thead><tr><th>run</th><th class="n">seed</th>'
        f'<th class="n">{escape(_metric(comparison))}</th><th class="n">time</th><th>folder</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )
    how = "".join(f"<li>{escape(one)}</li>" for one in comparison.how)
    how = f'<ul class="plain">{how}</ul>' if how else ""
    toml = (
        f"<details><summary>The recipe</summary><pre><code>{escape(comparison.recipe.to_toml())}</code></pre></details>"
    )
    return section("runs", "Runs", "Each is an ordinary run folder.", how + table + toml)
