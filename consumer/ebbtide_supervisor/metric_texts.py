"""What a consumer's pods tell of themselves, in one place: the series at /metrics, and the counts of log lines.

Read by the helper, which serves the first, and by `ebbtide`, which makes rules and dashboards of both. Names and units
follow Prometheus' conventions. Each label has a closed list of values, so that what a pod costs a collector is known
before it runs: `most_series`.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

WORKER_STATES: Final = ("starting", "ready", "waiting", "stopped")
"""Alive and not yet consuming; consuming; without a process, and to get one; without, and to get none: a drain."""
WORKER_OUTCOMES: Final = ("rotated", "stopped", "terminated", "killed", "failed")
MESSAGE_OUTCOMES: Final = ("handled", "retried", "failed", "cut_off")
"""Acknowledged; its handler failed and it is sent again; its handler failed for the last time; its worker ended with
it in flight, so that the broker gives it to another."""
# Up to the first that is not below the longest message: a bound above it would stay empty, and cost a series.
DURATION_BOUNDS_SECONDS: Final = (
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0,
    604800.0,
)  # fmt: skip


class Metric(NamedTuple):
    """One family of series of one pod."""

    name: str
    """As it stands in a scrape; a histogram's without `_bucket`, `_sum` and `_count`."""
    type: Literal["gauge", "counter", "histogram"]
    help: str
    unit: str
    """What one of the value is; empty where it only says yes (1) or no (0)."""
    label: str | None = None
    values: tuple[str, ...] = ()
    """All values of the label. Each of them is in every scrape from the first on, 0 included."""
    needs: Literal["", "WorkerProgress", "recover"] = ""
    """Absent without it: where the application has no `WorkerProgress`, which is said once by the event
    `metricsLimited`; where the transport has no `recover`."""


METRICS: Final = (
    Metric(
        "ebbtide_build_info",
        "gauge",
        "Always 1; the labels say what the image runs: the layout of its metrics, the kind of worker, how it starts.",
        "",
        # The only labels without a list: one series a pod, whatever they say.
        "version,worker_kind,worker_start",
    ),
    Metric("ebbtide_workers", "gauge", "Workers of this pod by state.", "workers", "state", WORKER_STATES),
    Metric(
        "ebbtide_worker_restarts_total",
        "counter",
        "Starts of a worker that has run before, by how the run before had ended.",
        "starts",
        "outcome",
        WORKER_OUTCOMES,
    ),
    Metric("ebbtide_starts_held", "gauge", "1 while a worker has failed and the others wait behind one probe.", ""),
    Metric(
        "ebbtide_memory_shared_bytes",
        "gauge",
        "What this pod's processes share, at the last look: a minute after its workers were ready, then each ten. What "
        "`resources.memory.measured.shared` asks for.",
        "bytes",
    ),
    Metric(
        "ebbtide_memory_process_bytes",
        "gauge",
        "What this pod's largest worker has for itself, at that look. What `resources.memory.measured.process` asks "
        "for.",
        "bytes",
    ),
    Metric(
        "ebbtide_worker_progress",
        "gauge",
        "1 once a worker has told of its messages: without WorkerProgress nothing is known of messages.",
        "",
    ),
    Metric(
        "ebbtide_messages_in_flight",
        "gauge",
        "Messages that this pod's workers have taken and not yet acknowledged.",
        "messages",
        needs="WorkerProgress",
    ),
    Metric(
        "ebbtide_messages_total",
        "counter",
        "Messages that a worker is done with, by how. Counted when the broker has been told, as it counts itself.",
        "messages",
        "outcome",
        MESSAGE_OUTCOMES,
        needs="WorkerProgress",
    ),
    Metric(
        "ebbtide_message_duration_seconds",
        "histogram",
        "From taking a message to having told the broker, of those that a worker is done with.",
        "seconds",
        needs="WorkerProgress",
    ),
    Metric(
        "ebbtide_oldest_message_seconds",
        "gauge",
        "For how long this pod's longest message has been in flight; 0 for none.",
        "seconds",
        needs="WorkerProgress",
    ),
    Metric(
        "ebbtide_messages_parked",
        "gauge",
        "Messages that lie in the broker's stream for those that took five workers with them, as every pod finds it: "
        "take the largest, not the sum.",
        "messages",
        needs="recover",
    ),
    Metric(
        "ebbtide_longest_message_seconds",
        "gauge",
        "shutdown.longestMessage: what a message may take before a drain has to kill it.",
        "seconds",
    ),
    Metric("ebbtide_drain_in_progress", "gauge", "1 from the drain's begin to the end of the pod.", ""),
    Metric(
        "ebbtide_drain_elapsed_seconds",
        "gauge",
        "For how long this pod drains, up to the end of its last worker; 0 without a drain.",
        "seconds",
    ),
    Metric(
        "ebbtide_drain_budget_seconds",
        "gauge",
        "When a drain kills who still works: the longest message, and what its worker needs to end.",
        "seconds",
    ),
)

