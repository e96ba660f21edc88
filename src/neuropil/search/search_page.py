"""The report of a search: the best recipe, trial by trial, which values mattered, how they go together."""

from __future__ import annotations

from neuropil.drawing.charts import Curves, Mark, Series, bar_chart, line_chart
from neuropil.drawing.history import readable
from neuropil.drawing.report import write_page
from neuropil.drawing.report_sections import section
from neuropil.drawing.wording import escape, number
from neuropil.search import METHODS
from neuropil.search.found import Found
from neuropil.search.parallel_chart import Line, parallel_chart
from neuropil.search.space import written
from neuropil.search.trials import Trial

__all__ = ["importance_section", "progress_section", "search_page"]

WIDTH = 860
MOST_ROWS = 1000


def search_page(found: Found) -> str:
    """The page as text."""
    parts = [
        _heading(found),
        _best(found),
        progress_section(found),
        importance_section(found),
        _together(found),
        _table(found),
    ]
    return write_page(f"Search: {found.plan.recipe.title or found.plan.recipe.name}", "\n".join(filter(None, parts)))


def _heading(found: Found) -> str:
    plan, best = found.plan, found.best
    states = [trial.state for trial in found.trials]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "none yet"
    figures = [("trials", counted, "")]
    if best is not None:
        figures.insert(0, (f"best validation {readable(found.metric)}", number(best.value or 0.0), " class=hero"))
        figures.insert(1, ("trial", str(best.number), ""))
    shown = "".join(f"<div{kind}><dt>{escape(label)}</dt><dd>{escape(v)}</dd></div>" for label, v, kind in figures)
    how = f"{plan.method}: {METHODS.describe(plan.method)}"
    how += "; successive halving ends bad trials early" if plan.halving else ""
    return (
        f'<header><p class="eyebrow">Neuropil · search</p><h1>{escape(plan.recipe.title or plan.recipe.name)}</h1>'
        f'<p class="lead">{escape(how)}.</p><dl class="figures">{shown}</dl></header>'
    )


def _best(found: Found) -> str:
    if found.best is None:
        return section("best", "Best recipe", "", "<p>No trial came to its end yet.</p>")
    values = "".join(
        f"<dt>{escape(path)}</dt><dd>{escape(written(value))}</dd>" for path, value in found.best.values.items()
    )
    command = escape(f"neuropil train {found.folder / 'best.toml'}")
    toml = escape(found.best_recipe().to_toml())
    body = (
        f'<dl class="facts">{values}</dl><pre><code>{command}</code></pre>'
        f"<details><summary>best.toml</summary><pre><code>{toml}</code></pre></details>"
    )
    return section("best", "Best recipe", "Ready to run.", body)


def _finished(found: Found) -> list[Trial]:
    return [trial for trial in found.trials if trial.state == "complete" and trial.value is not None]


def progress_section(found: Found) -> str:
    """Each trial's value, and the best so far."""
    done = _finished(found)
    if not done:
        return ""
    values = [float(trial.value or 0.0) for trial in done]
    better = max if found.mode == "max" else min
    so_far = [better(values[: place + 1]) for place in range(len(values))]
    numbers = [float(trial.number) for trial in done]
    mark = (
        Mark(float(found.best.number), float(found.best.value or 0.0), f"trial {found.best.number}")
        if found.best
        else None
    )
    series = [Series("each trial", numbers, values), Series("best so far", numbers, so_far)]
    title = f"validation {readable(found.metric)} by trial"
    chart = line_chart(Curves(title, series, x_label="trial", mark=mark), width=WIDTH, height=300)
    body = f'<figure><div class="scroll wide">{chart.inline()}</div></figure>'
    return section("progress", "Trial by trial", f"Validation {escape(readable(found.metric))}.", body)


def importance_section(found: Found) -> str:
    """Which values mattered; empty where too few trials are done."""
    if not found.importances:
        return ""
    shares = {path: round(100 * share, 1) for path, share in found.importances.items()}
    chart = bar_chart(list(shares), list(shares.values()), title="importance, in %", width=520)
    told = "How much of what sets the better trials apart each value explains, in %; PED-ANOVA, Watanabe et al. 2023."
    return section("importance", "What mattered", told, f"<figure>{chart.inline()}</figure>")


def _together(found: Found) -> str:
    lines = [
        Line(
            trial.values,
            float(trial.value or 0.0),
            _told(trial, found.metric),
            found.best is not None and trial is found.best,
        )
        for trial in _finished(found)
    ]
    if not lines:
        return ""
    chart = parallel_chart(found.plan.space, lines, result=readable(found.metric), more_is_better=found.mode == "max")
    told = "A line is a trial; blue is the better half, orange the best."
    body = f'<figure><div class="scroll wide">{chart.inline()}</div></figure>'
    return section("parallel", "How values go together", told, body)


def _told(trial: Trial, metric: str) -> str:
    values = "\n".join(f"{path}: {written(value)}" for path, value in trial.values.items())
    return f"trial {trial.number}\n{values}\n{readable(metric)}: {number(trial.value or 0.0)}"


def _table(found: Found) -> str:
    sign = -1 if found.mode == "max" else 1
    ranked = sorted(
        found.trials,
        key=lambda t: (t.state != "complete", t.value is None, sign * (t.value or 0.0), t.number),
    )[:MOST_ROWS]
    heads = "".join(f"<th>{escape(one.path)}</th>" for one in found.plan.space)
    rows = "".join(_row(trial, found) for trial in ranked)
    table = (
        '<div class="scroll"><table><thead><tr><th class="n">trial</th>'
        f'<th class="n">{escape(readable(found.metric))}</th>'
        f"{heads}<th>state</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    told = "Best first. Each is an ordinary run folder below runs/."
    return section("trials", "All trials", told, table)


def _row(trial: Trial, found: Found) -> str:
    value = "–" if trial.value is None else number(trial.value)
    cells = "".join(f'<td class="t">{escape(written(trial.values[one.path]))}</td>' for one in found.plan.space)
    best = " class=best" if found.best is not None and trial.number == found.best.number else ""
    state = escape(trial.state + (f": {trial.failure}" if trial.failure else ""))
    return (
        f'<tr{best}><td class="n">{trial.number}</td><td class="n">{value}</td>{cells}<td class="t">{state}</td></tr>'
    )
