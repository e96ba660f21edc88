"""The charts of a report as files: SVG always, PNG where the extra `plot` (matplotlib) is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from neuropil.drawing.confusion import confusion_chart, worst_classes
from neuropil.drawing.images import filter_grid, image_grid
from neuropil.drawing.records import Report
from neuropil.drawing.report_boxes import precision_recall
from neuropil.drawing.report_sections import curve_pictures, scatter_pictures
from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import value
from neuropil.files import write_atomic

__all__ = ["report_pictures", "write_plots"]

MAX_TILES = 32


def report_pictures(report: Report) -> dict[str, Picture]:
    """Each chart that a report has numbers for, by file name: `loss`, `confusion`, `mistakes` ...

    Raises:
        InputError: arrays of shapes that cannot be drawn.
    """
    pictures = curve_pictures(report)
    if report.confusion is not None and len(report.classes):
        pictures["confusion"] = confusion_chart(*worst_classes(report.confusion, report.classes))
    if (chart := precision_recall(report)) is not None:
        pictures["precision-recall"] = chart
    pictures |= scatter_pictures(report)
    shown = [(one.image, one) for one in report.mistakes if one.image is not None][:MAX_TILES]
    if shown:
        captions = [f"{value(one.truth)} → {value(one.predicted)}" for _, one in shown]
        pictures["mistakes"] = image_grid([image for image, _ in shown], captions, title="worst mistakes")
    if report.filters is not None and report.filters.ndim == 4 and report.filters.size:
        pictures["filters"] = filter_grid(report.filters)
    return pictures


def write_plots(folder: Path | str, report: Report, *, png: bool = True) -> list[Path]:
    """Write each chart of a report into a folder, which is made where it is missing; gives the files written.

    Args:
        folder: where to; files of the same names are replaced.
        report: what to draw.
        png: also write PNG files, where matplotlib is installed (about a second).

    Raises:
        InputError: arrays of shapes that cannot be drawn.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, picture in report_pictures(report).items():
        written.append(folder / f"{_file_name(name)}.svg")
        write_atomic(written[-1], picture.svg, durable=False)
    if png and written and find_spec("matplotlib") is not None:
        from neuropil.drawing.png import report_pngs

        for name, content in report_pngs(report).items():
            written.append(folder / f"{_file_name(name)}.png")
            write_atomic(written[-1], content, durable=False)
    return written


def _file_name(name: str) -> str:
    """A metric's name as a file name: letters, digits, `-`, `_` and inner dots only."""
    return "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in name).strip(".") or "chart"
