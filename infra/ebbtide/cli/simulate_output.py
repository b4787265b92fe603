"""What `ebbtide simulate` shows while it works, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from ebbtide.capacity.from_settings import NOT_MODELLED, Assumption
from ebbtide.report.model import Table


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on standard error; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


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
