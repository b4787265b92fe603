"""Which signal a kind of autoscaling follows: one function a kind."""

from __future__ import annotations

from functools import singledispatch

from ebbtide.rehearsal.backlog import BacklogSignal
from ebbtide.rehearsal.cpu import CpuSignal, cpu_target
from ebbtide.rehearsal.problem import refusal
from ebbtide.rehearsal.signal import Signal
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.keda import KedaSettings


@singledispatch
def read_signal(scaling: AutoscalingSettings, consumer: ConsumerSettings) -> Signal:
    """What a rehearsal of this consumer has to move. Raises SettingsError for what it cannot move."""
    if not cpu_target(scaling):
        message = f"{consumer.name} scales on nothing that the load of a rehearsal drives: the CPU, or the queue"
        raise refusal("--stack", message, "rehearse with --set 'autoscaling={kind: keda, maxReplicas: 4}'")
    return CpuSignal(consumer)


@read_signal.register
def _keda(scaling: KedaSettings, consumer: ConsumerSettings) -> Signal:
    if scaling.triggers:
        message = f"{consumer.name} scales on triggers of its own, and a rehearsal's load is only in the broker"
        raise refusal("--stack", message, "rehearse with --set 'autoscaling.triggers=[]'")
    target = scaling.target(consumer.transport, consumer.worker)
    return BacklogSignal(consumer, target, scaling.polling_interval, scaling.cooldown)
