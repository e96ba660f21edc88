"""Pictures on one HTML page that holds all it needs: no script, no link to the net, and parts that open by a click."""

from __future__ import annotations

import re
from dataclasses import dataclass

from neuropil.drawing.document import html_document
from neuropil.drawing.palette import CHART_STYLE, variables
from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import escape

__all__ = ["Fold", "Page"]

_LAYOUT = """
*{box-sizing:border-box}
html{color-scheme:light dark;background:var(--np-paper)}
body{margin:0;padding:2rem;color:var(--np-ink);background:var(--np-paper);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,"Liberation Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.2;font-weight:600;margin:0 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;font-weight:600;margin:2rem 0 .5rem}
p{margin:0 0 .6rem;max-width:46rem;color:var(--np-muted)}
.scroll{overflow-x:auto;max-width:100%;padding-bottom:.4rem}
.scroll .np-chart{max-width:none}
details{border-left:2px solid var(--np-line);margin:.35rem 0;padding-left:.9rem}
summary{cursor:pointer;color:var(--np-muted)}
summary b{color:var(--np-ink);font-weight:600}
details[open]>summary{margin-bottom:.5rem}
:target{scroll-margin-top:4rem}
summary:focus-visible,a:focus-visible{outline:2px solid var(--np-s1);outline-offset:2px}
"""
STYLE = "\n" + variables(":root") + CHART_STYLE + _LAYOUT
_LINK = re.compile(r'<a href="#[^"]*">(.*?)</a>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fold:
    """A part of the page that is closed until it is asked for.

    Args:
        title: its name.
        told: beside it.
        picture: what is inside.
        anchor: the place that a block's click leads to.
        folds: parts inside this part.
    """

    title: str
    told: str
    picture: Picture
    anchor: str
    folds: tuple[Fold, ...] = ()

    def html(self) -> str:
        """The part as an element; a link to its anchor opens it and all around it."""
        inner = "".join(one.html() for one in self.folds)
        inside = f'<div class="scroll" id="{escape(self.anchor)}">{self.picture.inline()}</div>{inner}'
        head = f"<summary><b>{escape(self.title)}</b> {escape(self.told)}</summary>"
        return f"<details>{head}{inside}</details>"


@dataclass(frozen=True, slots=True)
class Page:
    """One file to be opened in a browser; a notebook shows it by itself.

    Args:
        title: its heading.
        notes: sentences below it.
        pictures: each with a heading of its own, or none.
        folds: parts behind the pictures that open by a click.
        told: sentences between a picture's heading and itself, for each picture; or for none.

    Example:
        >>> page = Page("a <b>", (), ((None, Picture("", 10, 10, "nothing")),))
        >>> "<h1>a &lt;b&gt;</h1>" in page.html, "<script" in page.html
        (True, False)
    """

    title: str
    notes: tuple[str, ...]
    pictures: tuple[tuple[str | None, Picture], ...]
    folds: tuple[Fold, ...] = ()
    told: tuple[tuple[str, ...], ...] = ()

    @property
    def html(self) -> str:
        """The page as text."""
        parts = [f"<h1>{escape(self.title)}</h1>", *(f"<p>{escape(note)}</p>" for note in self.notes)]
        sentences = self.told or ((),) * len(self.pictures)
        for (heading, picture), told in zip(self.pictures, sentences, strict=True):
            parts.append(f"<h2>{escape(heading)}</h2>" if heading else "")
            parts += [f"<p>{escape(sentence)}</p>" for sentence in told]
            parts.append(f'<div class="scroll">{picture.inline()}</div>')
        parts += [one.html() for one in self.folds]
        body = "\n".join(filter(None, parts))
        return html_document(self.title, body, STYLE)

    @property
    def svg(self) -> str:
        """The first picture alone, as a file of its own; blocks open nothing there."""
        return _LINK.sub(r"<g>\1</g>", self.pictures[0][1].svg)

    def _repr_html_(self) -> str:
        tall = min(900, 140 + int(sum(picture.height + 60 for _, picture in self.pictures)))
        frame = f'srcdoc="{escape(self.html)}" width="100%" height="{tall}"'
        return f'<iframe {frame} style="border:0" title="{escape(self.title)}"></iframe>'
