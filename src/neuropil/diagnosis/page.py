"""A diagnosis as one HTML page that holds all it needs: each finding with its evidence drawn."""

from __future__ import annotations

import math

from neuropil.diagnosis.records import FAULTS, Diagnosis, Finding, Graph
from neuropil.drawing.charts import Curves, Series, bar_chart, line_chart
from neuropil.drawing.document import html_document
from neuropil.drawing.report_sections import section
from neuropil.drawing.report_style import PAGE_STYLE
from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import duration, escape

__all__ = ["draw_graph", "write_page"]

STYLE = (
    PAGE_STYLE
    + """
.finding p{margin:.3rem 0;overflow-wrap:anywhere}
.finding .change{border-left:3px solid var(--np-s1);padding-left:.8rem;margin:.8rem 0}
.finding .charts{display:flex;flex-wrap:wrap;gap:1.2rem;margin-top:.8rem}
.finding figure,.charts figure{margin:0}.finding figcaption,.charts figcaption{font-size:.8rem;margin-bottom:.3rem}
.charts{display:flex;flex-wrap:wrap;gap:1.2rem}
"""
)
MOST_BARS = 24


def write_page(diagnosis: Diagnosis) -> str:
    """The page as text."""
    count = len(diagnosis.findings)
    found = f"{count} finding{'' if count == 1 else 's'}" if count else "nothing was found"
    sections = "".join(_finding(one, place) for place, one in enumerate(diagnosis.findings))
    measured = "".join(f"<li>{escape(one)}</li>" for one in diagnosis.measured)
    said = "".join(f"<li>{escape(one)}</li>" for one in diagnosis.warnings)
    drawn = "".join(_figure(one) for one in diagnosis.graphs)
    lead = f"{found[:1].upper()}{found[1:]}, in {duration(diagnosis.seconds)}."
    body = f"""<main class="page">
<p class="eyebrow">Diagnosis</p>
<h1>{escape(diagnosis.run)}</h1>
<p class="lead">{escape(lead)}{" Causes stand first." if count > 1 else ""}</p>
{sections}
{section("warnings", "What the run said while it trained", "", f'<ul class="plain">{said}</ul>') if said else ""}
{section("layers", "Layer by layer", "", f'<div class="charts">{drawn}</div>') if drawn else ""}
{section("measured", "What was looked at", "", f'<ul class="plain">{measured}</ul>')}
</main>"""
    return html_document(f"{diagnosis.run}: {found}", body, STYLE)


def _finding(one: Finding, place: int) -> str:
    name = one.fault.replace("_", " ")
    title = escape(name[:1].upper() + name[1:]) + (f" in {escape(one.layer)}" if one.layer else "")
    drawn = "".join(_figure(graph) for graph in one.graphs)
    charts = f'<div class="charts">{drawn}</div>' if drawn else ""
    inside = (
        f'<div class="finding"><p>{escape(one.evidence[:1].upper() + one.evidence[1:])}.</p>'
        f'<p class="change">To try: {escape(one.change)}</p>{charts}</div>'
    )
    return section(f"finding-{place + 1}", title, escape(FAULTS[one.fault]), inside)


def _figure(graph: Graph) -> str:
    return f"<figure><figcaption>{escape(graph.title)}</figcaption>{draw_graph(graph).inline()}</figure>"


def draw_graph(graph: Graph) -> Picture:
    """Bars or curves of a graph.

    Example:
        >>> draw_graph(Graph("share of dead units", ["relu1"], [0.5])).label
        'share of dead units'
    """
    if graph.labels:
        return bar_chart(graph.labels[:MOST_BARS], graph.values[:MOST_BARS], title=graph.title)
    series = [
        Series(name, list(places), [value if math.isfinite(value) else math.nan for value in values])
        for name, (places, values) in graph.curves.items()
    ]
    whole = all(float(place).is_integer() for one in series for place in one.x)
    return line_chart(Curves(graph.title, series, graph.across, graph.log, None, whole))
