"""What the simulator's controller would have done with what KEDA's HPA saw, between one pod and the maximum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ebbtide.capacity.hpa import Controller, History, HpaSpec, Scale
from ebbtide.capacity.hpa.pods import MICROSECONDS
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.outcome import SYNC_SECONDS
from ebbtide.rehearsal.replay import Compared

_GOT_METRICS = "ValidMetricFound"


def replay_backlog(spec: HpaSpec, looks: Sequence[KedaLook]) -> list[Compared]:
    """Every sync in which the real HPA controller, or ours, changed the number of pods.

    The HPA writes down what it saw, for each pod, and the number of pods then. What the status says stays until
    something in it changes: meanwhile it was seen again each sync.
    """
    controller, history = Controller(spec), History()
    compared: list[Compared] = []
    for look in _syncs(looks):
        current, desired = look.current_replicas, look.desired_replicas
        if not current or not desired or not look.metrics or look.hpa_scales != _GOT_METRICS:
            continue
        total_milli = round(look.metrics[0] * current * 1000)
        decision = controller.sync(history, round(look.at * MICROSECONDS), Scale(current, current), None, [total_milli])
        if {desired, decision.desired} != {current}:
            compared.append(Compared(look.at, current, None, desired, decision.desired))
    return compared


def _syncs(looks: Sequence[KedaLook]) -> Iterator[KedaLook]:
    """What the HPA's status said, each time that it may have been written."""
    last: KedaLook | None = None
    for look in looks:
        if last is not None:
            if _status(look) == _status(last):
                continue
            yield from _again(last, look.at)
        yield look
        last = look


def _again(look: KedaLook, until: float) -> Iterator[KedaLook]:
    at = look.at + SYNC_SECONDS
    # Half a period before it said something else, there was no sync in which it said the same.
    while at < until - SYNC_SECONDS / 2:
        yield replace(look, at=at)
        at += SYNC_SECONDS


def _status(look: KedaLook) -> tuple[object, ...]:
    return look.current_replicas, look.desired_replicas, look.metrics, look.hpa_scales
