"""What follows from what a rehearsal has seen. Pure: a record in, figures out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import History, HpaSpec
from ebbtide.capacity.hpa.history import ScaleEvent
from ebbtide.capacity.hpa.limits import limit, limit_with_behavior
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS
from ebbtide.explain.scaling import ScalingLimits
from ebbtide.rehearsal.ledger import Handling, PodEvent
from ebbtide.rehearsal.watch import Moment, PodRecord

# GKE keeps the controller manager's own flags.
SYNC_SECONDS = DEFAULT_FLAGS.sync_period_seconds
_STATUS_SECONDS = 1
"""How long after a change its status may be written."""


@dataclass(frozen=True, slots=True)
class Drain:
    """How one pod ended. Times are seconds since the epoch."""

    pod: str
    cause: str
    """`scale-down`, `rolling update`, `eviction` or `deletion`."""
    at: float
    """When its deletion was asked for."""
    seconds: float
    """Until its container had ended."""
    in_flight: int
    """Messages that its workers were handling then."""
    begun_after: int
    """Messages that its workers began after that; up to one for each worker that was asking just then."""
    longest_remaining_seconds: float
    """What the longest of its messages still needed."""
    cut_off: int
    """Messages that a kill ended."""
    exit_status: int | None

    @property
    def overhead_seconds(self) -> float:
        """What the drain took beyond its longest message."""
        return self.seconds - self.longest_remaining_seconds


@dataclass(frozen=True, slots=True)
class Scaling:
    """A change of the number of pods that the autoscaler asks for."""

    at: float
    """When it was seen."""
    before: int
    after: int
    utilization: int | None
    """What it saw, in per cent of the request."""
    since: float
    """When it had not happened yet: looks may fail, or take long."""


def find_drains(
    pods: Iterable[PodRecord],
    handlings: Sequence[Handling],
    events: Sequence[PodEvent],
    lengths: Mapping[str, float],
    removed: Mapping[str, str],
) -> list[Drain]:
    """Every pod that was deleted and has ended, by time. `lengths`: how long each message takes, in seconds."""
    known = list(pods)
    drains = []
    for pod in known:
        if pod.deleted_at is None or pod.gone_at is None:
            continue
        newest = max((one for one in known if one.created_at <= pod.deleted_at), key=lambda one: one.created_at)
        cause = removed.get(pod.name) or ("scale-down" if pod.template == newest.template else "rolling update")
        # The image's own words are exact to a millisecond, the API server's to a second.
        own = {event.name: event.at for event in events if event.pod == pod.name}
        begin = own.get("drainStarted", pod.deleted_at)
        end = max(own.get("containerEnding", pod.gone_at), begin)
        in_flight = [
            one
            for one in handlings
            if one.pod == pod.name and (one.ended_at is None or one.ended_at > begin) and one.started_at <= end
        ]
        left = [
            (one.ended_at if one.ended_at is not None else one.started_at + lengths.get(one.message, 0.0)) - begin
            for one in in_flight
        ]
        drains.append(
            Drain(
                pod.name,
                cause,
                begin,
                end - begin,
                sum(one.started_at <= begin for one in in_flight),
                sum(one.started_at > begin for one in in_flight),
                max([0.0, *left]),
                sum(one.ended_at is None for one in in_flight),
                pod.exit_status,
            )
        )
    return sorted(drains, key=lambda drain: drain.at)


def find_scalings(moments: Sequence[Moment]) -> list[Scaling]:
    """Every change of what the autoscaler asks for. Before its first sync it asks for nothing (0): then the pods that
    are there count, or the one that a Deployment without `replicas` has before it is there."""
    found = []
    for last, moment in pairwise(moments):
        before = last.desired or last.pods or 1
        if moment.desired and moment.desired != before:
            found.append(Scaling(moment.at, before, moment.desired, moment.utilization, last.at))
    return found


def growth_limit(target: int) -> float:
    """The utilization above which the autoscaler asks for more pods, in per cent: the target and the tolerance."""
    return target * (1 + DEFAULT_FLAGS.tolerance)


def seconds_to_first_scale_up(moments: Sequence[Moment], target: int, least: int) -> float | None:
    """From the moment at which the metrics API first says more than the target and its tolerance, until the autoscaler
    asks for more than the `least` pods, which it does without any load; None where it never did. The autoscaler asks
    the API itself: 0 where it was first."""
    limit = growth_limit(target)
    crossing = next((one.at for one in moments if one.measured is not None and one.measured > limit), None)
    growth = next((one.at for one in find_scalings(moments) if one.after > max(one.before, least)), None)
    if crossing is None or growth is None:
        return None
    return max(0.0, growth - crossing)


def is_window_judged(limits: ScalingLimits) -> bool:
    """Whether `contradictions` can see that the autoscaler shrinks too soon: a window of two syncs or less lies within
    what is not known of when it looked."""
    return limits.seconds_before_shrinking > 2 * SYNC_SECONDS


def contradictions(moments: Sequence[Moment], limits: ScalingLimits, target: int, spec: HpaSpec) -> list[str]:
    """Where the autoscaler did what `explain` says it cannot do; empty when it kept to it."""
    found = []
    lowest, highest = limits.first_steps[0], limits.first_steps[-1]
    scalings = find_scalings(moments)
    for place, scaling in enumerate(scalings):
        if not lowest <= scaling.after <= highest:
            found.append(f"went to {scaling.after}; `explain` says {lowest} to {highest}")
        elif scaling.after > scaling.before:
            allowed = _most_allowed(spec, scalings[:place], scaling)
            if scaling.after > allowed:
                found.append(
                    f"grew from {scaling.before} to {scaling.after} at once; the policies of `explain` allow {allowed} "
                    "at most"
                )
        elif _was_busy(moments, scaling, limits, target):
            found.append(
                f"shrank from {scaling.before} to {scaling.after} within {limits.seconds_before_shrinking} s of a high "
                "load, which `explain` excludes"
            )
    return found


def _most_allowed(spec: HpaSpec, earlier: Sequence[Scaling], scaling: Scaling) -> int:
    """The most that the policies let it ask for after its earlier changes, whenever between two looks those were."""
    if scaling.before < spec.min_replicas:
        return spec.min_replicas  # at once, whatever the policies say
    if spec.behavior is None:
        return limit(spec, DEFAULT_FLAGS, scaling.before, spec.max_replicas).replicas
    history = History()
    # What grew within a period takes from what may grow, what shrank adds to it: the one as old as it can be, the
    # other as young.
    for one in earlier:
        if one.after > one.before:
            at = one.since - _STATUS_SECONDS
            history.scale_ups.append(ScaleEvent(one.after - one.before, round(at * MICROSECONDS)))
        else:
            at = one.at + (scaling.at - scaling.since) + _STATUS_SECONDS
            history.scale_downs.append(ScaleEvent(one.before - one.after, round(at * MICROSECONDS)))
    now_us = round(scaling.at * MICROSECONDS)
    return limit_with_behavior(spec, history, scaling.before, spec.max_replicas, now_us).replicas


def _was_busy(moments: Sequence[Moment], scaling: Scaling, limits: ScalingLimits, target: int) -> bool:
    """Whether the autoscaler saw a high load within its window before it shrank."""
    # What it saw is known from its status, which is written at the end of a sync: one sync of slack.
    begin = scaling.at - limits.seconds_before_shrinking + SYNC_SECONDS
    seen = [one.utilization for one in moments if begin <= one.at < scaling.at - SYNC_SECONDS]
    return any(value > growth_limit(target) for value in seen if value is not None)
