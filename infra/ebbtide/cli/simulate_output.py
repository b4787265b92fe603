"""What `ebbtide simulate` shows while it works, and its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

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


# Showing.


def as_rich_table(table: Table) -> RichTable:
    drawn = RichTable(box=None, pad_edge=False, show_edge=False, header_style="dim")
    for place, heading in enumerate(table.headings):
        drawn.add_column(heading, justify="left" if place == 0 else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
