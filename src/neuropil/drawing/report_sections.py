"""The sections of the report, each from one `Report` to HTML; an empty text where there is nothing to show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuropil.drawing.charts import bar_chart, line_chart, scatter_chart
from neuropil.drawing.confusion import MAX_CLASSES, confusion_chart, most_confused, recalls, worst_classes
from neuropil.drawing.history import best_row, history_curves, merged, readable, shown_keys
from neuropil.drawing.images import filter_tiles, png_uri
from neuropil.drawing.records import Mistake, Report
from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import escape, flatten, number, value
from neuropil.errors import InputError

__all__ = [
    "confusion", "curve_pictures", "curves", "data", "filters", "heading", "machine", "mistakes", "recipe", "scatter",
    "scatter_pairs", "scatter_pictures", "section",
]  # fmt: skip

Array = np.ndarray[Any, Any]
MAX_ROWS, MAX_TILES, MAX_SKIPPED, MAX_SCATTERS = 1000, 48, 100, 6
PHOTO_PIXELS = 64


def heading(report: Report) -> str:
    """The title, one sentence on the run, and the headline figures."""
    eyebrow = " · ".join(escape(part) for part in ("Neuropil", report.task, report.name, report.status) if part)
    figures = "".join(
        f"<div{' class=hero' if place == 0 else ''}><dt>{escape(label)}</dt><dd>{escape(value(figure))}</dd></div>"
        for place, (label, figure) in enumerate(report.headline)
    )
    return (
        f'<header><p class="eyebrow">{eyebrow}</p><h1>{escape(report.title)}</h1>{_lead(report)}'
        + (f'<dl class="figures">{figures}</dl>' if figures else "")
        + "</header>"
    )


def _lead(report: Report) -> str:
    rows, best = merged(report.history), best_row(report)
    if not rows:
        return '<p class="lead">Nothing has been measured yet.</p>'
    axis = "epoch" if "epoch" in rows[-1] else "step"
    length = f"{number(rows[-1]['step'], 9)} steps"
    if axis == "epoch":
        length = f"{number(rows[-1]['epoch'], 9)} epochs, {length}"
    said = f"Trained for {length}."
    if best is not None and axis in best:
        key = f"valid_{report.metric}"
        with_metric = f", with a validation {readable(report.metric)} of {number(best[key])}" if key in best else ""
        said += f" The best checkpoint is that of {axis} {number(best[axis], 9)}{with_metric}."
    return f'<p class="lead">{escape(said)}</p>'


def curves(report: Report) -> str:
    """Loss, metric and learning rate over the epochs, and the table behind them."""
    charts = history_curves(report)
    if not charts:
        return ""
    pictures = curve_pictures(report)
    figures = "".join(f"<figure><h3>{escape(_title(p.label))}</h3>{p.inline()}</figure>" for p in pictures.values())
    told = '<span class="pointer">Rest the pointer on a curve to read its values.</span>'
    if any(one.mark for one in charts.values()):
        told = "The ring marks the best checkpoint. " + told
    return section("curves", "Training", told, f'<div class="charts">{figures}</div>{_history_table(report)}')


def curve_pictures(report: Report) -> dict[str, Picture]:
    """The curves of a run by file name; the learning rate is drawn lower than the rest."""
    charts = history_curves(report)
    return {name: line_chart(one, height=190 if name == "learning-rate" else 264) for name, one in charts.items()}


def _history_table(report: Report) -> str:
    rows = merged(report.history)
    keys, best = shown_keys(rows), best_row(report)
    shown = rows[-MAX_ROWS:]
    body = "".join(
        f"<tr{' class=best' if best is not None and row['step'] == best['step'] else ''}>"
        + "".join(f'<td class="n">{number(row[key], 5) if key in row else "–"}</td>' for key in keys)
        + "</tr>"
        for row in shown
    )
    head = "".join(f'<th class="n">{escape(_title(readable(key)))}</th>' for key in keys)
    called = f"All {len(rows)} rows" if len(shown) == len(rows) else f"The last {len(shown)} of {len(rows)} rows"
    return (
        f"<details><summary>{called} of the log</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def confusion(report: Report) -> str:
    """The confusion matrix, the commonest mistakes and the classes found least."""
    if report.confusion is None or not len(report.classes):
        return ""
    counts, classes = worst_classes(report.confusion, report.classes)
    pairs = most_confused(report.confusion, report.classes)
    told = "Rows are the truth, columns the prediction; the shade is the share of the row."
    if len(classes) < len(report.classes):
        told += f" Of {len(report.classes)} classes the {MAX_CLASSES} with most mistakes are shown."
    rows = "".join(
        f'<tr><td class="t">{escape(p.truth)}</td><td class="t wrong">{escape(p.predicted)}</td>'
        f'<td class="n">{p.count:,}</td><td class="n quiet">{p.count / max(p.total, 1):.1%}</td></tr>'
        for p in pairs
    )
    table = (
        "<table><caption>Most often mistaken</caption><thead><tr><th>truth</th><th>taken for</th>"
        f'<th class="n">times</th><th class="n">of class</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    chart = confusion_chart(counts, classes)
    kind = " dense" if len(classes) > 25 else " wide" if chart.width > 500 else ""
    beside = f"<div class='extras'>{table if rows else '<p>No mistake was made.</p>'}{_weakest(report)}</div>"
    body = f'<div class="scroll{kind}">{chart.inline()}</div>{beside}'
    body = f'<div class="beside{" tall" if chart.width > 560 else ""}">{body}</div>'
    return section("confusion", "Confusion matrix", told, body)


def _weakest(report: Report) -> str:
    """Bars of the classes found least, where there are more than two classes and some were missed."""
    found = recalls(np.asarray(report.confusion))
    order = [int(i) for i in np.argsort(found, kind="stable") if found[i] < 1][:8]
    if len(report.classes) < 3 or not order:
        return ""
    chart = bar_chart(
        [report.classes[i] for i in order],
        [round(100 * float(found[i]), 1) for i in order],
        title="found, in %",
        width=300,
    )
    return f'<figure class="weakest"><h3>Found least, in %</h3>{chart.inline()}</figure>'


def mistakes(report: Report) -> str:
    """The samples that the network got most wrong: as pictures, or as a table where they have none."""
    shown = report.mistakes[:MAX_TILES]
    if not shown:
        return ""
    if all(one.image is not None for one in shown):
        body = f'<ul class="tiles">{"".join(f"<li>{_tile(one)}</li>" for one in shown)}</ul>'
        return section("mistakes", "Worst mistakes", "The wrong answers with the greatest loss.", body)
    rows = "".join(
        f'<tr><td class="t">{escape(one.name)}</td><td class="n">{escape(value(one.truth))}</td>'
        f'<td class="n">{escape(value(one.predicted))}</td>'
        f'<td class="n quiet">{_sureness(one) or value(one.loss)}</td></tr>'
        for one in shown
    )
    last = "sure" if any(one.probability is not None for one in shown) else "loss"
    head = f'<th>sample</th><th class="n">truth</th><th class="n">predicted</th><th class="n">{last}</th>'
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return section("mistakes", "Worst mistakes", "The samples with the greatest loss.", table)


def _tile(one: Mistake) -> str:
    truth, predicted = escape(value(one.truth)), escape(value(one.predicted))
    image = np.asarray(one.image)
    photo = ' class="photo"' if max(image.shape[-2:]) > PHOTO_PIXELS else ""
    sure = _sureness(one)
    return (
        f'<figure title="{escape(one.name)}">'
        f'<img{photo} src="{png_uri(image, 192)}" alt="{truth}, taken for {predicted}">'
        f'<figcaption><span class="right">{truth}</span> taken for <span class="wrong">{predicted}</span>'
        f'{f", {sure}&nbsp;sure" if sure else ""}<span class="name">{escape(one.name)}</span></figcaption></figure>'
    )


def _sureness(one: Mistake) -> str:
    if one.probability is None:
        return ""
    percent = 100 * one.probability
    return f"{percent:.0f}\N{NO-BREAK SPACE}%" if 1 <= percent <= 99 else f"{percent:.3g}\N{NO-BREAK SPACE}%"


def scatter(report: Report) -> str:
    """Predictions over true values, a chart a target."""
    pictures = scatter_pictures(report)
    if not pictures:
        return ""
    figures = "".join(f"<figure><h3>{escape(p.label)}</h3>{p.inline()}</figure>" for p in pictures.values())
    told = "On the dashed line a prediction is exact."
    return section("scatter", "Prediction and truth", told, f'<div class="charts">{figures}</div>')


def scatter_pairs(report: Report) -> dict[str, tuple[str, Array, Array]]:
    """Name, true values and predictions of each target by file name, six targets at most.

    Raises:
        InputError: true and predicted values differ in shape, or are not `[n]` or `[n, D]`.
    """
    if report.scatter is None:
        return {}
    truth, predicted = (np.asarray(one, dtype=np.float64) for one in report.scatter)
    if truth.shape != predicted.shape or truth.ndim not in (1, 2):
        raise InputError(
            "true and predicted values to draw must both be [n] or [n, D], "
            f"but {list(truth.shape)} and {list(predicted.shape)} were given"
        )
    if truth.ndim == 1:
        truth, predicted = truth[:, None], predicted[:, None]
    width = truth.shape[1]
    names = list(report.targets) if len(report.targets) == width else [f"target {d + 1}" for d in range(width)]
    return {
        "scatter" if width == 1 else f"scatter-{d + 1}": (names[d], truth[:, d], predicted[:, d])
        for d in range(min(width, MAX_SCATTERS))
    }


def scatter_pictures(report: Report) -> dict[str, Picture]:
    """The scatter chart of each target by file name.

    Raises:
        InputError: as `scatter_pairs`.
    """
    return {
        name: scatter_chart(truth.tolist(), predicted.tolist(), title=title)
        for name, (title, truth, predicted) in scatter_pairs(report).items()
    }


def filters(report: Report) -> str:
    """The first layer's filters as small images."""
    if report.filters is None or np.ndim(report.filters) != 4 or not np.size(report.filters):
        return ""
    tiles = filter_tiles(report.filters)
    images = "".join(f'<img src="{png_uri(pixels)}" alt="{name}" title="{name}">' for name, pixels in tiles)
    told = (
        "Grey is zero."
        if np.shape(report.filters)[1] == 3
        else "Blue is above zero, orange below; the paler, the nearer to it."
    )
    count = np.shape(report.filters)[0]
    return section("filters", "First-layer filters", f"{count} filters. {told}", f'<div class="filters">{images}</div>')


