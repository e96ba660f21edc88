"""The report's sections on a detector: precision over recall, a table of classes, pictures with boxes."""

from __future__ import annotations

import numpy as np

from neuropil.drawing.boxes import box_picture
from neuropil.drawing.charts import Curves, Series, line_chart
from neuropil.drawing.palette import NUM_SERIES_COLOURS
from neuropil.drawing.records import Report
from neuropil.drawing.report_sections import section
from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import escape, number

__all__ = ["box_pictures", "detected", "precision_recall"]

MAX_PICTURES = 12


def precision_recall(report: Report) -> Picture | None:
    """Precision over recall of the six classes with most boxes."""
    if report.boxes is None or not np.nansum(report.boxes.table[:, 1]):
        return None
    most = np.argsort(-report.boxes.table[:, 1], kind="stable")[:NUM_SERIES_COLOURS]
    series = [
        Series(
            report.classes[row], report.boxes.recalls.tolist(), report.boxes.precisions[row].tolist(),
            int(row) % NUM_SERIES_COLOURS + 1,
        )
        for row in most
        if report.boxes.table[row, 1]
    ]  # fmt: skip
    return line_chart(Curves("precision over recall", series, "recall", whole=False))


def detected(report: Report) -> str:
    """Precision over recall, and each class's figures."""
    chart = precision_recall(report)
    if report.boxes is None or chart is None:
        return ""
    rows = ""
    for name, (precision, count, found, right) in zip(report.classes, report.boxes.table.tolist(), strict=True):
        score = "–" if not count else number(precision)
        rows += (
            f'<tr><td class="t">{escape(name)}</td><td class="n">{score}</td><td class="n">{count:,.0f}</td>'
            f'<td class="n">{found:,.0f}</td><td class="n">{right:,.0f}</td></tr>'
        )
    head = "".join(f'<th class="n">{one}</th>' for one in ("average precision", "there", "found", "right"))
    table = (
        f'<div class="scroll"><table><thead><tr><th>class</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
    told = "A box is right where it overlaps a true one of its class by a half or more, once for each true one."
    return section(
        "boxes", "What was found", told, f'<div class="charts"><figure>{chart.inline()}</figure></div>{table}'
    )


def box_pictures(report: Report) -> str:
    """The pictures with the greatest loss."""
    if report.boxes is None or not report.boxes.pictures:
        return ""
    figures = "".join(
        f"<figure>{box_picture(one, report.classes).inline()}<figcaption>{escape(one.name)}: {len(one.found)} found, "
        f"{len(one.there)} there</figcaption></figure>"
        for one in report.boxes.pictures[:MAX_PICTURES]
    )
    told = "Those with the greatest loss. Drawn through: found, with its score; dashed: the truth."
    return section("box-pictures", "Worst pictures", told, f'<div class="charts">{figures}</div>')
