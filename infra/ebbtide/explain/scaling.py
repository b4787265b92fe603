"""What the autoscaler can do at most, in words that can be held against what it did."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ebbtide.capacity.autoscaler import read_autoscaler
from ebbtide.capacity.hpa import Controller, History, HpaSpec, Metric, Scale
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS
from ebbtide.settings.autoscaling import Behavior, HpaSettings, ScalingRules
from ebbtide.settings.consumer import ConsumerSettings
from ebbtide.settings.stack import StackSettings
from ebbtide.settings.units import format_duration

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
    """The limits of an HPA, from the controller's own rules; None where the number of pods is fixed."""
    scaling = consumer.autoscaling
    if not isinstance(scaling, HpaSettings):
        return None
    down = (scaling.behavior or Behavior()).scale_down or ScalingRules()
    window = down.stabilization_window
    if window is None:
        window = DEFAULT_FLAGS.downscale_stabilization_seconds
    spec = read_autoscaler(stack, consumer, scaling)
    steps, seconds = _steps_up(spec)
    return ScalingLimits(steps, seconds, window, _shrinks(down))


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
        wanted = controller.sync(history, seconds * 1_000_000, Scale(current, current), None, [2**40]).desired
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