METRICS_VERSION: Final = "1"
"""`ebbtide_build_info`'s version: another one means that a name, a unit or a label has changed."""


def duration_bounds(longest_message_seconds: int) -> tuple[float, ...]:
    """The upper bounds of the histogram's buckets, in seconds, without +Inf."""
    above = next((at for at, bound in enumerate(DURATION_BOUNDS_SECONDS) if bound >= longest_message_seconds), None)
    return DURATION_BOUNDS_SECONDS if above is None else DURATION_BOUNDS_SECONDS[: above + 1]


def most_series(longest_message_seconds: int) -> int:
    """How many series one pod has at most, however long it lives and whatever it handles."""
    buckets = len(duration_bounds(longest_message_seconds)) + 1
    return sum(buckets + 2 if metric.type == "histogram" else len(metric.values) or 1 for metric in METRICS)


class EventCount(NamedTuple):
    """One count of log lines: the end of a pod, which no scrape sees. By log-based metrics, or by a query."""

    name: str
    help: str
    event: str
    """Lines of this `event`."""
    label: str | None = None
    """A field of the line to tell them apart by."""
    values: tuple[str, ...] = ()
    """All values of the label."""
    value: str | None = None
    """A field of the line that is a number: its distribution is kept, not the number of lines alone."""
    unit: str = "1"


# A pod's end is counted once: `ended` where it could still speak; `lost` where the container after it in the same pod
# has found its remains; and a pod that has `started` to drain and has neither was cut off by a grace period that is
# shorter than its budget, or by its node.
EVENT_COUNTS: Final = (
    EventCount(
        "ebbtide_drains_started",
        "Drains that have begun, by who asked.",
        "drainStarted",
        "by",
        ("hook", "SIGTERM", "SIGINT", "SIGQUIT", "gaveUp"),
    ),
    EventCount(
        "ebbtide_drains_ended",
        "Drains that came to their end. clean: every worker has ended by itself; killed: one was killed or failed.",
        "drainEnded",
        "outcome",
        ("clean", "killed"),
    ),
    EventCount(
        "ebbtide_drain_seconds",
        "How long drains took, from being asked to the end of the last worker.",
        "drainEnded",
        value="seconds",
        unit="s",
    ),
    EventCount(
        "ebbtide_drains_cut_short",
        "Drains that are about to be cut off: the grace period is over and workers still have messages.",
        "drainCutShort",
    ),
    EventCount(
        "ebbtide_containers_lost",
        "Containers that ended without a word, found by the next one in the same pod. cut_off: it was draining; "
        "never_asked: it was not, as with a kill for memory.",
        "containerLost",
        "outcome",
        ("cut_off", "never_asked"),
    ),
    EventCount("ebbtide_messages_overdue", "Messages that take longer than any should.", "messageOverdue"),
    EventCount(
        "ebbtide_recovered_messages", "Killed workers' messages that were put back.", "messagesRecovered", value="count"
    ),
    EventCount("ebbtide_internal_errors", "Faults of the image's own programs.", "internalError"),
)
