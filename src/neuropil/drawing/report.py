"""The report of a run: one HTML page that holds all it needs, without scripts and without the network."""

from __future__ import annotations

from neuropil.drawing.document import html_document
from neuropil.drawing.masks import mask_pictures
from neuropil.drawing.records import Mistake, Report
from neuropil.drawing.report_boxes import box_pictures, detected
from neuropil.drawing.report_sections import (
    confusion,
    curves,
    data,
    filters,
    heading,
    machine,
    mistakes,
    recipe,
    scatter,
)
from neuropil.drawing.report_style import PAGE_STYLE

__all__ = ["Mistake", "Report", "write_page", "write_report"]

SECTIONS = (curves, confusion, detected, box_pictures, mask_pictures, scatter, mistakes, filters, data, recipe)
"""The sections that are the same for the same numbers, in their order on the page."""


def write_report(report: Report) -> str:
    """The page as text. All but `<section id="machine">` is the same to the last byte for the same numbers.

    Raises:
        InputError: arrays of shapes that cannot be drawn.

    Example:
        >>> page = write_report(Report("Digits <demo>", headline=[("test accuracy", 0.9876)]))
        >>> "Digits &lt;demo&gt;" in page, "<script" in page
        (True, False)
    """
    sections = "\n".join(filter(None, (section(report) for section in SECTIONS)))
    return write_page(report.title, f"{heading(report)}\n{sections}\n{machine(report)}")


def write_page(title: str, content: str) -> str:
    """A page that holds all it needs.

    Args:
        title: as text.
        content: finished HTML: a header, then sections.

    Example:
        >>> write_page("a < b", "<header></header>").count("a &lt; b")
        1
    """
    return html_document(title, f'<main class="page">\n{content}\n</main>', PAGE_STYLE)
