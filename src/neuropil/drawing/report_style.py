"""The style sheet of the report: one column on a phone, a margin of headings on a laptop; light, dark and paper."""

from __future__ import annotations

from neuropil.drawing.palette import CHART_STYLE, variables

__all__ = ["PAGE_STYLE"]

_LAYOUT = """
*{box-sizing:border-box}
html{color-scheme:light dark;background:var(--np-paper);-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;color:var(--np-ink);background:var(--np-paper);line-height:1.55;
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,"Liberation Sans",sans-serif}
.page{max-width:1140px;margin:0 auto;padding:3.5rem 2rem 4rem}
h1,h2{font-family:"Iowan Old Style","Palatino Linotype",Palatino,"URW Palladio L",P052,Charter,Georgia,
"Liberation Serif",serif;font-weight:600;line-height:1.15;text-wrap:balance;margin:0}
h1{font-size:clamp(1.9rem,1.4rem + 2.4vw,3rem);letter-spacing:-.012em}
h2{font-size:1.35rem}
h3{font-size:.95rem;font-weight:600;margin:0 0 .5rem}
p{margin:0 0 .75rem;max-width:44rem}
.quiet,.lead,figcaption,caption,th{color:var(--np-muted)}
.small{font-size:.875rem}
.lead{font-size:1.06rem;margin-top:.7rem}
.eyebrow{font-size:.8rem;letter-spacing:.09em;text-transform:uppercase;color:var(--np-muted);margin:0 0 .8rem}
.figures{display:flex;flex-wrap:wrap;gap:1.4rem 3rem;margin:2.2rem 0 0;align-items:flex-end}
.figures div{min-width:0}
.figures dt{font-size:.85rem;color:var(--np-muted)}
.figures dd{margin:0;font-size:1.55rem;line-height:1.2;font-weight:500;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
.figures .hero dd{font-size:clamp(2.6rem,2rem + 2.6vw,3.6rem);line-height:1;font-weight:600;letter-spacing:-.02em;
color:var(--np-s1)}
section{border-top:1px solid var(--np-line);padding:1.9rem 0 0;margin:2.6rem 0 0;display:grid;
grid-template-columns:11.5rem minmax(0,1fr);gap:1.2rem 2.5rem}
section>header p{font-size:.875rem;line-height:1.45;color:var(--np-muted);margin:.55rem 0 0}
.body{min-width:0;display:grid;gap:1.6rem;grid-template-columns:minmax(0,1fr)}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:1.8rem 2rem}
.charts figure,.body>figure{margin:0;min-width:0}
.beside figure{margin:0}
.extras{display:flex;flex-wrap:wrap;gap:1.8rem 3rem}
.charts .np-chart{width:100%}
.beside{display:grid;grid-template-columns:minmax(0,auto) minmax(15rem,1fr);gap:1.6rem 2.4rem;align-items:start}
.beside.tall{grid-template-columns:minmax(0,1fr)}
.scroll{overflow-x:auto;max-width:100%;scrollbar-width:thin}
.scroll.wide .np-chart{min-width:30rem}
.scroll.dense .np-chart{max-width:none;width:100%;min-width:46rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(7.2rem,1fr));gap:1.2rem 1rem;margin:0;padding:0;
list-style:none}
.tiles figure{margin:0}
.tiles img,.filters img{display:block;width:100%;image-rendering:pixelated;background:var(--np-panel);border-radius:3px}
.tiles img{aspect-ratio:1;object-fit:contain}
.tiles img.photo{image-rendering:auto}
.tiles figcaption{font-size:.84rem;line-height:1.35;margin-top:.4rem;overflow-wrap:anywhere}
.tiles .name{display:block;font-size:.75rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.pair{margin:0;display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.6rem}
.pair img{display:block;width:100%;border-radius:3px}
.pair figcaption{grid-column:1/-1;font-size:.84rem}
.right{color:var(--np-s1);font-weight:600}
.wrong{color:var(--np-s2);font-weight:600}
.filters{display:grid;grid-template-columns:repeat(auto-fill,minmax(3.4rem,4.2rem));gap:.5rem}
.filters img{border:1px solid var(--np-line);aspect-ratio:1}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:0 0 .5rem;font-weight:600;color:var(--np-ink)}
th{font-weight:500;text-align:left;white-space:nowrap;font-size:.8rem}
th,td{padding:.32rem 1.1rem .32rem 0;border-bottom:1px solid var(--np-line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;white-space:nowrap}
td.t{overflow-wrap:break-word}
tr.best td{font-weight:600;color:var(--np-s1)}
.facts{display:grid;grid-template-columns:minmax(8rem,max-content) minmax(0,1fr);margin:0;font-size:.875rem}
.facts dt,.facts dd{padding:.32rem 1.2rem .32rem 0;border-bottom:1px solid var(--np-line);margin:0}
.facts dt{color:var(--np-muted)}
.facts dd{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
pre{margin:0;padding:1rem 1.2rem;background:var(--np-panel);border-radius:6px;overflow-x:auto;
font:.82rem/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;tab-size:2}
pre .k{color:var(--np-s1)}pre .h{color:var(--np-s5);font-weight:600}pre .c{color:var(--np-muted)}
ul.plain{margin:0;padding-left:1.1rem;max-width:44rem;overflow-wrap:anywhere}
ul.plain li{margin:.2rem 0}
details>summary{cursor:pointer;font-size:.9rem;color:var(--np-muted);padding:.2rem 0}
details[open]>summary{margin-bottom:.6rem}
summary:focus-visible{outline:2px solid var(--np-s1);outline-offset:3px;border-radius:2px}
footer{border-top:1px solid var(--np-line);margin-top:2.6rem;padding-top:1rem;font-size:.8rem;color:var(--np-muted)}
@media (max-width:900px){
section{grid-template-columns:minmax(0,1fr)}
section>header p{max-width:44rem}
.beside{grid-template-columns:minmax(0,1fr)}
}
@media (max-width:640px){
.page{padding:2rem .9rem 3rem}
.charts{grid-template-columns:minmax(0,1fr)}
.figures{gap:1.1rem 2rem}
.figures .hero{flex-basis:100%}
section{margin-top:2rem;padding-top:1.4rem}
.tiles{grid-template-columns:repeat(auto-fill,minmax(6.2rem,1fr));gap:1rem .8rem}
.filters{grid-template-columns:repeat(auto-fill,minmax(2.9rem,1fr))}
.facts{grid-template-columns:minmax(0,1fr)}
.facts dt{border-bottom:0;padding-bottom:0}
.facts dd{padding-top:0}
pre{padding:.9rem;margin:0 -.2rem}
}
@media (hover:none){.pointer{display:none}}
@media print{
.page{padding:0;max-width:none}
figure,tr,.tiles li{break-inside:avoid}
pre{white-space:pre-wrap}
}
"""

PAGE_STYLE = "\n" + variables(":root") + CHART_STYLE + _LAYOUT
