"""An autoscaler that follows the CPU of its pods: what drives it, what is seen of it, what it may do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar

from ebbtide.capacity.autoscaler import read_autoscaler
from ebbtide.explain.scaling import ScalingLimits, build_scaling_limits
from ebbtide.rehearsal.access import Need
from ebbtide.rehearsal.autoscaler_document import AutoscalerDocument, Replayed, since
from ebbtide.rehearsal.cluster import Cluster, Manifest
from ebbtide.rehearsal.load import Kind
from ebbtide.rehearsal.metrics import measured_utilization, seen_utilization
from ebbtide.rehearsal.outcome import (
    SYNC_SECONDS,
    Scaling,
    contradictions,
    find_scalings,
    growth_limit,
    is_window_judged,
    seconds_to_first_scale_up,
)
from ebbtide.rehearsal.record import Record
from ebbtide.rehearsal.replay import Compared, Sync, replay
from ebbtide.rehearsal.scenario import Round
from ebbtide.rehearsal.signal import Judgement, Signal
from ebbtide.rehearsal.watch import Moment, Seen
from ebbtide.report.model import Chart, Series, Table
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.resource_metrics import CpuMetric

# How far above its target the load drives the CPU: the autoscaler then asks for the maximum at once.
_OVER_TARGET = 2.5
_MAX_CPU_SHARE = 0.5
BUSY_SECONDS = 1.0
QUIET_SECONDS = 3.0
_LEAST_AGREEMENT = 0.8
"""Of the simulator's controller with the real one: evidence runs have 13 of 14 and more."""

_HARDEST = Round("longest messages", ("deletion", "eviction", "rolling update"), longest=True)


def cpu_target(scaling: AutoscalingSettings) -> int:
    """The CPU's utilization that is aimed at, in per cent; 0 where nothing aims at one."""
    targets = (one.target_utilization or 0 for one in scaling.measured if isinstance(one, CpuMetric))
    return next(targets, 0)


@dataclass(frozen=True, slots=True)
class Kinds:
    """The messages of a stack's rehearsal."""

    busy: Kind
    quiet: Kind
    longest_busy: Kind
    longest_quiet: Kind

    @staticmethod
    def of(consumer: ConsumerSettings) -> Kinds:
        """Derived from the stack: how many workers at most, what they request, how long a message may take."""
        scaling = consumer.autoscaling
        target = cpu_target(scaling)
        processes = consumer.worker.processes
        workers = processes * scaling.max_replicas
        cores = consumer.cpu_request_millicores / 1000 * target / 100 * _OVER_TARGET
        share = round(min(_MAX_CPU_SHARE, cores / processes), 4)
        longest = float(consumer.shutdown.longest_message)
        return Kinds(
            busy=Kind("busy", min(BUSY_SECONDS, longest), share, 2 * workers, 5 * workers),
            quiet=Kind("quiet", min(QUIET_SECONDS, longest), 0.0, workers, workers),
            longest_busy=Kind("longest-busy", longest, share, processes, workers),
            longest_quiet=Kind("longest", longest, 0.0, processes, processes),
        )


@dataclass
class CpuSignal(Signal):
    """The CPU of one consumer's pods."""

    needs: ClassVar = (
        Need("metrics.k8s.io", "v1beta1", "pods", "no autoscaler on CPU can work", "install metrics-server"),
    )
    rounds: ClassVar = {
        "full": (
            Round("scaling"),
            Round("rolling update", ("rolling update",)),
            Round("eviction and deletion", ("eviction", "deletion")),
            _HARDEST,
        ),
        "short": (_HARDEST,),
    }

    begins_at_rest: ClassVar = False

    consumer: ConsumerSettings
    syncs: list[Sync] = field(default_factory=list)
    _last_pods: list[Manifest] = field(default_factory=list)
    _last_samples: list[Manifest] = field(default_factory=list)

    @property
    def reach_seconds(self) -> float:
        """Two sync periods, two metric periods, the stabilisation window and the pods' start."""
        return 240

    def load(self, one: Round) -> Kind:
        """Messages that use CPU."""
        kinds = Kinds.of(self.consumer)
        return kinds.longest_busy if one.longest else kinds.busy

    def descent(self, one: Round) -> tuple[tuple[Kind | None, int], ...]:
        """Messages that only wait: they keep coming, and are no load to this autoscaler."""
        kinds = Kinds.of(self.consumer)
        quiet = kinds.longest_quiet if one.longest else kinds.quiet
        return ((quiet, self.consumer.autoscaling.min_replicas),)

    def look(self, cluster: Cluster, namespace: str, pods: list[Manifest]) -> Seen:
        """The HPA's status, and what the metrics API says just now."""
        samples = cluster.objects("metrics.k8s.io/v1beta1", namespace, "pods")
        scalers = cluster.objects("autoscaling/v2", namespace, "horizontalpodautoscalers")
        now = time.time()
        before, self._last_samples = (self._last_pods, self._last_samples), samples
        self._last_pods = pods
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        status = scalers[0].get("status", {}) if scalers else {}
        utilization = seen_utilization(status)
        desired = status.get("desiredReplicas")
        if desired is not None:
            sync = Sync(now, status.get("currentReplicas", 0), desired, utilization, before[0], (before[1], samples))
            self._keep(sync)
        return Seen(desired, utilization, measured_utilization(staying, samples, now))

    def _keep(self, sync: Sync) -> None:
        last = self.syncs[-1] if self.syncs else None
        said = (sync.current, sync.desired, sync.utilization)
        if last is None or (last.current, last.desired, last.utilization) != said:
            self.syncs.append(sync)

    def judge(self, record: Record) -> Judgement:
        """Against what `explain` says, and the simulator."""
        moments = record.watch.moments
        target = cpu_target(record.consumer.autoscaling)
        limits = build_scaling_limits(record.stack, record.consumer)
        spec = read_autoscaler(record.consumer.autoscaling, record.stack, record.consumer)
        assert limits is not None and spec is not None  # noqa: S101, PT018 - what scales on CPU is an HPA
        return CpuJudgement(
            moments,
            target,
            limits,
            find_scalings(moments),
            seconds_to_first_scale_up(moments, target, spec.min_replicas),
            contradictions(moments, limits, target, spec),
            replay(spec, self.syncs),
        )


