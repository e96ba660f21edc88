"""The findings as one HTML page that holds all it needs: what was found, where, and the pictures that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.checking import APPLIES, CHECKS
from neuropil.checking.records import DataReport, Finding, Place
from neuropil.checking.subjects import Subject
from neuropil.drawing.boxes import boxed
from neuropil.drawing.document import html_document
from neuropil.drawing.images import png_uri
from neuropil.drawing.masks import with_mask
from neuropil.drawing.records import DrawnBox
from neuropil.drawing.report_sections import section
from neuropil.drawing.report_style import PAGE_STYLE
from neuropil.drawing.wording import duration, escape, shorten
from neuropil.errors import InputError

__all__ = ["write_page"]

Array = np.ndarray[Any, Any]

STYLE = (
    PAGE_STYLE
    + """
a{color:var(--np-s1)}
.finding{margin:0 0 1.2rem;border-left:3px solid var(--np-line);padding-left:.9rem}
.finding.error{border-color:var(--np-s2)}.finding.warning{border-color:var(--np-s1)}
.finding p{margin:0;overflow-wrap:anywhere}.finding .where{font-weight:600;display:block}
.finding .tiles{margin-top:.6rem;grid-template-columns:repeat(auto-fill,minmax(6.4rem,8rem))}
blockquote{margin:.4rem 0 0;padding:.3rem .7rem;background:var(--np-panel);border-radius:4px;font-size:.875rem;
overflow-wrap:anywhere}
"""
)

MOST_SHOWN = 24
"""Findings of one check that are shown with their samples; the others stand in a list."""

MOST_LISTED = 1_000
MOST_SAMPLES = 4
TILE = 160
"""Longest side of a picture on the page."""


def write_page(report: DataReport, subject: Subject) -> str:
    """The page as text."""
    by_check = {name: [one for one in report.findings if one.check == name] for name in report.checks}
    found = {name: findings for name, findings in by_check.items() if findings}
    order = sorted(found, key=lambda name: [one.severity for one in report.findings].index(found[name][0].severity))
    sections = "\n".join(_of_check(name, found[name], subject) for name in order)
    clean = [name for name in report.checks if name not in found]
    title = f"{report.source}: {_count(len(report.findings), 'finding')}"
    parts = ", ".join(f"{count:,} {part}" for part, count in report.parts.items()) or "nothing could be opened"
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    body = f"""<main class="page">
<p class="eyebrow">Data check</p>
<h1>{escape(report.source)}</h1>
<p class="lead">Read as {escape(report.kind)}: {escape(parts)}. {_count(len(report.checks), "check")} in \
{duration(report.seconds)}.</p>
{_figures(report)}
{_overview(report, found)}
{sections}
{section("clean", "Nothing found", "", _clean(clean)) if clean else ""}
{section("read", "How it was read", "", f'<ul class="plain">{notes}</ul>') if notes else ""}
</main>"""
    return html_document(title, body, STYLE)


def _clean(names: Sequence[str]) -> str:
    rows = "".join(f"<dt>{_title(name)}</dt><dd>{escape(CHECKS.describe(name))}</dd>" for name in names)
    return f'<dl class="facts">{rows}</dl>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _figures(report: DataReport) -> str:
    counts = {name: sum(one.severity == name for one in report.findings) for name in ("error", "warning", "note")}
    figures = "".join(f"<div><dt>{name}s</dt><dd>{count:,}</dd></div>" for name, count in counts.items())
    return f'<dl class="figures">{figures}</dl>'


def _overview(report: DataReport, found: dict[str, list[Finding]]) -> str:
    rows = "".join(
        f'<tr><td><a href="#{name}">{_title(name)}</a></td><td class="t">{escape(CHECKS.describe(name))}</td>'
        f'<td class="n">{len(findings):,}</td></tr>'
        for name, findings in found.items()
    )
    if not rows:
        return section("overview", "Overview", "", "<p>Nothing was found.</p>")
    head = '<tr><th>check</th><th>what it finds</th><th class="n">findings</th></tr>'
    told = "An error stops training or spoils its score; a note may well be as it should."
    return section("overview", "Overview", told, f'<div class="scroll"><table>{head}{rows}</table></div>')


def _title(name: str) -> str:
    return escape(name.replace("_", " "))


def _of_check(name: str, findings: Sequence[Finding], subject: Subject) -> str:
    shown = "".join(_finding(one, subject) for one in findings[:MOST_SHOWN])
    others = findings[MOST_SHOWN : MOST_SHOWN + MOST_LISTED]
    if others:
        lines = "".join(f"<li>{escape(one.where)}: {escape(one.sentence)}</li>" for one in others)
        left = len(findings) - MOST_SHOWN - len(others)
        more = f"<p>{left:,} more are not listed; --json gives all.</p>" if left > 0 else ""
        shown += (
            f'<details><summary>{len(findings) - MOST_SHOWN:,} more</summary><ul class="plain">{lines}</ul>{more}'
            "</details>"
        )
    title = _title(name)
    told = f"{escape(CHECKS.describe(name))}: {len(findings):,}"
    return section(name, title[:1].upper() + title[1:], told, f"<div>{shown}</div>")


def _finding(one: Finding, subject: Subject) -> str:
    tiles = "".join(filter(None, (_tile(place, subject) for place in one.samples[:MOST_SAMPLES])))
    quotes = "".join(filter(None, (_quote(place, subject) for place in one.samples[:MOST_SAMPLES])))
    pictures = f'<ul class="tiles">{tiles}</ul>' if tiles else ""
    return (
        f'<div class="finding {one.severity}"><p><span class="where">{escape(one.where)}</span> '
        f"{escape(one.sentence)}</p>{pictures}{quotes}</div>\n"
    )


def _tile(place: Place, subject: Subject) -> str:
    if not subject.has_pictures or place.index < 0 or place.part not in subject.parts:
        return ""
    try:
        image, photo = _drawn(place, subject)
    except InputError:
        return ""
    label = _label(place, subject)
    said = f"{escape(shorten(place.name.rpartition('/')[2], 120, 12))}"
    kind = ' class="photo"' if photo else ""
    return (
        f'<li><figure><img{kind} src="{png_uri(image, TILE)}" alt="{escape(place)}" title="{escape(place)}">'
        f'<figcaption>{escape(place.part)} {escape(label)}<span class="name">{said}</span></figcaption></figure></li>'
    )


def _drawn(place: Place, subject: Subject) -> tuple[Array, bool]:
    """A sample's picture with what is marked in it, and whether it is large enough to be smoothed."""
    samples = subject.parts[place.part]
    images, targets = samples.fetch(np.array([place.index]))
    image, target, info = images[0], np.asarray(targets)[0], samples.info
    photo = max(image.shape[1:]) > 64
    if image.shape[0] not in (1, 3):
        image = image[:1]
    if info.target == "boxes":
        boxes = [
            DrawnBox(int(row[0]), (float(row[1]), float(row[2]), float(row[3]), float(row[4])))
            for row in target
            if row[0] >= 0
        ]
        return boxed(image, boxes, info.classes), photo
    if info.target == "masks":
        return with_mask(image, target if target.ndim == 2 else target[0]), photo
    return image, photo


def _label(place: Place, subject: Subject) -> str:
    if "labelled" not in subject.traits:
        return ""
    samples = subject.parts[place.part]
    return samples.info.classes[int(np.asarray(samples.targets)[place.index])]


def _quote(place: Place, subject: Subject) -> str:
    """The text that a place names."""
    if not APPLIES["lengths"] & subject.traits or place.index < 0:
        return ""
    texts = subject.once("by part", lambda: {(one.place.part, one.place.index): one for one in subject.records})
    one = texts.get((place.part, place.index))
    if one is None:
        return ""
    label = f" — {escape(one.label)}" if one.label and one.sentence is None else ""
    sides = "<br>".join(escape(side if len(side) <= 300 else side[:299] + "…") for side in one.sides)
    return f'<blockquote title="{escape(place)}">{sides}{label}</blockquote>'
