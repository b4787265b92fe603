"""Results of a simulation as a report: the figures, charts of the first seed, and what they stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ebbtide.capacity.from_settings import NOT_MODELLED, Assumption
from ebbtide.capacity.model import Result, Row
from ebbtide.capacity.summary import Range, in_words
from ebbtide.report.model import Chart, Report, Series, Table, thin_out

FIGURES: Mapping[str, tuple[str, str]] = {
    "wait_p50_seconds": ("waiting time, half of the messages", "s"),
    "wait_p95_seconds": ("waiting time, 95 %", "s"),
    "wait_p99_seconds": ("waiting time, 99 %", "s"),
    "wait_max_seconds": ("waiting time, longest", "s"),
    "peak_waiting": ("largest backlog", "messages"),
    "left": ("left undone", "messages"),
    "cut_off": ("cut off by the grace period, handled again", "messages"),
    "peak_replicas": ("most pods", ""),
    "peak_pods": ("most pods, with those that drain", ""),
    "peak_broker_connections": ("broker connections at the peak", ""),
    "scalings": ("changes of the number of pods", ""),
    "drains": ("pods that drained", ""),
    "longest_drain_seconds": ("longest drain", "s"),
    "pod_hours": ("pod-hours", "h"),
    "node_hours": ("node-hours", "h"),
    "share_at_maximum": ("at the maximum while messages wait", "%"),
}
"""What is shown of a summary, in this order: its words and its unit."""


def show_range(name: str, figure: Range) -> str:
    """`12.3 s`, and over several seeds `12.3 s (10.1 to 15.0)`."""
    unit = FIGURES[name][1]
    middle = f"{_number(name, figure.middle)} {unit}".strip()
    if figure.low == figure.high:
        return middle
    return f"{middle} ({_number(name, figure.low)} to {_number(name, figure.high)})"


_MOST_DECISIONS = 300


def _number(name: str, value: float) -> str:
    if FIGURES[name][1] == "%":
        return f"{100 * value:.0f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def figures_table(cases: Mapping[str, Mapping[str, Range]]) -> Table:
    """A column for each case."""
    rows = [
        [words, *(show_range(name, figures[name]) for figures in cases.values())]
        for name, (words, _) in FIGURES.items()
    ]
    return Table("Result", ["", *cases], rows)


def build_report(
    title: str,
    lead: str,
    figures: Mapping[str, Mapping[str, Range]],
    results: Mapping[str, Result],
    assumptions: Sequence[Assumption],
) -> Report:
    """The page of one consumer: cases by their label."""
    several = len(results) > 1
    charts = [
        Chart(
            "Pods",
            "What the autoscaler wanted, what took messages, what was finishing. Point at a change to see why.",
            "pods",
            [series for label, result in results.items() for series in _pods(result, label if several else "")],
        ),
        Chart(
            "Backlog",
            "Messages that nobody has begun; a day that ends above zero has too few workers.",
            "messages",
            [
                Series(f"waiting{_of(label, several)}", _over_time(result.rows, "waiting"), "area")
                for label, result in results.items()
            ],
        ),
        Chart(
            "Waiting time",
            "How long the message at the head of the queue has waited: what somebody at the other end notices.",
            "s",
            [
                Series(f"oldest message{_of(label, several)}", _over_time(result.rows, "oldest_seconds"))
                for label, result in results.items()
            ],
        ),
        Chart(
            "Drains",
            "Each bar is a pod that was told to go: how long it took to finish what it had.",
            "s",
            [_drains(result, f"drain{_of(label, several)}") for label, result in results.items()],
        ),
    ]
    stands_on = Table(
        "What this stands on", ["", "", "from"], [[row.what, row.value, row.source] for row in assumptions]
    )
    missing = Table("What it leaves out", [""], [[text] for text in NOT_MODELLED])
    notes = [_decisions(results), stands_on, missing]
    lead = f"{_verdict(figures)}. Simulated: {lead}{_drawn(figures)}"
    return Report(title, lead, [figures_table(figures)], charts, notes=notes)


def _verdict(figures: Mapping[str, Mapping[str, Range]]) -> str:
    """The last case in a sentence, beside the first."""
    middles = [{name: figure.middle for name, figure in case.items()} for case in figures.values()]
    return in_words(middles[-1], middles[0] if len(middles) > 1 else None)


def _drawn(figures: Mapping[str, Mapping[str, Range]]) -> str:
    """Whose charts these are, where seeds differ."""
    differ = any(figure.low != figure.high for case in figures.values() for figure in case.values())
    return "; the charts and decisions are those of seed 1" if differ else ""


def _decisions(results: Mapping[str, Result]) -> Table:
    """Every change of the number of pods, for readers without a pointer."""
    several = len(results) > 1
    rows = []
    for label, result in results.items():
        for before, row in pairwise(result.rows):
            if row.replicas != before.replicas:
                clock = f"{row.seconds // 3600:02d}:{row.seconds // 60 % 60:02d}:{row.seconds % 60:02d}"
                pods = f"{before.replicas} → {row.replicas}"
                why = row.reason.removesuffix(f"; {pods}")
                case = [label] if several else []
                rows.append([clock, *case, pods.replace(" ", "\N{NO-BREAK SPACE}"), f"{row.waiting:,}", why])
    rows.sort(key=lambda row: (len(row[0]), row[0]))
    width = 5 if several else 4
    if len(rows) > _MOST_DECISIONS:
        more = f"and {len(rows) - _MOST_DECISIONS:,} more; --why HH:MM tells of any minute"
        rows = [*rows[:_MOST_DECISIONS], ["", *[""] * (width - 2), more]]
    if not rows:
        rows = [["", *[""] * (width - 2), "the number of pods never changed"]]
    return Table("Decisions", ["at", *(["case"] if several else []), "pods", "waiting", "why"], rows)


def _of(label: str, several: bool) -> str:  # noqa: FBT001
    return f", {label}" if several and label else ""


def _pods(result: Result, label: str) -> list[Series]:
    suffix = f", {label}" if label else ""
    changes = _changes(result.rows)
    wanted = Series(
        f"wanted{suffix}",
        [(row.seconds, row.replicas) for row in changes],
        "step",
        [row.reason for row in changes],
    )
    if label:
        return [wanted]
    return [
        wanted,
        Series("taking messages", _over_time(result.rows, "consuming"), "step"),
        Series("draining", _over_time(result.rows, "draining"), "step"),
    ]


def _changes(rows: Sequence[Row]) -> list[Row]:
    """The first and the last row, and each at which the wanted number changed."""
    kept = [row for before, row in pairwise(rows) if row.replicas != before.replicas]
    return [rows[0], *kept, rows[-1]] if len(rows) > 1 else list(rows)


def _over_time(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    return thin_out([(row.seconds, getattr(row, name)) for row in rows])


def _drains(result: Result, name: str) -> Series:
    notes = [
        f"{drain.messages} messages in flight" + (f", {drain.cut_off} cut off" if drain.cut_off else "")
        for drain in result.drains
    ]
    return Series(name, [(drain.seconds, drain.took_seconds) for drain in result.drains], "bar", notes)