def data(report: Report) -> str:
    """What the reader should know of the data, and what was left out of it."""
    notes = _list(report.notes)
    skipped = [f"{where}: {reason}" for where, reason in report.skipped[:MAX_SKIPPED]]
    more = len(report.skipped) - len(skipped)
    if more > 0:
        skipped.append(f"and {more:,} more")
    if skipped:
        notes += f"<details><summary>{len(report.skipped):,} samples were left out</summary>{_list(skipped)}</details>"
    return section("data", "Data", "", notes) if notes else ""


def recipe(report: Report) -> str:
    """The resolved recipe, with its headings and keys set off."""
    if not report.recipe_toml.strip():
        return ""
    body = f"<pre><code>{_toml(report.recipe_toml)}</code></pre>"
    return section("recipe", "Recipe", "Resolved: every option as it was used. Running it again repeats the run.", body)


def machine(report: Report) -> str:
    """All that may differ between two identical runs, in the last section."""
    blocks = []
    if report.next_commands:
        lines = "\n".join(escape(command) for command in report.next_commands)
        blocks.append(f"<div><h3>What to type next</h3><pre><code>{lines}</code></pre></div>")
    for title, facts in (("Speed", report.speed), ("Environment", report.environment)):
        if facts:
            blocks.append(f"<div><h3>{title}</h3>{_facts(facts)}</div>")
    if report.machine_notes:
        blocks.append(_list(report.machine_notes))
    told = "The only part that differs between two runs of the same recipe."
    return section("machine", "This machine", told, "".join(blocks) or '<p class="quiet">Nothing was recorded.</p>')


def section(name: str, title: str, told: str, body: str) -> str:
    """A section of the page: its heading, a sentence below it, and the body."""
    said = f"<p>{told}</p>" if told else ""
    return f'<section id="{name}">\n<header><h2>{title}</h2>{said}</header>\n<div class="body">{body}</div>\n</section>'


def _title(words: str) -> str:
    return words[:1].upper() + words[1:]


def _list(lines: Sequence[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>' if lines else ""


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{escape(key.replace('_', ' '))}</dt><dd>{escape(told)}</dd>" for key, told in flatten(facts))
    return f'<dl class="facts">{rows}</dl>'


def _toml(source: str) -> str:
    """Escaped TOML with headings, keys and whole-line comments in spans."""
    lines = []
    for line in source.strip("\n").splitlines():
        key = re.match(r"\s*[\w.\-\"]+(?=\s*=)", line)
        if line.lstrip().startswith("#"):
            lines.append(f'<span class="c">{escape(line)}</span>')
        elif line.lstrip().startswith("["):
            lines.append(f'<span class="h">{escape(line)}</span>')
        elif key:
            lines.append(f'<span class="k">{escape(key.group())}</span>{escape(line[key.end() :])}')
        else:
            lines.append(escape(line))
    return "\n".join(lines)
