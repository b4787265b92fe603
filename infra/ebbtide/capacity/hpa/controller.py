"""One sync of the HorizontalPodAutoscaler controller.

Source: reconcileAutoscaler in pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ebbtide.capacity.hpa.history import Condition, History, Recommendation
from ebbtide.capacity.hpa.limits import Limited, limit, limit_with_behavior, store_scale_event
from ebbtide.capacity.hpa.metrics import MetricInput, MetricResult, Rules, Scale, propose
from ebbtide.capacity.hpa.pods import PodCounts
from ebbtide.capacity.hpa.ratio import Tolerance
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS, ControllerFlags, HpaSpec
from ebbtide.capacity.hpa.stabilization import Windows, stabilize, stabilize_with_behavior

if TYPE_CHECKING:
    from collections.abc import Sequence

GOT_SCALE = Condition("AbleToScale", "True", "SucceededGetScale")
NO_SCALE = Condition("AbleToScale", "False", "FailedGetScale")
NOT_WRITTEN = Condition("AbleToScale", "False", "FailedUpdateScale")
RESCALED = Condition("AbleToScale", "True", "SucceededRescale")
READY = Condition("AbleToScale", "True", "ReadyForNewScale")
UP_STABILIZED = Condition("AbleToScale", "True", "ScaleUpStabilized")
DOWN_STABILIZED = Condition("AbleToScale", "True", "ScaleDownStabilized")
VALID_METRIC = Condition("ScalingActive", "True", "ValidMetricFound")
DISABLED = Condition("ScalingActive", "False", "ScalingDisabled")
SCALED_TO_ZERO = Condition("ScaledToZero", "True", "ScaledToZero")
NOT_SCALED_TO_ZERO = Condition("ScaledToZero", "False", "NotScaledToZero")

_LIMITED = {
    reason: Condition("ScalingLimited", "True", reason)
    for reason in ("ScaleUpLimit", "ScaleDownLimit", "TooManyReplicas", "TooFewReplicas", "DesiredWithinRange")
}
_UNLIMITED = {reason: condition._replace(status="False") for reason, condition in _LIMITED.items()}
_FAILED_METRIC = {
    source: Condition("ScalingActive", "False", f"FailedGet{source}Metric")
    for source in ("Resource", "ContainerResource", "Pods", "Object", "External")
}


@dataclass(slots=True)
class Decision:
    """What one sync decided, with every step on the way. A step that was not reached is None.

    `proposal` is the largest metric's, `stabilized` what the window makes of it, `limited` what limits and bounds
    leave; `desired` is written when `rescale`. `metrics` has one result per metric, `metric` is the winner's index.
    """

    now_us: int
    current: int
    desired: int
    rescale: bool = False
    reason: str = ""
    metrics: tuple[MetricResult, ...] = ()
    metric: int | None = None
    proposal: int | None = None
    stabilized: int | None = None
    limited: int | None = None
    limit_reason: str = ""
    conditions: tuple[Condition, ...] = ()
    error: str = ""


class Controller:
    """The rules for one HPA, prepared once. It holds no state: `History` does."""

    __slots__ = ("_can_use_zero", "_rules", "_windows", "flags", "spec")

    def __init__(self, spec: HpaSpec, flags: ControllerFlags = DEFAULT_FLAGS) -> None:
        self.spec = spec
        self.flags = flags
        self._rules = Rules(Tolerance.of(spec, flags), spec.release)
        self._can_use_zero = any(metric.source in {"Object", "External"} for metric in spec.metrics)
        self._windows = Windows.of(spec, flags)

    def sync(  # noqa: PLR0913  one parameter per thing the controller reads
        self,
        history: History,
        now_us: int,
        scale: Scale | None,
        pods: PodCounts | None,
        metrics: Sequence[MetricInput],
        *,
        scale_writable: bool = True,
    ) -> Decision:
        """Decide at `now_us` (microseconds, never going back) and update `history`.

        `scale` None: it could not be read. `pods` is read for a `value` target only. `metrics` has one entry per
        metric of the spec, in its order. Raises TypeError for a sample that is not of its metric's kind.
        """
        if scale is None:
            history.set(NO_SCALE)
            return Decision(now_us, 0, 0, error="failed to query scale", conditions=tuple(history.conditions.values()))
        history.set(GOT_SCALE)
        current = scale.spec_replicas
        if history.recommendations is None:
            history.recommendations = [Recommendation(current, now_us)]
        decision = Decision(now_us, current, current)
        spec = self.spec
        if current == 0 and not self._leaves_zero(history):
            history.set(DISABLED)
            if not spec.release.scale_to_zero:
                history.conditions.pop("ScaledToZero", None)
        elif current > spec.max_replicas:
            decision.desired = spec.max_replicas
            decision.reason = "Current number of replicas above Spec.MaxReplicas"
        elif 0 < current < spec.min_replicas:
            decision.desired = spec.min_replicas
            decision.reason = "Current number of replicas below Spec.MinReplicas"
        elif self._propose(decision, history, scale, pods, metrics):
            self._normalize(decision, history)
        if decision.desired != current:
            self._write(decision, history, scale_writable=scale_writable)
        decision.conditions = tuple(history.conditions.values())
        return decision

    def _leaves_zero(self, history: History) -> bool:
        """Whether metrics are computed at zero replicas; otherwise the HPA is paused there."""
        release = self.spec.release
        if not release.needs_scaled_to_zero_condition:
            return self.spec.min_replicas == 0
        scaled_to_zero = release.scale_to_zero and history.scaled_to_zero
        return scaled_to_zero and (self.spec.min_replicas != 0 or self._can_use_zero)

    def _propose(
        self,
        decision: Decision,
        history: History,
        scale: Scale,
        pods: PodCounts | None,
        samples: Sequence[MetricInput],
    ) -> bool:
        """The largest proposal of the metrics that work. False when the sync ends here, without a change."""
        spec = self.spec
        results = []
        largest, winner = 0, 0
        failures = 0
        for index, (metric, sample) in enumerate(zip(spec.metrics, samples, strict=True)):
            result = propose(metric, sample, scale, pods, self._rules)
            results.append(result)
            if result.outcome == "failed":
                if not failures:
                    failed = _FAILED_METRIC[metric.source]
                    decision.error = f"{metric.title}: {result.error}"
                failures += 1
            elif largest == 0 or result.proposal > largest:
                largest, winner = result.proposal, index
        decision.metrics = tuple(results)
        if failures and (failures == len(results) or largest < decision.current):
            history.set(failed)
            return False
        history.set(VALID_METRIC)
        decision.metric = winner
        decision.proposal = max(largest, 0)
        if decision.proposal > decision.current:
            decision.reason = f"{spec.metrics[winner].title} above target"
        elif decision.proposal < decision.current:
            decision.reason = "All metrics below target"
        return True

    def _normalize(self, decision: Decision, history: History) -> None:
        """Stabilise and limit the proposal, with the algorithm that `behavior` selects."""
        spec, now_us, current = self.spec, decision.now_us, decision.current
        proposal = decision.proposal or 0
        recommendations = history.recommendations
        assert recommendations is not None  # noqa: S101  sync stored the first one
        condition = READY
        limited: Limited
        if spec.behavior is None:
            stabilized = stabilize(recommendations, proposal, now_us, self._windows.down_us)
            if stabilized != proposal:
                condition = DOWN_STABILIZED
            limited = limit(spec, self.flags, current, stabilized)
        else:
            stabilized = stabilize_with_behavior(recommendations, proposal, current, now_us, self._windows)
            if stabilized != proposal:
                condition = UP_STABILIZED if proposal >= current else DOWN_STABILIZED
            limited = limit_with_behavior(spec, history, current, stabilized, now_us)
        history.set(condition)
        history.set((_UNLIMITED if limited.replicas == stabilized else _LIMITED)[limited.reason])
        decision.stabilized = stabilized
        decision.limited = decision.desired = limited.replicas
        decision.limit_reason = limited.reason
        if current == 0 and decision.desired < spec.min_replicas:
            decision.desired = spec.min_replicas
            decision.reason = decision.reason or "Current number of replicas below Spec.MinReplicas"

    def _write(self, decision: Decision, history: History, *, scale_writable: bool) -> None:
        """Write the scale: condition, and the event that later rate limits count."""
        spec = self.spec
        if not scale_writable:
            history.set(NOT_WRITTEN)
            decision.error = "failed to rescale"
            decision.desired = decision.current
            return
        decision.rescale = True
        history.set(RESCALED)
        if spec.behavior is not None:
            store_scale_event(spec.behavior, history, decision.current, decision.desired, decision.now_us)
        if not (spec.release.needs_scaled_to_zero_condition and spec.release.scale_to_zero):
            history.conditions.pop("ScaledToZero", None)
        elif decision.desired == 0 and spec.min_replicas == 0 and self._can_use_zero:
            history.set(SCALED_TO_ZERO)
        else:
            history.set(NOT_SCALED_TO_ZERO)
