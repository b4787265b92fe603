"""The operator's two entrances: its own poll, and the HPA's question for a metric.

Source: checkScalers, getScaledObjectState and GetScaledObjectMetrics in pkg/scaling/scale_handler.go; RequestScale,
scaleFromZeroOrIdle and scaleToZeroOrIdle in pkg/scaling/executor/scale_scaledobjects.go; HandleScalingModifiers in
pkg/scaling/modifiers/formula.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Condition, MetricFailure
from ebbtide.capacity.keda.formula import FormulaError
from ebbtide.capacity.keda.memory import Memory, Record
from ebbtide.capacity.keda.spec import COMPOSITE_METRIC
from ebbtide.capacity.keda.triggers import Reading, Target, amount_of, observe, truncated_milli

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ebbtide.capacity.hpa import MetricInput
    from ebbtide.capacity.keda.spec import ScaledObject

READY = Condition("Ready", "True", "ScaledObjectReady")
TRIGGER_ERROR = Condition("Ready", "False", "TriggerError")
PARTIAL_ERROR = Condition("Ready", "Unknown", "PartialTriggerError")
NOT_WRITTEN = Condition("Ready", "False", "ErrorScalingTarget")
ACTIVE = Condition("Active", "True", "ScalerActive")
NOT_ACTIVE = Condition("Active", "False", "ScalerNotActive")
COOLING_DOWN = Condition("Active", "False", "ScalerCooldown")
PAUSED = Condition("Paused", "True", "ScaledObjectPaused")
_NO_SCALERS = "no scaler could be built: {error}"


@dataclass(slots=True)
class Poll:
    """What one poll decided. `desired` is written where it differs from `current`.

    `active_metrics` names the triggers that were active, or the composite metric. `error` is what ended the poll early.
    """

    now_us: int
    current: int
    desired: int
    active: bool = False
    failed: bool = False
    """Whether a trigger could not be read, and no fallback took its place."""
    fallback: bool = False
    active_metrics: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    error: str = ""

    @property
    def rescale(self) -> bool:
        """Whether it wrote another number of pods."""
        return self.desired != self.current


@dataclass(slots=True)
class _State:
    """What all triggers came to together."""

    active: bool = False
    failed: bool = False
    fallback: bool = False
    active_metrics: tuple[str, ...] = ()


class Operator:
    """The rules for one ScaledObject. It holds no state: `Memory` does."""

    __slots__ = ("_cached", "_external", "_shares_observations", "spec")

    def __init__(self, spec: ScaledObject) -> None:
        self.spec = spec
        self._external = [
            (place, trigger.metric.name, trigger) for place, trigger in enumerate(spec.triggers) if not trigger.of_pods
        ]
        self._shares_observations = spec.uses_hpa_observations
        self._cached = [name for _, name, trigger in self._external if trigger.cached]

    def poll(  # noqa: PLR0913  one parameter per thing the operator reads
        self,
        memory: Memory,
        now_us: int,
        target: Target,
        readings: Sequence[Reading],
        *,
        hpa_queries: bool = True,
        scale_writable: bool = True,
    ) -> Poll:
        """One poll at `now_us` (microseconds). `readings` has one entry for each trigger, in their order; those of CPU
        and memory are not read. `hpa_queries`: whether the HPA's condition ScalingActive is True."""
        poll = Poll(now_us, target.replicas, target.replicas)
        if self.spec.pauses.whole:
            # Nothing polls: the reconciler has stopped this loop (handlePause in scaledobject_controller.go).
            poll.conditions = (PAUSED,)
            return poll
        missing = self._build_scalers(memory, readings)
        if missing:
            # getScaledObjectState returns an error, and checkScalers does nothing at all: not even the cooldown runs
            # out.
            poll.failed, poll.error = True, missing
            return poll
        state, records = self._state(memory, target, readings, hpa_queries=hpa_queries)
        poll.active, poll.failed, poll.fallback = state.active, state.failed, state.fallback
        poll.active_metrics = state.active_metrics
        self._request_scale(memory, poll, scale_writable=scale_writable)
        if records:
            memory.records = records
        return poll

    def external_metric(self, memory: Memory, name: str, target: Target, readings: Sequence[Reading]) -> MetricInput:
        """What the HPA is told about one of its metrics: milli-units, or why there is none (GetScaledObjectMetrics)."""
        spec = self.spec
        missing = self._build_scalers(memory, readings)
        if missing:
            return MetricFailure(missing)
        found: dict[str, Record] = {}
        for place, metric, trigger in self._external:
            if spec.modifiers is None and metric.lower() != name.lower():
                continue
            cached = memory.records.get(metric) if trigger.cached else None
            found[metric] = observe(spec, memory, trigger, readings[place], target, cached=cached)
        failed = any(record.error for record in found.values())
        if self._shares_observations:
            memory.records.update(found)
        if failed:
            memory.has_scalers = False
        if failed and not any(record.fallback for record in found.values()):
            return MetricFailure(f"metric:{name} encountered error")
        values = self._values(memory, found)
        if not values:
            return MetricFailure(f"no matching metrics found for {name}")
        return values

    def _build_scalers(self, memory: Memory, readings: Sequence[Reading]) -> str:
        """Build what an error threw away; returns why that fails (performGetScalersCache, buildScalers). One broker
        that cannot be connected to takes the scalers of all triggers with it."""
        if not memory.has_scalers:
            for place, _, trigger in self._external:
                reading = readings[place]
                if trigger.connects and isinstance(reading, MetricFailure):
                    return _NO_SCALERS.format(error=reading.message)
            memory.has_scalers = True
        return ""

    def _state(
        self, memory: Memory, target: Target, readings: Sequence[Reading], *, hpa_queries: bool
    ) -> tuple[_State, dict[str, Record]]:
        """Whether there is work, and what the HPA is to find of it (getScaledObjectState)."""
        spec = self.spec
        observed = memory.records if self._shares_observations and hpa_queries else {}
        found: dict[str, Record] = {}
        state = _State()
        for place, name, trigger in self._external:
            record = found[name] = observed.get(name) or observe(spec, memory, trigger, readings[place], target)
            state.failed = state.failed or bool(record.error)
            state.fallback = state.fallback or record.fallback
        if state.failed:
            memory.has_scalers = False
        if spec.modifiers is not None:
            if not state.failed and any(
                amount_of(milli) > spec.modifiers.activation for milli in self._values(memory, found)
            ):
                state.active, state.active_metrics = True, (COMPOSITE_METRIC,)
        else:
            state.active_metrics = tuple(
                name for name, record in found.items() if not record.error and (record.active or record.fallback)
            )
            state.active = bool(state.active_metrics)
        if not self._external:
            # CPU and memory alone always count as active: such a target never goes to zero.
            state.active = True
        return state, {name: found[name] for name in self._cached}

    def _values(self, memory: Memory, found: Mapping[str, Record]) -> tuple[int, ...]:
        """The metrics, or the one that the formula makes of them (HandleScalingModifiers). A formula that fails gives
        none; while a fallback is in force it is not asked."""
        modifiers, fallback = self.spec.modifiers, self.spec.fallback
        if modifiers is None:
            return tuple(record.milli for record in found.values() if record.milli is not None)
        standing_in = [record.milli for record in found.values() if record.fallback and record.milli is not None]
        if standing_in:
            return tuple(standing_in[:1])
        values = {
            trigger.name: self._formula_value(memory, name, milli)
            for _, name, trigger in self._external
            if (record := found.get(name)) and (milli := record.milli) is not None
        }
        try:
            result = modifiers.formula(values)
        except FormulaError:
            return ()
        if result is None:
            if fallback is None:
                return ()
            result = fallback.replicas * modifiers.target
        return (truncated_milli(result),)

    def _formula_value(self, memory: Memory, metric: str, milli: int) -> float | None:
        """A trigger's value in the formula: nil for `??` once it has failed too often (scalingModifierTriggerValue)."""
        fallback = self.spec.fallback
        if fallback is not None and fallback.behavior == "scalingModifiers":
            failures = memory.failures.get(metric)
            if failures is not None and failures > fallback.failure_threshold:
                return None
        return amount_of(milli)

    def _request_scale(self, memory: Memory, poll: Poll, *, scale_writable: bool) -> None:
        """From active and failed to a number of pods (RequestScale)."""
        if poll.active or self.spec.pauses.force_activation:
            ready, active = self._when_active(memory, poll, scale_writable=scale_writable), ACTIVE
        else:
            ready, active = self._when_inactive(memory, poll)
        if poll.rescale and not scale_writable:
            poll.desired, ready = poll.current, NOT_WRITTEN
        poll.conditions = (ready, active)

    def _when_active(self, memory: Memory, poll: Poll, *, scale_writable: bool) -> Condition:
        """Up from zero, or from the idle count to the minimum; else only the cooldown begins anew, and not even that
        where another trigger failed."""
        spec, current = self.spec, poll.current
        if (spec.idle_replicas is not None and current < spec.min_replicas) or current == 0:
            if not spec.pauses.scale_out:
                poll.desired = spec.activated_replicas
                if scale_writable:
                    memory.touch(poll.now_us)
        elif poll.failed:
            return PARTIAL_ERROR
        else:
            memory.touch(poll.now_us)
        return READY

    def _when_inactive(self, memory: Memory, poll: Poll) -> tuple[Condition, Condition]:
        """From any number straight to zero or the idle count, once it has cooled down; up to the minimum at once. An
        error holds the number, unless the fallback says 0 pods: then a broker that is away looks like an empty one."""
        spec, current = self.spec, poll.current
        if poll.failed and (spec.fallback is None or spec.fallback.replicas != 0):
            # With a fallback the HPA is to find pods: it never leaves a zero that it did not make.
            return (TRIGGER_ERROR if spec.fallback is None else READY), NOT_ACTIVE
        if (spec.idle_replicas is not None and current > spec.idle_replicas) or (
            current > 0 and spec.min_replicas == 0
        ):
            if not spec.pauses.scale_in:
                if not self._has_cooled_down(memory, poll.now_us):
                    return READY, COOLING_DOWN
                poll.desired = spec.deactivated_replicas
        elif spec.idle_replicas is None and current < spec.min_replicas:
            poll.desired = spec.min_replicas
        return READY, NOT_ACTIVE

    def _has_cooled_down(self, memory: Memory, now_us: int) -> bool:
        """Strictly after the period. Who was never active, or was scaled by hand, has only the initial one, since the
        ScaledObject was made."""
        if memory.last_active_us is None:
            return memory.created_us + self.spec.initial_cooldown_seconds * MICROSECONDS < now_us
        return memory.last_active_us + self.spec.cooldown_seconds * MICROSECONDS < now_us
