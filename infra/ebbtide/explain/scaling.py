"""What the autoscaler can do at most, in words that can be held against what it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import singledispatch

from ebbtide.capacity.autoscaler import read_autoscaler, read_hpa
from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Controller, History, HpaSpec, Metric, Scale
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS
from ebbtide.manifests.kubernetes.autoscaler import build_behavior
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.behavior import ScalingRules
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.fixed import FixedReplicas, Singleton
from ebbtide.settings.models.hpa import HpaSettings
from ebbtide.settings.models.keda import KedaSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.units import format_duration, plural

# Beyond this many syncs without reaching the maximum, a policy forbids it.
_MAX_SYNCS = 1000


@dataclass(frozen=True, slots=True)
class ScalingLimits:
    """How fast one consumer can grow and shrink."""

    first_steps: tuple[int, ...]
    """Replicas from the minimum upwards, one entry per change, when the metric asks for everything."""
    seconds_to_max: int
    """From the sync that first sees the load to the last step, in seconds."""
    seconds_before_shrinking: int
    """How long the metric must be low before the first pod goes."""
    shrinks: str
    """How many pods go at once."""


def build_scaling_limits(stack: StackSettings, consumer: ConsumerSettings) -> ScalingLimits | None:
    """The limits of what an HPA decides, from the controller's own rules; None where none decides."""
    scaling = consumer.autoscaling
    spec = hpa_behind(scaling, stack, consumer)
    if spec is None:
        return None
    down = scaling.directions.get("scaleDown", ScalingRules())
    window = down.stabilization_window
    if window is None:
        window = DEFAULT_FLAGS.downscale_stabilization_seconds
    steps, seconds = _steps_up(spec)
    return ScalingLimits(steps, seconds, window, _shrinks(down))


@singledispatch
def hpa_behind(
    scaling: AutoscalingSettings,  # noqa: ARG001
    stack: StackSettings,  # noqa: ARG001
    consumer: ConsumerSettings,  # noqa: ARG001
) -> HpaSpec | None:
    """What the HPA controller reads of the HPA that moves the pods; None where there is none, or nobody has said."""
    return None


@hpa_behind.register
def _own_hpa(scaling: HpaSettings, stack: StackSettings, consumer: ConsumerSettings) -> HpaSpec | None:
    return read_autoscaler(scaling, stack, consumer)


@hpa_behind.register
def _kedas_hpa(scaling: KedaSettings, stack: StackSettings, consumer: ConsumerSettings) -> HpaSpec:
    """KEDA's, which never goes below one pod; as far as its limits go, which do not depend on what it measures."""
    backlog = {"metric": {"name": "messages"}, "target": {"type": "AverageValue", "averageValue": "1"}}
    spec: Manifest = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": consumer.name},
        "minReplicas": max(scaling.min_replicas, 1),
        "maxReplicas": scaling.max_replicas,
        "metrics": [{"type": "External", "external": backlog}],
    }
    if scaling.behavior is not None:
        spec["behavior"] = build_behavior(scaling.directions)
    metadata = {"name": consumer.name}
    manifest = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": spec,
    }
    return read_hpa(manifest, stack)


def _steps_up(spec: HpaSpec) -> tuple[tuple[int, ...], int]:
    """Let the controller grow against a backlog without end, sync by sync."""
    endless = Metric("External", "AverageValue", 1, "backlog")
    controller = Controller(replace(spec, metrics=(endless,)))
    history = History()
    period = DEFAULT_FLAGS.sync_period_seconds
    replicas = [max(spec.min_replicas, 1)]
    seconds = last_change = 0
    for _ in range(_MAX_SYNCS):
        current = replicas[-1]
        if current >= spec.max_replicas:
            break
        wanted = controller.sync(history, seconds * MICROSECONDS, Scale(current, current), None, [2**40]).desired
        if wanted > current:
            replicas.append(wanted)
            last_change = seconds
        seconds += period
    return tuple(replicas), last_change


def _shrinks(rules: ScalingRules) -> str:
    if rules.select_policy == "Disabled":
        return "never"
    if rules.policies is None:
        return "all at once"
    words = [
        f"{policy.value}{' %' if policy.kind == 'percent' else ' pods'} in {format_duration(policy.period)}"
        for policy in rules.policies
    ]
    joined = (" or " if rules.select_policy == "Max" else " and ").join(words)
    return f"at most {joined}"


