"""The dashboard: rows of panels, each with its question and what its answer means. Two boards are made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ebbtide.observability.alerts import goal_of, selector
from ebbtide.observability.metrics import CONSUMER, log_series
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class Query:
    """One question, in PromQL."""

    expression: str
    legend: str
    """What a line is called; labels in `{{ }}`."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture."""

    title: str
    help: str
    """What to read in it."""
    unit: str
    """As Prometheus' base units: `s`, `bytes`, or empty for a number."""
    queries: tuple[Query, ...]
    from_logs: bool = False
    """Whether it is asked of log-based metrics, which only Google Cloud has."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels about one thing."""

    title: str
    panels: tuple[Panel, ...]


def rows_of(stack: StackSettings, select: str | None = None) -> tuple[Row, ...]:
    """The dashboard of a stack. `select` is what selects the series, where a board has variables of its own."""
    labels = selector(stack, *stack.consumers) if select is None else select
    return (
        Row("Messages", tuple(_messages(stack, labels))),
        Row("Pods and workers", tuple(_workers(labels))),
        Row("Drains", tuple(_drains(labels))),
        Row("How pods ended", tuple(_ends(stack))),
    )


def _by(expression: str, *more: str) -> str:
    return f"sum by ({', '.join((CONSUMER, *more))}) ({expression})"


def _messages(stack: StackSettings, labels: str) -> Iterator[Panel]:
    in_flight = _by(f"ebbtide_messages_in_flight{{{labels}}}")
    yield Panel(
        "In flight",
        "Messages that workers have taken and not yet acknowledged. What a pod that is cut off would give back.",
        "",
        (Query(in_flight, "{{consumer}}"),),
    )
    yield Panel(
        "Messages a second, by outcome",
        "handled; retried: its handler failed and it comes again; failed: for the last time; cut_off: its worker ended "
        "with it in flight.",
        "",
        (Query(_by(f"rate(ebbtide_messages_total{{{labels}}}[5m])", "outcome"), "{{consumer}} {{outcome}}"),),
    )
    bucket = f"ebbtide_message_duration_seconds_bucket{{{labels}}}"
    quantiles = tuple(
        Query(f"histogram_quantile({q}, {_by(f'rate({bucket}[5m])', 'le')})", f"{{{{consumer}}}} p{round(q * 100)}")
        for q in (0.5, 0.95, 0.99)
    )
    yield Panel("How long a message takes", "From taking it to having told the broker.", "s", quantiles)
    yield Panel(
        "Oldest in flight",
        "Above the line a drain has to kill it: longestMessage is too short, or the handler is stuck.",
        "s",
        (
            Query(f"max by ({CONSUMER}) (ebbtide_oldest_message_seconds{{{labels}}})", "{{consumer}}"),
            Query(f"max by ({CONSUMER}) (ebbtide_longest_message_seconds{{{labels}}})", "{{consumer}} longestMessage"),
        ),
    )
    goals = ", ".join(
        f"{name} {percent:g} % within {within} s"
        for name, consumer in stack.consumers.items()
        for within, percent in (goal_of(consumer),)
    )
    within = sorted({goal_of(consumer)[0] for consumer in stack.consumers.values()})
    yield Panel(
        "Share within the goal",
        f"Over an hour. Goals: {goals}.",
        "",
        tuple(
            Query(
                _by(f'rate(ebbtide_message_duration_seconds_bucket{{{labels},le=~"{seconds:g}([.]0)?"}}[1h])')
                + " / "
                + _by(f"rate(ebbtide_message_duration_seconds_count{{{labels}}}[1h])"),
                f"{{{{consumer}}}} within {seconds} s",
            )
            for seconds in within
        ),
    )
    if any(consumer.recovers for consumer in stack.consumers.values()):
        yield Panel(
            "Parked",
            "Messages that took five workers with them and were put aside, until somebody has looked at them.",
            "",
            (Query(f"max by ({CONSUMER}) (ebbtide_messages_parked{{{labels}}})", "{{consumer}}"),),
        )


