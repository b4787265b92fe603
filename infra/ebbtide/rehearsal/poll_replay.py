"""What the simulator's operator would have done with what KEDA's saw: from no pod to the first ones, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ebbtide.capacity.hpa import MetricFailure
from ebbtide.capacity.keda import Memory, Operator, Reading, ScaledObject, Target
from ebbtide.capacity.keda.memory import MICROSECONDS
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.replay import Compared

_NOBODY_ANSWERS = MetricFailure("the broker did not answer")


def replay_polls(spec: ScaledObject, looks: Sequence[KedaLook]) -> list[Compared]:
    """Every poll in which the real operator, or ours, took the pods from zero or to zero.

    Ours is given what KEDA wrote into the ScaledObject: whether a trigger was active, when one last was, and whether
    it could be asked. Between two looks that differ it was polled with the same. Changes between one pod and the
    maximum are the HPA's.
    """
    operator = Operator(spec)
    compared: list[Compared] = []
    before: KedaLook | None = None
    for look in _polls(looks, spec.polling_seconds):
        if before is not None and not look.is_paused:
            current = before.replicas
            real = look.replicas if 0 in {current, look.replicas} else current
            ours = operator.poll(
                _memory(looks[0], look, before), _us(look.at), Target(current, current), _read(spec, look)
            )
            if {real, ours.desired} != {current}:
                compared.append(Compared(look.at, current, None, real, ours.desired))
        before = look
    return compared


def _polls(looks: Sequence[KedaLook], polling_seconds: int) -> Iterator[KedaLook]:
    """Each look, and after it one a polling interval until half of one before the next."""
    for place, look in enumerate(looks):
        following = looks[place + 1] if place + 1 < len(looks) else None
        yield look
        at = look.at + polling_seconds
        while following is not None and at < following.at - polling_seconds / 2:
            yield replace(look, at=at)
            at += polling_seconds


def _memory(first: KedaLook, look: KedaLook, before: KedaLook) -> Memory:
    """As the real one remembers: what is active now was last active at the poll before, or then."""
    last = before.last_active_at if look.is_active else look.last_active_at
    return Memory(_us(first.at), None if last is None else _us(last))


def _read(spec: ScaledObject, look: KedaLook) -> list[Reading]:
    """Readings that make it as active as KEDA said it was: the first trigger's, and nothing of the others."""
    if look.ready == "TriggerError":
        return [_NOBODY_ANSWERS] * len(spec.triggers)
    activation = max(spec.triggers[0].activation, spec.modifiers.activation if spec.modifiers else 0.0)
    return [activation + 1 if look.is_active else 0.0, *[0.0] * (len(spec.triggers) - 1)]


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
