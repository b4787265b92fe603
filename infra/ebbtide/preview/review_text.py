"""A review on a terminal, or as plain text in a pipe."""

from __future__ import annotations

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
from ebbtide.terminal import inert

_COLOURS = {
    RiskLevel.DANGER: "bold red",
    RiskLevel.NOT_JUDGED: "bold cyan",
    RiskLevel.DISRUPTIVE: "bold yellow",
    RiskLevel.SCALING: "bold magenta",
    RiskLevel.INFO: "blue",
}


def print_review(review: ReviewDocument, console: Console) -> None:
    """The verdict, the risks worst first, then what changes resource by resource."""
    console.print(inert(review.verdict, _COLOURS[review.level] if review.level else "bold green"))
    console.print(inert(f"{review.counts}. {review.source}", "dim"))
    for note in review.notes:
        console.print(inert(f"note: {note}", "yellow"))
    if review.risks:
        console.print()
        console.print(_risks(review))
    for line in review.what_if:
        console.print(inert(f"what if: {line}"))
    for line in review.cost:
        console.print(inert(f"cost: {line}"))
    for timeline in review.timelines:
        console.print()
        console.print(inert(f"How a pod of {timeline.consumer} stops", "bold"))
        console.print(_timelines(timeline))
    details = details_of(review.risks)
    for alike in alike_changes(review.changes):
        console.print()
        _print_changes(alike, details, console)


def print_refusal(refusal: RefusalDocument, console: Console) -> None:
    """The verdict and every reason."""
    console.print(inert(refusal.verdict, "bold red"))
    console.print(findings_list(refusal.findings))


def _risks(review: ReviewDocument) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for line in lines_of(review.risks):
        advice = f" ({line.advice})" if line.advice else ""
        table.add_row(inert(line.level.value, _COLOURS[line.level]), inert(line.rule), inert(line.sentence + advice))
    return table


def _timelines(timeline: TimelineChange) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    table.add_column("")
    for before, after, what in timeline.rows():
        table.add_row(before, after, inert(what))
    return table


def _print_changes(alike: list[ChangedResource], details: Mapping[str, list[str]], console: Console) -> None:
    change = alike[0]
    count = f"{len(alike)} alike: " if len(alike) > 1 else ""
    title = f"{SYMBOLS[change.operation]} {count}{change.kind} {named(one.title for one in alike)}"
    console.print(inert(title, "bold"), inert(change.operation, "dim"))
    for one in alike:
        for detail in details.get(one.key, ()):
            console.print(inert(f"    {detail}"))
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for found in change.properties:
        forced = inert(" (cannot change in place)", "red") if found.replaces else Text()
        table.add_row(inert(f"    {found.path}"), inert(found.shown) + forced)
    for option in change.options:
        table.add_row(inert(f"    option {option.name}"), inert(f"{option.old} → {option.new}"))
    if change.properties or change.options:
        console.print(table)