def _workers(labels: str) -> Iterator[Panel]:
    yield Panel(
        "Pods",
        "Pods that take messages, and pods that drain.",
        "",
        (
            Query(_by(f"1 - ebbtide_drain_in_progress{{{labels}}}"), "{{consumer}}"),
            Query(_by(f"ebbtide_drain_in_progress{{{labels}}}"), "{{consumer}} draining"),
        ),
    )
    yield Panel(
        "Workers, by state",
        "ready ones consume; waiting ones wait to be started, behind a probe for example.",
        "",
        (Query(_by(f"ebbtide_workers{{{labels}}}", "state"), "{{consumer}} {{state}}"),),
    )
    restarts = f"increase(ebbtide_worker_restarts_total{{{labels}}}[5m])"
    yield Panel(
        "Workers started again, in 5 minutes",
        "rotated ones have reached a limit, as they should. failed and killed ones had a fault.",
        "",
        (Query(_by(restarts, "outcome"), "{{consumer}} {{outcome}}"),),
    )
    yield Panel(
        "Memory of a pod",
        "The largest pod: what its processes share, and what its largest worker has for itself. What "
        "resources.memory.measured asks for.",
        "bytes",
        (
            Query(f"max by ({CONSUMER}) (ebbtide_memory_shared_bytes{{{labels}}})", "{{consumer}} shared"),
            Query(f"max by ({CONSUMER}) (ebbtide_memory_process_bytes{{{labels}}})", "{{consumer}} a worker"),
        ),
    )
    yield Panel(
        "Pods that hold starts back",
        "A worker failed there, and one probes at a time: most often the broker is away.",
        "",
        (Query(_by(f"ebbtide_starts_held{{{labels}}}"), "{{consumer}}"),),
    )


def _drains(labels: str) -> Iterator[Panel]:
    yield Panel(
        "Drains in progress",
        "Pods that finish what they have.",
        "",
        (Query(_by(f"ebbtide_drain_in_progress{{{labels}}}"), "{{consumer}}"),),
    )
    yield Panel(
        "Longest drain in progress",
        "At the budget, who still works is killed.",
        "s",
        (
            Query(f"max by ({CONSUMER}) (ebbtide_drain_elapsed_seconds{{{labels}}})", "{{consumer}}"),
            Query(f"max by ({CONSUMER}) (ebbtide_drain_budget_seconds{{{labels}}})", "{{consumer}} budget"),
        ),
    )
    held = f"ebbtide_messages_in_flight{{{labels}}} and on (namespace, {CONSUMER}, pod) "
    yield Panel(
        "In flight on draining pods",
        "What is still to be finished. 0 means that every drain waits for nothing but its last workers.",
        "",
        (Query(_by(f"{held}ebbtide_drain_in_progress{{{labels}}} == 1"), "{{consumer}}"),),
    )


def _ends(stack: StackSettings) -> Iterator[Panel]:
    def count(name: str, window: str = "1h") -> str:
        return f'increase({log_series(name, stack)}{{monitored_resource="k8s_container"}}[{window}])'

    yield Panel(
        "Drains that came to an end, in an hour",
        "clean: every worker ended by itself. killed: one was killed or failed, and its message comes back.",
        "",
        (Query(_by(count("ebbtide_drains_ended"), "outcome"), "{{consumer}} {{outcome}}"),),
        from_logs=True,
    )
    yield Panel(
        "Cut off or never asked, in an hour",
        "Pods whose grace period was over before their drain, and containers that ended without a word.",
        "",
        (
            Query(_by(count("ebbtide_drains_cut_short")), "{{consumer}} cut short"),
            Query(_by(count("ebbtide_containers_lost"), "outcome"), "{{consumer}} {{outcome}}"),
        ),
        from_logs=True,
    )
    bucket = log_series("ebbtide_drain_seconds", stack) + '_bucket{monitored_resource="k8s_container"}'
    yield Panel(
        "How long drains took",
        "From being asked to the end of the last worker.",
        "s",
        tuple(
            Query(
                f"histogram_quantile({q}, {_by(f'increase({bucket}[1h])', 'le')})",
                f"{{{{consumer}}}} p{round(q * 100)}",
            )
            for q in (0.5, 0.99)
        ),
        from_logs=True,
    )
