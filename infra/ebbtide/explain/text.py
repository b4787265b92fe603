"""An explanation on a terminal, or as plain text in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ebbtide.cost.words import span
from ebbtide.documents.finding import FindingDocument
from ebbtide.explain.cost import CostExplanation
from ebbtide.explain.envelope import EnvelopePoint
from ebbtide.explain.model import ConsumerExplanation, StackExplanation
from ebbtide.explain.timeline import Moment
from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.values.units import format_cpu, format_duration, format_memory

_BAR_CELLS = 40
# Beside a bar: the time, and words that can be read in a column.
_WORDS_CELLS = 28
_WIDE_CELLS, _VALUE_CELLS = 72, 12
_COLOURS = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.INFO: "bold blue"}
_POINTS = {
    "min": "at the minimum",
    "max": "at the maximum",
    "drop": "drop to zero, all at once",
    "rollout": "rolling update at the maximum",
    "load": "under load",
}


def print_explanation(explanation: StackExplanation, console: Console) -> None:
    """Settings with their sources, the shutdown timeline and the scaling envelope of every consumer; then findings."""
    console.print(Text.assemble(("stack ", "dim"), (explanation.name, "bold"), f": {explanation.cluster}"))
    for consumer in explanation.consumers:
        console.print()
        console.rule(Text(consumer.name, "bold"), align="left")
        console.print(ByWidth(partial(settings_table, consumer)))
        console.print()
        console.print(consumer_summary(consumer))
    if explanation.cost is not None:
        console.print()
        console.print(Text("What it costs a month, estimated", "bold"))
        console.print(cost_table(explanation.cost))
        for line in explanation.cost.words:
            console.print(Text(line))
    console.print()
    console.print(findings_list(explanation.findings))


def cost_table(cost: CostExplanation) -> Table:
    """Each part of the bill at the minimum, at the maximum and, where there is one, under the load."""
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("", overflow="fold")
    table.add_column(cost.currency, justify="right")
    for point in cost.points:
        for index, item in enumerate(point.items):
            table.add_row("" if index else _POINTS[point.at], Text(item.what), span(item.least, item.most))
    return table


def consumer_summary(consumer: ConsumerExplanation) -> Group:
    """How it stops and how it scales: what `preview` shows too."""
    parts: list[RenderableType] = [
        Text("How a pod stops (time since its deletion)", "bold"),
        ByWidth(partial(timeline_table, consumer.timeline)),
        Text(),
        Text("How far it scales", "bold"),
        envelope_table(consumer.envelope),
        Text(consumer.scaling_words),
    ]
    return Group(*parts)


def settings_table(consumer: ConsumerExplanation, width: int = 120) -> Table:
    """Every resolved value and its source."""
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    is_wide = width >= _WIDE_CELLS
    table.add_column("setting", no_wrap=is_wide, overflow="ellipsis" if is_wide else "fold")
    table.add_column("value", overflow="fold", min_width=None if is_wide else _VALUE_CELLS)
    table.add_column("from", style="dim", overflow="fold")
    for value in consumer.values:
        table.add_row(value.path, Text(value.value), Text(value.source))
    return table


@dataclass(frozen=True, slots=True)
class ByWidth:
    """What is drawn for the columns that there are."""

    draw: Callable[[int], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        yield self.draw(options.max_width)


def timeline_table(timeline: tuple[Moment, ...], width: int = 120) -> Table:
    """The shutdown as bars on one scale, which ends at the grace period; caps beyond it are cut with an arrow. Where
    there is no room for a bar and words beside it, the words stay."""
    bar_cells = _BAR_CELLS if width >= _BAR_CELLS + _WORDS_CELLS else 0
    grace = max(moment.seconds for moment in timeline if moment.kind == "budget")
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    if bar_cells:
        table.add_column(no_wrap=True, width=bar_cells + 1)
    table.add_column(overflow="fold")
    for moment in timeline:
        too_short = moment.kind == "cap" and moment.seconds < grace
        style = "red" if too_short else "green" if moment.kind == "cap" else "cyan"
        cells = round(bar_cells * min(moment.seconds, grace) / grace)
        bar = "▏" if cells == 0 else "█" * cells if moment.kind == "budget" else "─" * cells
        if moment.seconds > grace:
            bar += "▶"
        note = f", {format_duration(moment.seconds - grace)} to spare" if moment.kind == "cap" and not too_short else ""
        drawn = [Text(bar, style)] if bar_cells else []
        table.add_row(format_duration(moment.seconds), *drawn, Text(moment.what + note, "" if bar_cells else style))
    return table


def envelope_table(envelope: tuple[EnvelopePoint, ...]) -> Table:
    """Pods and what they add up to."""
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("")
    for heading in (
        "pods",
        "processes",
        "broker conn.",
        "database conn.",
        "CPU requested",
        "memory requested",
        "memory limit",
    ):
        table.add_column(heading, justify="right")
    for point in envelope:
        table.add_row(
            _POINTS[point.at],
            str(point.pods),
            str(point.processes),
            str(point.broker_connections),
            str(point.database_connections),
            format_cpu(point.cpu_request_millicores),
            format_memory(point.memory_request_bytes),
            format_memory(point.memory_limit_bytes),
        )
    return table


def findings_list(findings: Sequence[Finding | FindingDocument]) -> RenderableType:
    """Every finding, worst first."""
    if not findings:
        return Text("No findings.")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for finding in findings:
        level = Text("accepted", "dim") if finding.accepted else Text(finding.level.value, _COLOURS[finding.level])
        table.add_row(level, Text(finding.rule), Text(str(finding)))
    return table
