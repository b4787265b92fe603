"""Why the number of pods is what it is: a decision of the controller, or of KEDA's operator, in a sentence."""

from __future__ import annotations

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Decision, Metric
from ebbtide.capacity.keda import Memory, Poll, ScaledObject

AT_ZERO = "at zero the HPA does nothing (ScalingDisabled) until a poll of KEDA's finds work; stays at 0"


def is_paused(decision: Decision) -> bool:
    """Whether the controller leaves its target alone (`ScalingDisabled`)."""
    return decision.current == 0 and decision.metric is None and not decision.error


_LIMITS = {
    "TooManyReplicas": "maxReplicas",
    "TooFewReplicas": "minReplicas",
    "ScaleUpLimit": "the limit on scaling up",
    "ScaleDownLimit": "the limit on scaling down",
}


def explain_decision(decision: Decision, metrics: tuple[Metric, ...]) -> str:
    """One sentence: the metric, the ratio, the proposal, and what window, policy or bound made of it. The words in
    brackets are those of `kubectl describe hpa`."""
    if decision.metric is None:
        if decision.error:
            return f"no metric ({decision.error}): the number stays at {decision.current}"
        if is_paused(decision):
            return (
                "the autoscaler is paused (ScalingDisabled): it wakes from no zero but one that it made itself, so"
                " somebody has to scale by hand; stays at 0"
            )
        return decision.reason or f"stays at {decision.current}"
    metric, ratio = metrics[decision.metric], decision.metrics[decision.metric].ratio
    target = f"{metric.target} %" if metric.target_type == "Utilization" else f"{metric.target / 1000:.12g}"
    words = [f"{metric.name} is at {ratio:.2f} of its target of {target} and asks for {decision.proposal}"]
    for place, (other, found) in enumerate(zip(metrics, decision.metrics, strict=True)):
        if place != decision.metric:
            asks = "could not be read" if found.outcome == "failed" else f"asks for {found.proposal}"
            words.append(f"{other.name} {asks}")
    if decision.stabilized is not None and decision.stabilized != decision.proposal:
        words.append(f"the stabilization window makes it {decision.stabilized}")
    if decision.limited is not None and decision.limited != decision.stabilized:
        words.append(f"{_LIMITS[decision.limit_reason]} ({decision.limit_reason}) makes it {decision.limited}")
    words.append(f"{decision.current} → {decision.desired}" if decision.rescale else f"stays at {decision.current}")
    return "; ".join(words)


def explain_poll(poll: Poll, spec: ScaledObject, memory: Memory) -> str:
    """One sentence on a poll that changed the number: what was active, or for how long nothing was."""
    change = f"{poll.current} → {poll.desired}"
    if poll.active_metrics:
        return f"KEDA's poll finds {' and '.join(poll.active_metrics)} active; {change}"
    if poll.desired > poll.current:
        forced = spec.pauses.force_activation
        return f"KEDA's poll {'is forced by an annotation' if forced else 'finds fewer than minReplicaCount'}; {change}"
    if memory.last_active_us is None:
        since = f"was never active, and initialCooldownPeriod ({spec.initial_cooldown_seconds} s) is over"
    else:
        quiet = (poll.now_us - memory.last_active_us) // MICROSECONDS
        since = f"was last active {quiet} s ago, and cooldownPeriod ({spec.cooldown_seconds} s) is over"
    return f"KEDA's poll: {since}; {change}{', all at once' if poll.current > 1 else ''}"
