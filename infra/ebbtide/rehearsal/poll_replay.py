"""What the simulator's operator would have done with what KEDA's saw: from no pod to the first ones, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import MetricFailure
from ebbtide.capacity.keda import Memory, Operator, Reading, ScaledObject, Target
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.replay import Compared, Explanation

_NOBODY_ANSWERS = MetricFailure("the broker did not answer")


def replay_polls(spec: ScaledObject, looks: Sequence[KedaLook]) -> list[Compared]:
    """Every poll in which the real operator, or ours, took the pods from zero or to zero.

    Ours is given what KEDA wrote into the ScaledObject: whether a trigger was active, when one last was, and whether
    it could be asked. Between two looks that differ it was polled with the same. Changes between one pod and the
    maximum are the HPA's.
    """
    replayed = _Replay(Operator(spec), looks)
    compared: list[Compared] = []
    before: KedaLook | None = None
    for look in _polls(looks, spec.polling_seconds):
        if before is not None and not look.is_paused:
            current = before.replicas
            real = look.replicas if 0 in {current, look.replicas} else current
            ours = replayed.decide(look, before, look.at)
            if {real, ours} != {current}:
                explanation = None
                if ours != real:
                    explanation = _went_on(look, before, real, ours) or replayed.explain(look, before, real, ours)
                compared.append(Compared(look.at, current, None, real, ours, explanation))
        before = look
    return compared


@dataclass(frozen=True, slots=True)
class _Replay:
    operator: Operator
    looks: Sequence[KedaLook]

    def decide(self, look: KedaLook, before: KedaLook, at: float) -> int:
        """How many pods ours asks for, polling at an instant."""
        target = Target(before.replicas, before.replicas)
        memory, readings = _memory(look, before), _read(self.operator.spec, look)
        return self.operator.poll(memory, _us(at), target, readings).desired

    def explain(self, look: KedaLook, before: KedaLook, real: int, ours: int) -> Explanation | None:
        """What of this poll the record leaves open, if both decide the same within it."""
        if real in {self.decide(look, before, at) for at in (look.since, look.at)}:
            last, what = look.last_active_at, "a trigger was last active"
            if last is None:
                last, what = look.created_at, "the ScaledObject was made"
            return Explanation("time", f"it polled {look.since - last:.2f} to {look.at - last:.2f} s after {what}")
        following = next((one for one in self.looks if one.at > look.at), None)
        if following is not None and following.since <= look.at and self.decide(following, before, look.at) == real:
            # The executor scales first, and then writes its conditions.
            return Explanation("order", f"{following.at - look.at:.2f} s later it had written why: it scales first")
        changed = next((one for one in self.looks if one.at > look.at and one.replicas != before.replicas), None)
        if real != before.replicas or changed is None or changed.replicas != ours:
            return None
        late = changed.at - look.at
        if changed.since <= look.at:
            return Explanation("order", f"the Deployment was read first, and was so {late:.2f} s later")
        # One interval, and what the look that shows it leaves open: with two, half a cooldown was explained away.
        if late <= self.operator.spec.polling_seconds + changed.at - changed.since:
            return Explanation("poll", f"no poll shows; the next decided the same, {late:.2f} s later")
        return None


def _went_on(look: KedaLook, before: KedaLook, real: int, ours: int) -> Explanation | None:
    """Two steps in one look. At zero an HPA does nothing: the operator's came first, and to how many is not seen."""
    if before.replicas == 0 and 0 < ours < real == look.desired_replicas:
        return Explanation("order", f"the HPA had gone on from there to {real} pods when it was looked at")
    return None


def _polls(looks: Sequence[KedaLook], polling_seconds: int) -> Iterator[KedaLook]:
    """Each look, and after it one a polling interval until half of one before the next."""
    for place, look in enumerate(looks):
        following = looks[place + 1] if place + 1 < len(looks) else None
        yield look
        at = look.at + polling_seconds
        while following is not None and at < following.at - polling_seconds / 2:
            yield replace(look, at=at, since=at - polling_seconds)
            at += polling_seconds


def _memory(look: KedaLook, before: KedaLook) -> Memory:
    """As the real one remembers: what is active now was last active at the poll before, or then."""
    last = before.last_active_at if look.is_active else look.last_active_at
    return Memory(_us(look.created_at), None if last is None else _us(last))


def _read(spec: ScaledObject, look: KedaLook) -> list[Reading]:
    """Readings that make it as active as KEDA said it was: the first trigger's, and nothing of the others."""
    if look.ready == "TriggerError":
        return [_NOBODY_ANSWERS] * len(spec.triggers)
    activation = max(spec.triggers[0].activation, spec.modifiers.activation if spec.modifiers else 0.0)
    return [activation + 1 if look.is_active else 0.0, *[0.0] * (len(spec.triggers) - 1)]


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
