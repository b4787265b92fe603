"""A report on a terminal, or as plain text in a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ebbtide.doctor.diagnosis import Harm
from ebbtide.doctor.document import DoctorDocument
from ebbtide.terminal import inert

_COLOURS = {
    Harm.LOSES: "bold red",
    Harm.BREAKS: "bold red",
    Harm.REPEATS: "bold magenta",
    Harm.DELAYS: "bold yellow",
    Harm.COSTS: "blue",
}


def print_report(document: DoctorDocument, console: Console) -> None:
    """What was seen, what is wrong, and what is not judged."""
    for line in document.seen:
        console.print(inert(line, "bold"))
    if document.findings:
        console.print()
        console.print(_findings(document))
    if document.not_judged:
        console.print()
        console.print(inert("Not judged", "bold cyan"))
        console.print(_notes(document))
    console.print()
    console.print(inert(document.summary, "bold red" if document.findings else "bold green"))


def _findings(document: DoctorDocument) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in document.findings:
        table.add_row(inert(str(one.harm), _COLOURS[one.harm]), inert(one.rule), inert(one.place, "bold"))
        table.add_row("", "", inert(f"{one.subject}: {one.message}"))
        table.add_row("", "", inert(f"-> {one.remedy}", "green"))
    return table


def _notes(document: DoctorDocument) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for note in document.not_judged:
        table.add_row("", inert(f"{note.place}: {note.text}"))
    return table
