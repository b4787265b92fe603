"""How far one sync may go: bounds, the fixed cap without `behavior`, and rate limits from the history of events.

Source: convertDesiredReplicasWithRules, convertDesiredReplicasWithBehaviorRate and what they call, in horizontal.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa.history import ScaleEvent
from ebbtide.capacity.hpa.integers import INT32_MAX, INT32_MIN, ceil_int32, trunc_int32, wrap_int32
from ebbtide.capacity.hpa.spec import Behavior

if TYPE_CHECKING:
    from ebbtide.capacity.hpa.history import History
    from ebbtide.capacity.hpa.spec import ControllerFlags, HpaSpec, ScalingRules


class Limited(NamedTuple):
    """A replica count after the limits, and upstream's word for the one that bound."""

    replicas: int
    reason: str


def limit(spec: HpaSpec, flags: ControllerFlags, current: int, desired: int) -> Limited:
    """Without `behavior`: at most twice the count (at least 4) per sync, then the bounds; the minimum wins."""
    cap = trunc_int32(max(flags.scale_up_limit_factor * current, flags.scale_up_limit_minimum))
    largest, reason = spec.max_replicas, "TooManyReplicas"
    if largest > cap:
        largest, reason = cap, "ScaleUpLimit"
    if desired < spec.min_replicas:
        return Limited(spec.min_replicas, "TooFewReplicas")
    if desired > largest:
        return Limited(largest, reason)
    return Limited(desired, "DesiredWithinRange")


def limit_with_behavior(spec: HpaSpec, history: History, current: int, desired: int, now_us: int) -> Limited:
    """With `behavior`: rate limit and bound, only in the direction of travel."""
    behavior = spec.behavior or Behavior()
    if desired > current:
        rate = max(scale_up_limit(behavior.scale_up, history, current, now_us), current)
        largest, reason = spec.max_replicas, "TooManyReplicas"
        if largest > rate:
            largest, reason = rate, "ScaleUpLimit"
        if desired > largest:
            return Limited(largest, reason)
    elif desired < current:
        rate = min(scale_down_limit(behavior.scale_down, history, current, now_us), current)
        smallest, reason = spec.min_replicas, "TooFewReplicas"
        if smallest < rate:
            smallest, reason = rate, "ScaleDownLimit"
        if desired < smallest:
            return Limited(smallest, reason)
    return Limited(desired, "DesiredWithinRange")


def scale_up_limit(rules: ScalingRules, history: History, current: int, now_us: int) -> int:
    """The count the policies allow to grow to (`calculateScaleUpLimitWithScalingRules`)."""
    if rules.select_policy == "Disabled":
        return current
    smallest_change = rules.select_policy == "Min"
    result = INT32_MAX if smallest_change else INT32_MIN
    for policy in rules.policies:
        start = _period_start(history, current, now_us - policy.period_seconds * MICROSECONDS)
        if policy.kind == "Pods":
            proposed = wrap_int32(start + policy.value)
        else:  # rounded up, or a small count could never grow
            proposed = ceil_int32(start * (1 + policy.value / 100))
        result = min(result, proposed) if smallest_change else max(result, proposed)
    return result


def scale_down_limit(rules: ScalingRules, history: History, current: int, now_us: int) -> int:
    """The count the policies allow to shrink to (`calculateScaleDownLimitWithBehaviors`)."""
    if rules.select_policy == "Disabled":
        return current
    smallest_change = rules.select_policy == "Min"
    result = INT32_MIN if smallest_change else INT32_MAX
    for policy in rules.policies:
        start = _period_start(history, current, now_us - policy.period_seconds * MICROSECONDS)
        if policy.kind == "Pods":
            proposed = wrap_int32(start - policy.value)
        else:
            proposed = trunc_int32(start * (1 - policy.value / 100))
        result = max(result, proposed) if smallest_change else min(result, proposed)
    return result


def _period_start(history: History, current: int, cutoff_us: int) -> int:
    """The count before the period's own changes, of both directions."""
    return current - _changed_since(history.scale_ups, cutoff_us) + _changed_since(history.scale_downs, cutoff_us)


def _changed_since(events: list[ScaleEvent], cutoff_us: int) -> int:
    total = 0
    for event in events:
        if event.at_us > cutoff_us:  # an event exactly one period old is free again
            total += event.replica_change
    return total


def store_scale_event(behavior: Behavior, history: History, current: int, desired: int, now_us: int) -> None:
    """Remember a change that was written, in place of the last event older than this direction's longest period.

    The other direction's policies lose sight of such an event too, even if their own period is longer.
    """
    grew = desired > current
    events = history.scale_ups if grew else history.scale_downs
    rules = behavior.scale_up if grew else behavior.scale_down
    cutoff = now_us - max(policy.period_seconds for policy in rules.policies) * MICROSECONDS
    place = None
    for index, event in enumerate(events):
        if event.at_us < cutoff:
            event.outdated = True
        if event.outdated:
            place = index
    new = ScaleEvent(abs(desired - current), now_us)
    if place is None:
        events.append(new)
    else:
        events[place] = new
