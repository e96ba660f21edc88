"""`neuropil draw time`, `draw paths` and `draw attention`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import say

__all__ = ["attention", "paths", "time"]


def time(*cells: str, steps: int = 40, opened: float = 6.0, to: Path = Path("time.html")) -> None:
    """How long recurrent cells feel their first input, and the terms of a gradient through time.

    Parameters
    ----------
    cells
        rnn, lstm, lstm_peephole, gru; the three plain ones where left out.
    steps
        Length of the sequence.
    opened
        Bias of the gates that keep: the larger, the longer.
    to
        The file to write: .html, or .svg for the first picture alone.
    """
    from neuropil.gallery.building import time_pictures, write_page

    page = time_pictures(cells or ("rnn", "lstm", "gru"), steps, opened)
    say(str(write_page(page, to)), *page.notes)


def paths(surface: str = "valley", /, *words: str, steps: int = 60, to: Path = Path("paths.html")) -> None:
    """The ways of the nine update rules: SURFACE is valley, rosenbrock, beale or saddle; words are rates, adam=0.1."""
    from neuropil.gallery.building import path_pictures, write_page

    page = path_pictures(surface, words, steps)
    say(str(write_page(page, to)), *page.notes)


def attention(file: Path, /, *, to: Path = Path("attention.html")) -> None:
    """Attention by layer and head: an .npz of weights [layers, heads, T, S], and queries and keys, their words."""
    from neuropil.gallery.building import attention_pictures, write_page

    page = attention_pictures(file)
    say(str(write_page(page, to)), *page.notes)
