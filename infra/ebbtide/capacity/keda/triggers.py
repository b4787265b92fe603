"""One look at a trigger: what its scaler makes of the broker's answer, and what becomes of an error.

Source: GetMetricsAndActivity of the scalers and GenerateMetricInMili in pkg/scalers; observeMetric in
pkg/scaling/scale_handler.go; GetMetricsWithFallback and doFallback in pkg/fallback/fallback.go.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ebbtide.capacity.hpa import MetricFailure
from ebbtide.capacity.hpa.integers import truncated
from ebbtide.capacity.keda.memory import Record

if TYPE_CHECKING:
    from ebbtide.capacity.keda.memory import Memory
    from ebbtide.capacity.keda.spec import Fallback, ScaledObject, Trigger

Reading: TypeAlias = float | MetricFailure
"""What a broker answers when a scaler asks it, or that it cannot be asked."""


class Target(NamedTuple):
    """What is scaled: how many pods it asks for, and how many of them are Ready."""

    replicas: int
    ready: int


PLACEHOLDER_MILLI = -1000
"""Stands for a failed trigger until the formula makes a nil of it."""


def milli_of(value: float) -> int:
    """A scaler's number as the metric it becomes: three decimals; what is no number, infinite or negative is 0."""
    if not isfinite(value) or value < 0:
        return 0
    return int(f"{value:.3f}".replace(".", ""))


def amount_of(milli: int) -> float:
    """A quantity of milli-units as KEDA calculates with it (AsApproximateFloat64): a product, not a quotient."""
    return milli * 1e-3


def truncated_milli(value: float) -> int:
    """Go's `int64(value * 1000)`."""
    return truncated(value * 1000)


def observe(  # noqa: PLR0913  one parameter for each thing that decides
    spec: ScaledObject,
    memory: Memory,
    trigger: Trigger,
    reading: Reading,
    target: Target,
    *,
    cached: Record | None = None,
) -> Record:
    """Look at a trigger, or at what the last poll left of it, and apply the fallback."""
    if cached is not None:
        milli, active, error = cached.milli, cached.active, cached.error
    elif isinstance(reading, MetricFailure):
        milli, active, error = None, False, reading.message
    else:
        milli, active, error = milli_of(reading), reading > trigger.activation, ""
    if not error:
        # A fallback that the poll left in the cache is no error to the HPA's side: it starts to count anew.
        if spec.has_usable_fallback:
            memory.failures[trigger.metric.name] = 0
        return Record(milli, active)
    fallback = spec.fallback
    if fallback is None or not spec.has_usable_fallback:
        return Record(None, active, error=error)
    failures = memory.failures.get(trigger.metric.name, 0) + 1
    memory.failures[trigger.metric.name] = failures
    if failures <= fallback.failure_threshold:
        return Record(None, active, error=error)
    if fallback.behavior == "scalingModifiers":
        return Record(PLACEHOLDER_MILLI, active)
    milli = _fall_back(spec, fallback, trigger, target)
    if milli is None:
        return Record(None, active, error="error performing fallback")
    return Record(milli, active, fallback=True)


def _fall_back(spec: ScaledObject, fallback: Fallback, trigger: Trigger, target: Target) -> int | None:
    """The metric that makes the HPA ask for the fallback's number of pods; None where no pod is ready to divide by."""
    wanted = float(
        {
            "currentReplicas": target.replicas,
            "currentReplicasIfHigher": max(target.replicas, fallback.replicas),
            "currentReplicasIfLower": min(target.replicas, fallback.replicas),
        }.get(fallback.behavior, fallback.replicas)
    )
    modifiers = spec.modifiers
    if modifiers.is_value if modifiers else trigger.metric.target_type == "Value":
        if not target.ready:
            return None
        wanted /= target.ready
    return int((modifiers.target if modifiers else amount_of(trigger.metric.target)) * 1000 * wanted)
