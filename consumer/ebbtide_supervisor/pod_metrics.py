"""A pod's metrics, read when somebody asks: what PID 1 counts, and what workers tell. The names are `metric_texts`'."""

from __future__ import annotations

import contextlib
import time
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from ebbtide_supervisor.events import emit
from ebbtide_supervisor.metric_texts import METRICS, METRICS_VERSION, WORKER_OUTCOMES, duration_bounds
from ebbtide_supervisor.progress import Counts, Progress
from ebbtide_supervisor.status import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric as Family

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.metric_texts import Metric

    Values = dict[str, Any]

# By then a worker that can tell has told.
SILENT_SECONDS: Final = 60.0


class PodMetrics(Collector):
    """The collector of one pod."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._bounds = duration_bounds(environment.longest_message_seconds)
        self._progress = Progress(environment.state_directory)
        self._snapshot: Mapping[str, Any] = {}
        self._parked: int | None = None
        self._counts = [_Monotonic(len(self._bounds) + 1) for _ in range(environment.processes)]
        self._limits = _Limits(time.monotonic() + SILENT_SECONDS)
        # The default registry's own metrics are of this process, and a second meaning of what a pod is.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The metrics in a format that the collector accepts, and the format's name."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def describe(self) -> list[Family]:
        """Nothing: what there is depends on the application."""
        return []

    def collect(self) -> Iterator[Family]:
        """The families that there are."""
        values = self._of_pool() | self._of_messages() | self._of_parked()
        return (_family(metric, values[metric.name]) for metric in METRICS if metric.name in values)

    def _of_pool(self) -> Values:
        environment, now = self._environment, time.monotonic()
        build = (METRICS_VERSION, environment.worker_kind, environment.worker_start)
        values: Values = {
            "ebbtide_build_info": {build: 1},
            "ebbtide_longest_message_seconds": environment.longest_message_seconds,
            "ebbtide_drain_budget_seconds": environment.stop_wait_seconds,
        }
        # Torn or not there yet: what it said before still holds.
        self._snapshot = snapshot = read_snapshot(environment.snapshot_file) or self._snapshot
        if not snapshot:
            return values
        drain = snapshot["drain"]
        elapsed = 0.0 if drain is None else drain["seconds"]
        if (memory := snapshot["memory"]) is not None:
            values |= {f"ebbtide_memory_{part}_bytes": 1024 * memory[part] for part in ("shared", "process")}
        return values | {
            "ebbtide_workers": snapshot["workers"],
            "ebbtide_worker_restarts_total": dict.fromkeys(WORKER_OUTCOMES, 0) | snapshot["restarts"],
            "ebbtide_starts_held": int(snapshot["held"]),
            "ebbtide_drain_in_progress": int(drain is not None),
            "ebbtide_drain_elapsed_seconds": now - drain["beganAt"] if elapsed is None else elapsed,
        }

    def _of_messages(self) -> Values:
        numbers = range(self._environment.processes)
        ages = [age for number in numbers if (age := self._progress.in_flight_seconds(number)) is not None]
        read = [self._counts[number].read(self._progress.counts(number, len(self._bounds) + 1)) for number in numbers]
        counts = [one for one in read if one is not None]
        is_told = self._progress.is_told
        self._limits.look(is_told=is_told, is_counted=bool(counts))
        values: Values = {"ebbtide_worker_progress": int(is_told)}
        if not is_told:
            return values
        values |= {
            "ebbtide_messages_in_flight": len(ages),
            "ebbtide_oldest_message_seconds": max(ages, default=0.0),
        }
        if not counts:
            return values
        return values | {
            "ebbtide_messages_total": {
                "handled": sum(one.handled for one in counts),
                "retried": sum(one.retried for one in counts),
                "failed": sum(one.failed for one in counts),
                "cut_off": self._snapshot.get("cutOff", 0),
            },
            "ebbtide_message_duration_seconds": self._histogram(counts),
        }

    def _of_parked(self) -> Values:
        with contextlib.suppress(OSError, ValueError):  # not looked at yet, or just being written
            self._parked = int(self._environment.parked_file.read_text(encoding="ascii"))
        return {} if self._parked is None else {"ebbtide_messages_parked": self._parked}

    def _histogram(self, counts: list[Counts]) -> tuple[list[tuple[str, float]], float]:
        bounds = [*map(str, self._bounds), "+Inf"]
        in_each = [sum(one.buckets[at] for one in counts) for at in range(len(bounds))]
        return list(zip(bounds, accumulate(in_each), strict=True)), sum(one.seconds for one in counts)


def _family(metric: Metric, value: Any) -> Family:
    if metric.type == "histogram":
        buckets, total = value
        return HistogramMetricFamily(metric.name, metric.help, buckets, total)
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    if metric.label is None:
        return kind(metric.name, metric.help, value)
    family = kind(metric.name, metric.help, labels=metric.label.split(","))
    for labels, number in value.items():
        family.add_metric((labels,) if isinstance(labels, str) else labels, number)
    return family


class _Monotonic:
    """One worker's counts, which never fall: a line that was torn at the worker's start has begun at 0 again."""

    def __init__(self, buckets: int) -> None:
        self._base = self._last = Counts(0, 0, 0, 0.0, (0,) * buckets)
        self._is_known = False

    def read(self, counts: Counts | None) -> Counts | None:
        if counts is not None:
            if sum(counts.buckets) < sum(self._last.buckets):
                self._base = _add(self._base, self._last)
            self._last, self._is_known = counts, True
        return _add(self._base, self._last) if self._is_known else None


def _add(one: Counts, other: Counts) -> Counts:
    return Counts(
        one.handled + other.handled,
        one.retried + other.retried,
        one.failed + other.failed,
        one.seconds + other.seconds,
        tuple(a + b for a, b in zip(one.buckets, other.buckets, strict=True)),
    )


class _Limits:
    """Says once what is missing, and why."""

    def __init__(self, silent_at: float) -> None:
        self._silent_at = silent_at
        self._is_said = False

    def look(self, *, is_told: bool, is_counted: bool) -> None:
        if self._is_said or is_counted or time.monotonic() < self._silent_at:
            return
        self._is_said = True
        reason = (
            "WorkerProgress is from an earlier version and does not count" if is_told else "no WorkerProgress tells"
        )
        emit("metricsLimited", reason=f"{reason}: ebbtide_messages_total is absent; copy php/WorkerProgress.php anew")
