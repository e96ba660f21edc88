"""The report of an architecture search: the Pareto picture, the winner ready to run, every network."""

from __future__ import annotations

from neuropil.architecture.found import ArchitectureFound, point_of
from neuropil.architecture.pareto_chart import Point, pareto_chart
from neuropil.drawing.history import readable
from neuropil.drawing.report import write_page
from neuropil.drawing.report_sections import section
from neuropil.drawing.wording import escape, number
from neuropil.search import METHODS
from neuropil.search.search_page import importance_section, progress_section
from neuropil.search.trials import Trial

__all__ = ["architecture_page"]

MOST_ROWS = 1000


def architecture_page(found: ArchitectureFound) -> str:
    """The page as text."""
    parts = [
        _heading(found), _pareto(found), _best(found), progress_section(found), importance_section(found),
        _references(found), _table(found),
    ]  # fmt: skip
    return write_page(f"Architecture search: {_title(found)}", "\n".join(filter(None, parts)))


def _title(found: ArchitectureFound) -> str:
    return found.plan.recipe.title or found.plan.recipe.name


def _heading(found: ArchitectureFound) -> str:
    wanted, best = found.wanted.architecture, found.best
    figures = [("networks tried", str(len(found.finished)), "")]
    if best is not None:
        latency, accuracy = point_of(best)
        figures.insert(0, (f"validation {readable(found.accuracy)}", number(accuracy), " class=hero"))
        figures[1:1] = [("latency", f"{latency:.3f} ms", ""), ("reward", number(best.value or 0.0), "")]
    shown = "".join(f"<div{kind}><dt>{escape(label)}</dt><dd>{escape(v)}</dd></div>" for label, v, kind in figures)
    words = {
        "soft": "accuracy × (latency / target)^-0.07",
        "hard": "accuracy up to the target, accuracy × target / latency above it",
    }
    how = (
        f"{found.plan.method}: {METHODS.describe(found.plan.method)}. Each network was trained for "
        f"{_counted(wanted.epochs, 'epoch')} on {100 * wanted.train_fraction:g} % of the training part. Latency is "
        f"that of {_counted(wanted.batch, 'picture')} a pass on {_counted(wanted.threads, 'thread')} of this machine. "
        f"Reward: {words[wanted.reward]}, target {found.target_ms:.3f} ms."
    )
    return (
        f'<header><p class="eyebrow">Neuropil · architecture search</p><h1>{escape(_title(found))}</h1>'
        f'<p class="lead">{escape(how)}</p><dl class="figures">{shown}</dl></header>'
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _pareto(found: ArchitectureFound) -> str:
    done = found.finished
    if not done:
        return ""
    trials = [Point(*point_of(one), _told(one, found)) for one in done]
    references = [
        Point(one.latency_ms, one.accuracy, f"{one.words}\n{_figures(one.latency_ms, one.accuracy)}", _short(one.words))
        for one in found.references
    ]
    best = next((place for place, one in enumerate(done) if found.best and one.number == found.best.number), None)
    chart = pareto_chart(trials, references, best=best, target=found.target_ms)
    told = (
        f"Validation {escape(readable(found.accuracy))} after the short training over latency, which grows by equal "
        "ratios. Blue: the networks tried, those on the stairs beaten by none; orange: the greatest reward"
    )
    told += "; squares: known networks, trained as long." if references else "."
    return section(
        "pareto", "Accurate and fast", told, f'<figure><div class="scroll wide">{chart.inline()}</div></figure>'
    )


def _short(words: str) -> str:
    """A reference's name for the picture."""
    kept = [word.partition("=")[2] if word.startswith("width=") else word for word in words.split()]
    kept = ["small" if word == "small_pictures=true" else word for word in kept]
    return " ".join(word for word in kept if not word.startswith("dropout="))


def _figures(latency: float, accuracy: float) -> str:
    return f"{number(accuracy)}, {latency:.3f} ms"


def _told(trial: Trial, found: ArchitectureFound) -> str:
    blocks = found.wanted.blocks(trial).replace(" - ", "\n")
    return f"trial {trial.number}: {_figures(*point_of(trial))}\n{blocks}"


def _best(found: ArchitectureFound) -> str:
    if found.best is None:
        return section("best", "The network found", "", "<p>No trial came to its end yet.</p>")
    blocks = escape(found.wanted.blocks(found.best))
    command = escape(f"neuropil train {found.folder / 'best.toml'}")
    toml = escape(found.best_recipe().to_toml())
    body = (
        f"<pre><code>model=searched model.blocks=&quot;{blocks}&quot;</code></pre><pre><code>{command}</code></pre>"
        f"<details><summary>best.toml</summary><pre><code>{toml}</code></pre></details>"
    )
    return section("best", "The network found", "Ready to train, as long as the recipe says.", body)


def _references(found: ArchitectureFound) -> str:
    if found.best is None or not found.again:
        return ""
    first = {one.words: (one.latency_ms, one.accuracy) for one in found.references}
    rows = [("found", *point_of(found.best), found.again.get("best"))]
    rows += [(words, *point, found.again.get(words)) for words, point in first.items()]
    cells = "".join(
        f'<tr><td class="t">{escape(name)}</td><td class="n">{number(accuracy)}</td><td class="n">{latency:.3f}</td>'
        f'<td class="n">{"–" if again is None else f"{again:.3f}"}</td></tr>'
        for name, latency, accuracy, again in rows
    )
    heads = f'<th>network</th><th class="n">{escape(readable(found.accuracy))}</th><th class="n">ms</th>'
    table = (
        f'<div class="scroll"><table><thead><tr>{heads}<th class="n">ms, again</th></tr></thead>'
        f"<tbody>{cells}</tbody></table></div>"
    )
    told = "Latency as first noted, and measured once more at the end, all networks in turn: how far it can be trusted."
    return section("references", "Beside known networks", told, table)


def _table(found: ArchitectureFound) -> str:
    front = {one.number for one in found.front}
    ranked = sorted(found.trials, key=lambda t: (t.state != "complete", -(t.value or 0.0), t.number))[:MOST_ROWS]
    rows = "".join(_row(one, found, one.number in front) for one in ranked)
    heads = (
        f'<th class="n">trial</th><th class="n">reward</th><th class="n">{escape(readable(found.accuracy))}</th>'
        '<th class="n">ms</th><th>front</th><th>blocks</th><th>state</th>'
    )
    table = f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return section("trials", "All networks", "Best first. Each is an ordinary run folder below runs/.", table)


def _row(trial: Trial, found: ArchitectureFound, on_front: bool) -> str:
    cells = [trial.value, trial.notes.get("accuracy"), trial.notes.get("latency_ms")]
    shown = "".join(f'<td class="n">{"–" if cell is None else number(cell)}</td>' for cell in cells)
    state = escape(trial.state + (f": {trial.failure}" if trial.failure else ""))
    best = " class=best" if found.best is not None and trial.number == found.best.number else ""
    return (
        f'<tr{best}><td class="n">{trial.number}</td>{shown}<td class="t">{"yes" * on_front}</td>'
        f'<td class="t">{escape(found.wanted.blocks(trial))}</td><td class="t">{state}</td></tr>'
    )
