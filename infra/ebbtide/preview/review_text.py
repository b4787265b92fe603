"""A review on a terminal, or as plain text in a pipe."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ebbtide.explain.text import findings_list
from ebbtide.preview.document import ChangedResource, RefusalDocument, ReviewDocument
from ebbtide.preview.lines import alike_changes, details_of, lines_of, named
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.show import SYMBOLS
from ebbtide.preview.timelines import TimelineChange

_COLOURS = {
    RiskLevel.DANGER: "bold red",
    RiskLevel.NOT_JUDGED: "bold cyan",
    RiskLevel.DISRUPTIVE: "bold yellow",
    RiskLevel.SCALING: "bold magenta",
    RiskLevel.INFO: "blue",
}
# A plan is written by others, and a terminal obeys what stands in it.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _text(text: str, style: str = "") -> Text:
    return Text(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text), style)


def print_review(review: ReviewDocument, console: Console) -> None:
    """The verdict, the risks worst first, then what changes resource by resource."""
    console.print(_text(review.verdict, _COLOURS[review.level] if review.level else "bold green"))
    console.print(_text(f"{review.counts}. {review.source}", "dim"))
    for note in review.notes:
        console.print(_text(f"note: {note}", "yellow"))
    if review.risks:
        console.print()
        console.print(_risks(review))
    for line in review.what_if:
        console.print(_text(f"what if: {line}"))
    for line in review.cost:
        console.print(_text(f"cost: {line}"))
    for timeline in review.timelines:
        console.print()
        console.print(_text(f"How a pod of {timeline.consumer} stops", "bold"))
        console.print(_timelines(timeline))
    details = details_of(review.risks)
    for alike in alike_changes(review.changes):
        console.print()
        _print_changes(alike, details, console)


def print_refusal(refusal: RefusalDocument, console: Console) -> None:
    """The verdict and every reason."""
    console.print(_text(refusal.verdict, "bold red"))
    console.print(findings_list(refusal.findings))


def _risks(review: ReviewDocument) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for line in lines_of(review.risks):
        advice = f" ({line.advice})" if line.advice else ""
        table.add_row(_text(line.level.value, _COLOURS[line.level]), _text(line.rule), _text(line.sentence + advice))
    return table


def _timelines(timeline: TimelineChange) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    table.add_column("")
    for before, after, what in timeline.rows():
        table.add_row(before, after, _text(what))
    return table


def _print_changes(alike: list[ChangedResource], details: Mapping[str, list[str]], console: Console) -> None:
    change = alike[0]
    count = f"{len(alike)} alike: " if len(alike) > 1 else ""
    title = f"{SYMBOLS[change.operation]} {count}{change.kind} {named(one.title for one in alike)}"
    console.print(_text(title, "bold"), _text(change.operation, "dim"))
    for one in alike:
        for detail in details.get(one.key, ()):
            console.print(_text(f"    {detail}"))
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for found in change.properties:
        forced = _text(" (cannot change in place)", "red") if found.replaces else Text()
        table.add_row(_text(f"    {found.path}"), _text(found.shown) + forced)
    for option in change.options:
        table.add_row(_text(f"    option {option.name}"), _text(f"{option.old} → {option.new}"))
    if change.properties or change.options:
        console.print(table)
