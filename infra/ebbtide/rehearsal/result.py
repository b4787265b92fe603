"""A rehearsal judged: figures and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from ebbtide.capacity.autoscaler import read_autoscaler
from ebbtide.explain.scaling import ScalingLimits, build_scaling_limits
from ebbtide.rehearsal.conduct import Record
from ebbtide.rehearsal.ledger import Count
from ebbtide.rehearsal.outcome import (
    SYNC_SECONDS,
    Drain,
    Scaling,
    contradictions,
    find_drains,
    find_scalings,
    seconds_to_first_scale_up,
)
from ebbtide.rehearsal.replay import Compared, replay
from ebbtide.rehearsal.scenario import cpu_target


@dataclass(frozen=True, slots=True)
class Result:
    """What a rehearsal showed. Times are seconds since its beginning."""

    record: Record
    began_at: float
    seconds: float
    count: Count
    drains: list[Drain]
    scalings: list[Scaling]
    limits: ScalingLimits
    target: int
    """Of the CPU's utilization, in per cent."""
    first_scale_up_seconds: float | None
    contradictions: list[str]
    compared: list[Compared]
    problems: list[str]
    """What did not happen, or was not seen; with any of them the rehearsal has not passed."""

    @property
    def lossless(self) -> bool:
        """Every message was begun once and finished."""
        count = self.count
        return count.once == count.sent > 0 and not (count.cut_off or count.failed or count.unknown)

    @property
    def passed(self) -> bool:
        """Lossless, and nothing else was wrong."""
        return self.lossless and not self.problems

    @property
    def scale_downs(self) -> int:
        """How often the autoscaler asked for fewer pods."""
        return sum(one.after < one.before for one in self.scalings)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        count = self.count
        causes = [sum(one.cause == cause for one in self.drains) for cause in CAUSES]
        ended = ", ".join(f"{number} by {cause}" for number, cause in zip(causes, CAUSES, strict=True) if number)
        return (
            f"{count.sent:,} messages: {count.once:,} handled exactly once, {count.lost:,} lost, {count.repeated:,} "
            f"repeated, {count.cut_off:,} cut off. {self.scale_downs} scale-downs; pods that ended: {ended or 'none'}."
        )


CAUSES = ("scale-down", "rolling update", "eviction", "deletion")


def judge(record: Record) -> Result:
    """Everything that follows from what was seen."""
    watch, moments = record.watch, record.watch.moments
    target = cpu_target(record.consumer.autoscaling)
    limits = build_scaling_limits(record.stack, record.consumer)
    spec = read_autoscaler(record.consumer.autoscaling, record.stack, record.consumer)
    assert limits is not None and spec is not None  # noqa: S101, PT018 - a rehearsal without an HPA does not begin
    first = seconds_to_first_scale_up(moments, target, spec.min_replicas)
    against = contradictions(moments, limits, target, spec)
    problems = [*record.problems, *against]
    if first is None or first > 2 * SYNC_SECONDS:
        took = "never" if first is None else f"after {first:.0f} s"
        problems.append(f"the autoscaler grew {took}, and not within two sync periods of the metric's crossing")
    if record.held_at_the_end:
        problems.append(f"the broker still held {record.held_at_the_end} messages at the end")
    if record.ledger.malformed:
        problems.append(f"{len(record.ledger.malformed)} lines of the ledger could not be read: the count is not exact")
    began = moments[0].at
    return Result(
        record,
        began,
        moments[-1].at - began,
        record.ledger.count(record.sent),
        find_drains(watch.pods.values(), record.ledger.handlings, record.ledger.events, record.sent, record.removed),
        find_scalings(moments),
        limits,
        target,
        first,
        against,
        replay(spec, watch.syncs),
        problems,
    )


def overheads(drains: list[Drain]) -> tuple[float, float]:
    """The median and the largest of what drains took beyond their longest message, in seconds."""
    values = [drain.overhead_seconds for drain in drains]
    return (median(values), max(values)) if values else (0.0, 0.0)