@dataclass(frozen=True)
class CpuJudgement(Judgement):
    """What it did. Times are seconds since the epoch."""

    moments: list[Moment]
    target: int
    """In per cent."""
    limits: ScalingLimits
    scalings: list[Scaling]
    first_scale_up_seconds: float | None
    contradictions: list[str]
    compared: list[Compared]

    @property
    def problems(self) -> list[str]:
        """What it did against `explain`, and that it grew too late."""
        first = self.first_scale_up_seconds
        if first is not None and first <= 2 * SYNC_SECONDS:
            return self.contradictions
        took = "never" if first is None else f"after {first:.0f} s"
        late = f"the autoscaler grew {took}, and not within two sync periods of the metric's crossing"
        return [*self.contradictions, late]

    def table(self) -> Table:
        """What it did, beside what it may."""
        limits, first = self.limits, self.first_scale_up_seconds
        grew = "none" if first is None else f"{first:.1f} s"
        asked = [str(self.scalings[0].before), *(str(one.after) for one in self.scalings)] if self.scalings else []
        steps = " → ".join(map(str, limits.first_steps))
        allowed = f"{steps}; fewer after {limits.seconds_before_shrinking} s of low load, {limits.shrinks}"
        against = list(self.contradictions)
        if not is_window_judged(limits):
            against.append(
                f"not judged: a down window of {limits.seconds_before_shrinking} s is no longer than two syncs of "
                f"{SYNC_SECONDS} s"
            )
        agreeing = sum(one.agrees for one in self.compared)
        agreement = f"{agreeing} of {len(self.compared)} changes"
        if agreeing < _LEAST_AGREEMENT * len(self.compared):
            agreement += ": the simulation does not describe this cluster well"
        rows = [
            ["pods it asked for", " → ".join(asked) or "no change"],
            [f"first growth after the metric crossed {growth_limit(self.target):.0f} %", grew],
            ["what `explain` allows", allowed],
            ["what it did against that", "; ".join(against) or "nothing"],
            ["the simulator's controller decided the same", agreement],
        ]
        return Table("Autoscaler", ["", ""], rows)

    def chart(self) -> Chart:
        """CPU, as the autoscaler and the metrics API have it."""
        began, seconds = self.moments[0].at, self.moments[-1].at - self.moments[0].at
        seen = [(one.at - began, float(one.utilization)) for one in self.moments if one.utilization is not None]
        measured = [(one.at - began, one.measured) for one in self.moments if one.measured is not None]
        target = [(0.0, float(self.target)), (seconds, float(self.target))]
        limit = [(at, growth_limit(self.target)) for at, _ in target]
        return Chart(
            "What the autoscaler saw",
            f"CPU in per cent of the request. The target is {self.target} %; the autoscaler tolerates a tenth beside "
            f"it and asks for more pods above {growth_limit(self.target):.0f} %.",
            "%",
            [
                Series("autoscaler", seen, "step"),
                Series("metrics API", measured, "step"),
                Series(f"target {self.target} %", target),
                Series(f"grows above {growth_limit(self.target):.0f} %", limit),
            ],
        )

    def document(self) -> AutoscalerDocument:
        """The same as a document."""
        began = self.moments[0].at
        return AutoscalerDocument(
            self.target,
            self.first_scale_up_seconds,
            self.limits,
            tuple(self.contradictions),
            is_window_judged(self.limits),
            since(began, self.scalings),
            tuple(Replayed.of(one, began) for one in self.compared),
        )
