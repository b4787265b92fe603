"""The tables of `ebbtide simulate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from ebbtide.capacity.from_settings import NOT_MODELLED, Assumption
from ebbtide.capacity.simulation_report import figures_table
from ebbtide.capacity.summary import Range
from ebbtide.cli.console import make_console
from ebbtide.report.model import Table


def as_rich_table(table: Table) -> RichTable:
    """A table for the terminal; its text is shown as it is, brackets included."""
    drawn = RichTable(box=None, pad_edge=False, show_edge=False, header_style="dim")
    for place, heading in enumerate(table.headings):
        drawn.add_column(escape(heading), justify="left" if place == 0 else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    return drawn


def print_assumptions(console: Console, assumptions: Sequence[Assumption]) -> None:
    """What a result stands on, below it."""
    console.print()
    hint = "what says default was not measured for this consumer; --measured NAME=VALUE takes its place"
    console.print(f"[bold]This stands on[/] ({hint})")
    rows = [[row.what, row.value, row.source] for row in assumptions]
    console.print(as_rich_table(Table("", ["", "", ""], rows)))
    console.print(f"[bold]and leaves out[/] {'; '.join(NOT_MODELLED)}.")


def undone(left: Range, messages: Range, label: str) -> str:
    """That a run left messages, which no other figure tells."""
    counts = f"{left.middle:,}" if left.low == left.high else f"{left.low:,} to {left.high:,}"
    which = f" {escape(label)}:" if label else ""
    return f"[bold red]Not done:[/]{which} {counts} of {messages.middle:,} messages; their waits count up to the end."


def print_result(
    title: str,
    lead: str,
    figures: Mapping[str, Mapping[str, Range]],
    why: Sequence[str],
    assumptions: Sequence[Assumption],
) -> None:
    """The figures of every case side by side, the minute that was asked for, and what they stand on."""
    console = make_console()
    console.print(f"[bold]{escape(title)}[/]: {escape(lead)}")
    console.print()
    console.print(as_rich_table(figures_table(figures)))
    for label, case in figures.items():
        if case["left"].high:
            console.print()
            console.print(undone(case["left"], case["messages"], label if len(figures) > 1 else ""), soft_wrap=True)
    for line in why:
        console.print(line, soft_wrap=True, markup=False)
    print_assumptions(console, assumptions)
