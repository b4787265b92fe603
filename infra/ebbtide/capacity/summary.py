"""What a run comes to, in the numbers that somebody decides by; several seeds make a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import median_low

from ebbtide.capacity.model import Result, Scenario


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one run. Waits are from a message's arrival to its start, in seconds."""

    messages: int
    wait_p50_seconds: float
    wait_p95_seconds: float
    wait_p99_seconds: float
    wait_max_seconds: float
    wait_mean_seconds: float
    peak_waiting: int
    """The longest backlog, in messages, at a sync or at a poll of KEDA's that sets the number of pods."""
    cut_off: int
    """Messages killed at the end of a grace period; each is handled again."""
    crashed: int
    left: int
    """Messages that were not done when the run ended: nothing would ever handle them. Their waits count until then."""
    pod_hours: float
    node_hours: float
    peak_replicas: int
    peak_pods: int
    """With pods that drain."""
    peak_broker_connections: int
    scalings: int
    """How often the number of pods changed."""
    drains: int
    longest_drain_seconds: float
    share_at_maximum: float
    """Of the syncs, and of KEDA's polls that set the number of pods, with a backlog: how many had the most pods that
    are allowed. 1 means the maximum binds."""


def summarize(result: Result, scenario: Scenario, connections_per_pod: int) -> Summary:
    """The figures of one run."""
    most = scenario.hpa.max_replicas if scenario.hpa else scenario.start_replicas
    behind = [row for row in result.rows if row.waiting]
    waits = result.waits
    return Summary(
        messages=result.messages,
        wait_p50_seconds=waits.quantile(0.5),
        wait_p95_seconds=waits.quantile(0.95),
        wait_p99_seconds=waits.quantile(0.99),
        wait_max_seconds=waits.longest_us / 1e6,
        wait_mean_seconds=round(waits.mean_seconds, 6),
        peak_waiting=result.peak_waiting,
        cut_off=result.cut_off,
        crashed=result.crashed,
        left=result.left,
        pod_hours=round(result.pod_seconds / 3600, 3),
        node_hours=round(result.node_seconds / 3600, 3),
        peak_replicas=result.peak_replicas,
        peak_pods=result.peak_pods,
        peak_broker_connections=result.peak_pods * connections_per_pod,
        scalings=result.changes,
        drains=len(result.drains),
        longest_drain_seconds=round(max((drain.took_seconds for drain in result.drains), default=0.0), 3),
        share_at_maximum=round(sum(row.replicas >= most for row in behind) / len(behind), 4) if behind else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Range:
    """A figure over several seeds."""

    low: float
    middle: float
    high: float


def ranges(summaries: Sequence[Summary]) -> dict[str, Range]:
    """Every figure's smallest, middle and largest value, by its name. Raises ValueError without a summary."""
    if not summaries:
        raise ValueError("there is no run to make a range of")
    found = {}
    for field in fields(Summary):
        values = sorted(getattr(summary, field.name) for summary in summaries)
        found[field.name] = Range(values[0], median_low(values), values[-1])
    return found


def in_words(after: Mapping[str, float], before: Mapping[str, float] | None = None) -> str:
    """The figures that decide, in a sentence; with those of `before` where they are others."""
    parts = []
    for words, name, show in _IN_WORDS:
        new = show(after, name)
        old = show(before, name) if before else new
        if not new == old == _NEVER:
            parts.append(f"{words} {new}" if old == new else f"{words} {old} → {new}")
    if after["left"] or (before and before["left"]):
        new = _left(after)
        old = _left(before) if before else new
        parts.insert(0, new if old == new else f"{old} → {new}")
    if after["cut_off"]:
        parts.append(f"{after['cut_off']:,} messages cut off by the grace period")
    return ", ".join(parts)


_NEVER = "no end"


def _left(figures: Mapping[str, float]) -> str:
    if figures["left"] >= figures["messages"]:
        return f"none of {figures['messages']:,} messages is handled"
    return f"{figures['left']:,} of {figures['messages']:,} messages left undone"


def _wait(figures: Mapping[str, float], name: str) -> str:
    """In seconds; where messages are left, those have waited longer yet."""
    if figures["left"] >= figures["messages"]:
        return _NEVER
    return f"{figures[name]:,.1f} s{' and more' if figures['left'] else ''}"


_IN_WORDS: tuple[tuple[str, str, Callable[[Mapping[str, float], str], str]], ...] = (
    ("95 % of the messages wait at most", "wait_p95_seconds", _wait),
    ("the longest", "wait_max_seconds", _wait),
    ("most pods", "peak_replicas", lambda figures, name: f"{figures[name]}"),
    ("pod-hours", "pod_hours", lambda figures, name: f"{figures[name]:,.1f}"),
)
