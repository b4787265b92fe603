"""A report as one HTML file: no network, no other file, readable without scripts except for the charts."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from importlib.resources import files

from ebbtide.report.model import Bars, Report, Table

_LONG_ROWS = 25
"""From there on a table gets a scroll bar of its own, but on paper."""


def render_page(report: Report) -> str:
    """The whole document."""
    here = files("ebbtide.report")
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "charts.js"))
    charts = "\n".join(
        f'<section class="chart"><h2>{escape(chart.title)}</h2><p>{escape(chart.explanation)}</p>'
        f'<div id="chart-{number}"></div></section>'
        for number, chart in enumerate(report.charts)
    )
    # `</script>` inside the data would end it, and `<!--<script>` hide its end.
    data = json.dumps([asdict(chart) for chart in report.charts], separators=(",", ":")).replace("<", "\\u003c")
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{escape(report.title)}</h1>
<p class="lead">{escape(report.lead)}</p>
{_tables(report.tables)}
{charts}
<noscript>The charts need JavaScript; the tables do not.</noscript>
{_bars(report.bars)}
{_tables(report.notes)}
</main>
<script type="application/json" id="charts">{data}</script>
<script>
{script}</script>
</body>
</html>
"""


def _bars(several: list[Bars]) -> str:
    return "\n".join(map(_bar_rows, several))


def _bar_rows(bars: Bars) -> str:
    name, most = bars.limit
    scale = max([most, *(value for row in bars.rows for value in (row.outer, row.inner))]) or 1

    def place(value: float) -> str:
        return f"{100 * max(0.0, value) / scale:.2f}%"

    line = f'<line class="limit" x1="{place(most)}" x2="{place(most)}" y1="0" y2="100%"/>'
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row.name)}</th><td class="track"><svg aria-hidden="true">'
        f'<rect class="outer" width="{place(row.outer)}" height="12" y="2"/>'
        f'<rect class="inner" width="{place(row.inner)}" height="4" y="6"/>{line}</svg></td>'
        f'<td class="outer">{row.outer:.1f}</td><td class="inner">{row.inner:.1f}</td></tr>'
        for row in bars.rows
    )
    limit = f'<text x="{place(most)}" y="12" text-anchor="end">{escape(name)} {most:g} {escape(bars.unit)}</text>'
    heads = "".join(
        f'<th scope="col" class="{kind}">{escape(text)}, {escape(bars.unit)}</th>'
        for kind, text in (("outer", bars.outer), ("inner", bars.inner))
    )
    return (
        f'<section class="bars"><h2>{escape(bars.title)}</h2><p>{escape(bars.explanation)}</p><div class="table">'
        f'<table><thead><tr><th></th><th class="track"><svg>{limit}</svg></th>{heads}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _tables(tables: list[Table]) -> str:
    return "\n".join(map(_table, tables))


def _table(table: Table) -> str:
    # Figures are read from the right, words from the left.
    columns = zip(*table.rows, strict=True) if table.rows else [() for _ in table.headings]
    kinds = ["figures" if any(cell[:1].isdigit() for cell in column) else "words" for column in columns]
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(heading)}</th>'
        for kind, heading in zip(kinds, table.headings, strict=True)
    )
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds[1:], row[1:], strict=True))
        + "</tr>"
        for row in table.rows
    )
    body = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"
    size = "table long" if len(table.rows) > _LONG_ROWS else "table"
    return f'<section><h2>{escape(table.title)}</h2><div class="{size}">{body}</div></section>'
