"""`neuropil draw run` and `draw flow`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import say

__all__ = ["flow", "run"]


def run(folder: Path, file: str | None = None, /, *, layer: str | None = None, to: Path | None = None) -> None:
    """What a trained network sees in a picture (saliency, filters, feature maps), or attends to in a text.

    Parameters
    ----------
    folder
        The run folder.
    file
        A picture, or a text in quotes; the first of the run's own test part where left out.
    layer
        The module whose maps Grad-CAM looks at; the last that gives maps where left out.
    to
        The file to write: .html, or .svg for the first picture alone; pictures.html in the run folder where left out.
    """
    from neuropil.gallery.building import write_page
    from neuropil.gallery.runs import run_pictures

    page = run_pictures(folder, file, layer)
    say(str(write_page(page, to or folder / "pictures.html")), *page.notes)


def flow(*words: str, steps: int = 60, to: Path = Path("flow.html")) -> None:
    """How gradients flow in the first steps of a training, by layer and component: a recipe and key=value words."""
    from neuropil.gallery.building import write_page
    from neuropil.gallery.runs import flow_pictures

    page = flow_pictures(words, steps)
    say(str(write_page(page, to)), *page.notes)
