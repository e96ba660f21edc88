"""SVG written by hand: elements as strings, and the `Picture` that every chart gives back."""

from __future__ import annotations

from dataclasses import dataclass

from neuropil.drawing.palette import CHART_STYLE, variables
from neuropil.drawing.wording import escape

__all__ = ["Picture", "element", "hover", "short", "text"]


def short(value: float | str) -> str:
    """A coordinate with at most two decimals; text as it is.

    Example:
        >>> short(3.14159), short(2.0), short(-0.001)
        ('3.14', '2', '0')
    """
    if isinstance(value, str):
        return value
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def element(tag: str, *children: str, **attributes: float | str) -> str:
    """One element; attribute values are escaped, children must be elements already.

    Args:
        tag: the element's name.
        children: finished elements, or escaped text.
        attributes: `_` in a name is written `-`; a trailing one is dropped (`class_`).

    Example:
        >>> element("rect", hover("a < b"), class_="cell", fill_opacity=0.5)
        '<rect class="cell" fill-opacity="0.5"><title>a &lt; b</title></rect>'
    """
    named = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(short(v))}"' for key, v in attributes.items())
    inside = "".join(children)
    return f"<{tag}{named}>{inside}</{tag}>" if inside else f"<{tag}{named}/>"


def hover(told: str) -> str:
    """The child that makes a browser show a text while the pointer rests on its parent."""
    return f"<title>{escape(told)}</title>"


def text(x: float, y: float, content: str, *, anchor: str = "start", title: str | None = None, **more: str) -> str:
    """A line of text whose baseline starts, centres or ends (`anchor`) at a point; the content is escaped."""
    inside = escape(content) if title is None else hover(title) + escape(content)
    return element("text", inside, x=x, y=y, text_anchor=anchor, **more)


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished drawing; a notebook shows it by itself.

    Args:
        body: the elements inside the `<svg>`.
        width: of the drawing, in pixels.
        height: of the drawing, in pixels.
        label: what it shows, for readers who cannot see it.

    Example:
        >>> Picture(element("circle", r=5), 10, 10, "a dot").inline()[:62]
        '<svg class="np-chart" viewBox="0 0 10 10" width="10" height="1'
    """

    body: str
    width: float
    height: float
    label: str

    def inline(self) -> str:
        """The drawing for a page that already holds `CHART_STYLE` and the colours."""
        return self._svg(self.body)

    @property
    def svg(self) -> str:
        """The drawing as a file of its own: with its style, its colours (light and dark) and its paper."""
        style = f"<style>{variables('.np-chart')}{CHART_STYLE}</style>"
        paper = element("rect", class_="paper", width=self.width, height=self.height)
        return self._svg(style + paper + self.body, xmlns="http://www.w3.org/2000/svg")

    def _svg(self, body: str, **more: str) -> str:
        box = f"0 0 {short(self.width)} {short(self.height)}"
        shape: dict[str, float | str] = {"viewBox": box, "width": self.width, "height": self.height}
        return element("svg", body, **more, class_="np-chart", **shape, role="img", aria_label=self.label)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return self.svg