@singledispatch
def scaling_words(scaling: AutoscalingSettings, limits: ScalingLimits | None) -> str:  # noqa: ARG001
    """How fast the number of pods can follow, in a sentence. What no kind has said of itself is not made up."""
    least, most = scaling.min_replicas, scaling.max_replicas
    return f"{scaling.kind} decides the number of pods, {least} to {most}; how fast is not judged."


@scaling_words.register
def _fixed(scaling: FixedReplicas, limits: ScalingLimits | None) -> str:  # noqa: ARG001
    return "The number of pods is fixed: only a change of the settings changes it."


@scaling_words.register
def _singleton(scaling: Singleton, limits: ScalingLimits | None) -> str:  # noqa: ARG001
    return "One pod, never two: the next one starts when the last one is gone, and nothing consumes meanwhile."


@scaling_words.register
def _hpa(scaling: HpaSettings, limits: ScalingLimits) -> str:  # noqa: ARG001
    return f"The HPA {_between(limits)}."


@scaling_words.register
def _keda(scaling: KedaSettings, limits: ScalingLimits) -> str:
    """Both loops: KEDA's own from and to zero, and its HPA's above."""
    if scaling.is_paused:
        held = "where it is" if scaling.paused_replicas is None else f"at {scaling.paused_replicas}"
        return f"KEDA is paused: the number of pods stays {held}."
    above = f"KEDA's HPA {_between(limits)}."
    if scaling.min_replicas > 0:
        return above
    wakes = f"KEDA wakes the first pod at most {format_duration(scaling.polling_interval)} after the first message"
    if scaling.paused_scale_in:
        return f"{wakes}, and ends none while pausedScaleIn says so. {above}"
    quiet = "no trigger has been active" if scaling.triggers else "nothing has waited or been in hand"
    drop = f"{wakes}, and ends all that are left, {scaling.max_replicas} at most, at once when {quiet} for "
    return f"{drop}{format_duration(scaling.cooldown)}. {above}"


def _between(limits: ScalingLimits) -> str:
    steps = " → ".join(map(str, limits.first_steps))
    if len(limits.first_steps) == 1:
        grows = f"stays at {steps}"
    else:
        grows = f"grows {steps} in {format_duration(limits.seconds_to_max)} from the sync that first sees the load"
    if limits.shrinks == "never":
        return f"{grows}, and never shrinks"
    window = format_duration(limits.seconds_before_shrinking)
    return f"{grows}; it shrinks after {window} of low load, {limits.shrinks}"


@singledispatch
def scaling_values(
    scaling: AutoscalingSettings,  # noqa: ARG001
    consumer: ConsumerSettings,  # noqa: ARG001
) -> Iterator[tuple[str, str, str]]:
    """What follows from other settings: name, value and what it is derived from."""
    yield from ()


@scaling_values.register
def _of_keda(scaling: KedaSettings, consumer: ConsumerSettings) -> Iterator[tuple[str, str, str]]:
    if not scaling.triggers:
        target = scaling.target(consumer.transport, consumer.worker)
        each = "autoscaling.messagesPerWorker" if scaling.messages_per_worker else "what a process takes at once"
        yield "messages for one pod", str(target), f"derived from worker.processes and {each}"
    if scaling.min_replicas == 0 and scaling.initial_cooldown is None:
        words = format_duration(scaling.initial_cooldown_seconds)
        yield "initialCooldown", words, "derived from cooldown: a new one is left alone as long as any other"
    if scaling.fallback is None:
        yield "fallback", "none", "default: an outage of the broker then changes nothing"
    if scaling.pods_in_drop(consumer.transport, consumer.worker):
        most = scaling.max_replicas
        processes = most * consumer.worker.processes
        connections = most * consumer.worker.broker_connections
        drop = f"{plural(most, 'pod')} at once"
        budget = f"{drop}, {processes} processes and {plural(connections, 'broker connection')}"
        yield "drop to zero", budget, "derived from maxReplicas: no policy of behavior slows it (KE-05)"
