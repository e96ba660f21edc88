"""The colours of every picture, light and dark, and the style sheet of the charts.

The six series colours keep apart for the three common kinds of colour blindness and stand out from both papers
(contrast at least 3 : 1; text at least 4.5 : 1). Tests hold both.
"""

from __future__ import annotations

__all__ = ["CHART_STYLE", "DARK", "LIGHT", "NUM_SERIES_COLOURS", "variables"]

LIGHT = {
    "paper": "#fdfcfa",
    "panel": "#f4f2ed",
    "ink": "#1d2126",
    "muted": "#5d6670",
    "line": "#dcd8cf",
    "s1": "#1667b0",
    "s2": "#cc4e0c",
    "s3": "#1f4d16",
    "s4": "#c05997",
    "s5": "#6a2250",
    "s6": "#7a7f3a",
}
DARK = {
    "paper": "#14171b",
    "panel": "#1d2126",
    "ink": "#e8e6e1",
    "muted": "#9aa3ad",
    "line": "#343a42",
    "s1": "#6db3f5",
    "s2": "#ff8f57",
    "s3": "#dff0a0",
    "s4": "#a866f0",
    "s5": "#d9a3b8",
    "s6": "#77828e",
}
NUM_SERIES_COLOURS = 6


def variables(selector: str) -> str:
    """The CSS that gives `selector` the colours as variables `--np-…`, light or dark as the reader has it."""
    light = "".join(f"--np-{name}:{colour};" for name, colour in LIGHT.items())
    dark = "".join(f"--np-{name}:{colour};" for name, colour in DARK.items())
    return f"{selector}{{{light}}}\n@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}\n"


CHART_STYLE = """.np-chart{
font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,"Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums;max-width:100%;height:auto;display:block}
.np-chart text{fill:var(--np-ink)}
.np-chart .quiet{fill:var(--np-muted)}
.np-chart .small{font-size:11px}
.np-chart .strong{font-weight:600}
.np-chart .grid{stroke:var(--np-line);stroke-width:1}
.np-chart .axis{stroke:var(--np-muted);stroke-width:1}
.np-chart .dashed{stroke-dasharray:3 3}
.np-chart .frame{fill:none;stroke:var(--np-line)}
.np-chart .ground{fill:var(--np-panel)}
.np-chart .paper{fill:var(--np-paper)}
.np-chart .on-colour{fill:var(--np-paper)}
.np-chart .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.np-chart .dashes1{stroke-dasharray:7 4}
.np-chart .dashes2{stroke-dasharray:2 3}
.np-chart .band{fill-opacity:.14;stroke:none}
.np-chart .ring{fill:var(--np-paper);stroke-width:2}
.np-chart .point{fill-opacity:.55}
.np-chart .hover>*{opacity:0}
.np-chart .hover>rect{fill:transparent;opacity:1}
.np-chart .hover:hover>*{opacity:1}
.np-chart .cell:hover{stroke:var(--np-ink);stroke-width:1.5}
.np-chart .count{pointer-events:none}
.np-chart image{image-rendering:pixelated}
.np-chart image.photo{image-rendering:auto}
.np-chart .box{fill:none;stroke-width:2}
.np-chart .box.there{stroke-dasharray:5 4;stroke-width:1.5}
.np-chart .block{fill:var(--np-panel);stroke:var(--np-muted);stroke-opacity:.6}
.np-chart .block.bare{fill:none;stroke:none}
.np-chart .wire{fill:none;stroke:var(--np-muted);stroke-width:1.2;stroke-linejoin:round}
.np-chart .wire:hover{stroke:var(--np-ink);stroke-width:2.2}
.np-chart .tip{fill:var(--np-muted)}
.np-chart a:hover .block{stroke-width:2.4}
.np-chart .tag{font-size:11px;font-weight:600;paint-order:stroke;stroke:var(--np-paper);stroke-width:3px}
""" + "".join(
    f".np-chart .s{n}{{stroke:var(--np-s{n})}}.np-chart .f{n},.np-chart text.f{n}{{fill:var(--np-s{n})}}\n"
    f".np-chart .b{n}{{fill:color-mix(in srgb,var(--np-s{n}) 16%,var(--np-paper));stroke:var(--np-s{n})}}\n"
    for n in range(1, NUM_SERIES_COLOURS + 1)
)
