"""Colours and shapes of all pages and pictures: light and dark, for screens of any width and for print."""

from __future__ import annotations

from typing import Final

SERIES: Final = 6
"""The number of series in a picture that can be told apart, by colour and by dash."""

_LIGHT: Final = """
  --paper: #ffffff; --panel: #f5f6f8; --ink: #1b1f27; --soft: #4a5260; --rule: #d5d9e0;
  --good: #1a7046; --bad: #b3261e; --plain: #4a5260;
  --c1: #1f63c4; --c2: #b04a12; --c3: #1a7046; --c4: #8a3aa8; --c5: #7a6200; --c6: #4a5260;
"""
_DARK: Final = """
  --paper: #14171c; --panel: #1d2128; --ink: #eceff3; --soft: #b3bbc7; --rule: #3a414c;
  --good: #5fd09a; --bad: #ff8f87; --plain: #b3bbc7;
  --c1: #74aef8; --c2: #f29a62; --c3: #5fd09a; --c4: #cf9be6; --c5: #dcc254; --c6: #b3bbc7;
"""
_DASHES: Final = ("none", "6 3", "2 3", "8 3 2 3", "4 2", "1 2")

THEME: Final = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
@media print {{ :root {{ color-scheme: light; {_LIGHT} }} }}
"""
_KINDS: Final = "\n".join(
    f".chart .c{number} {{ --c: var(--c{number}); --dash: {dash}; }}" for number, dash in enumerate(_DASHES, 1)
)

CHART: Final = f"""
.chart text {{ font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--soft); }}
.chart .title {{ font-size: 14px; font-weight: 600; fill: var(--ink); }}
.chart .tag {{ fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke; }}
.chart .strong {{ fill: var(--ink); }}
.chart .grid {{ stroke: var(--rule); stroke-width: 1; }}
.chart .axis {{ stroke: var(--soft); stroke-width: 1; }}
.chart .line {{ fill: none; stroke: var(--c); stroke-width: 2; stroke-dasharray: var(--dash); stroke-linejoin: round; }}
.chart .band {{ fill: var(--c); fill-opacity: .16; stroke: none; }}
.chart .area {{ fill: var(--c); fill-opacity: .72; stroke: var(--paper); stroke-width: .8; }}
.chart .bar {{ fill: var(--c); fill-opacity: .55; }}
.chart .outline {{ fill: none; stroke: var(--c); stroke-width: 1.8; stroke-dasharray: var(--dash); }}
.chart .whisker {{ stroke: var(--ink); stroke-width: 1.6; }}
.chart .mark {{ fill: var(--c); stroke: var(--paper); stroke-width: 1.2; }}
.chart .limit {{ stroke: var(--ink); stroke-width: 1.4; stroke-dasharray: 5 3; }}
.chart .good {{ --c: var(--good); }} .chart .bad {{ --c: var(--bad); }} .chart .plain {{ --c: var(--plain); }}
{_KINDS}
"""

PAGE: Final = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font-family: system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, ul { max-width: 46rem; } a { color: var(--c1); }
.lead { font-size: 1.05rem; } .note, figcaption, caption, footer { color: var(--soft); font-size: .88rem; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--rule); padding-top: .8rem; }
nav ul { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; max-width: none; }
.wide { overflow-x: auto; margin: 1rem 0; } .wide:focus-visible { outline: 2px solid var(--c1); outline-offset: 2px; }
figure { margin: 1rem 0; } figure .wide { margin: 0; }
figure svg { display: block; width: 100%; min-width: 34rem; max-width: 48rem; height: auto; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal; min-width: 20rem; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; border-bottom-color: var(--soft); vertical-align: bottom; }
tbody th { font-weight: 500; } .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.card { background: var(--panel); border: 1px solid var(--rule); border-left: .3rem solid var(--plain);
  border-radius: .3rem; padding: .7rem .9rem; }
.card.good { border-left-color: var(--good); } .card.bad { border-left-color: var(--bad); }
.card .value { font-size: 1.3rem; white-space: nowrap; font-weight: 600; display: block; }
.card .detail { color: var(--soft); }
.card span { display: block; font-size: .88rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .card.good, .card.bad { color: inherit; }
details { border: 1px solid var(--rule); border-radius: .3rem; padding: .4rem .8rem; margin: .5rem 0; }
summary { cursor: pointer; } pre { background: var(--panel); padding: .6rem .8rem; margin: .5rem 0; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
@media print {
  main { max-width: none; padding: 0; } body { font-size: 10pt; } nav { display: none; }
  figure, .card, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } figure svg { min-width: 0; } * { print-color-adjust: exact; }
}
"""
