"""What the simulator's controller would have done with what KEDA's HPA saw, between one pod and the maximum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Controller, Decision, History, HpaSpec, Scale
from ebbtide.capacity.hpa.limits import store_scale_event
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.outcome import SYNC_SECONDS
from ebbtide.rehearsal.replay import Compared, Explanation

_GOT_METRICS = "ValidMetricFound"
_DRIFT_SECONDS = 0.05
"""By how much each sync that nobody saw may be later: the next begins 15 s after one has ended (0.02 s were seen)."""


class _Told(NamedTuple):
    """What a sync was told: when at the latest, of how many pods, and their messages."""

    at: float
    scale: Scale
    messages: float


def replay_backlog(spec: HpaSpec, looks: Sequence[KedaLook], held: Callable[[float], float]) -> list[Compared]:
    """Every sync in which the real HPA controller, or ours, changed the number of pods.

    The HPA writes down what it saw, for each pod, and the number of pods then. What the status says stays until
    something in it changes: meanwhile it was seen again each sync. `held` says how many messages there were, by the
    rehearsal's own count, for a sync that divided by no pods and so wrote down nothing that can be read.
    """
    replayed = _Replay(spec)
    compared: list[Compared] = []
    for look in _syncs(looks):
        current, desired = look.current_replicas, look.desired_replicas
        if not current or not desired or look.hpa_scales != _GOT_METRICS:
            continue
        told = _Told(look.at, Scale(current, look.pods), look.metrics[0] * look.pods if look.metrics else held(look.at))
        ours, explanation = replayed.decide(told, look, desired)
        if {desired, ours} != {current}:
            compared.append(Compared(look.at, current, None, desired, ours, explanation))
    return compared


class _Replay:
    """Each decision is made with what the real controller remembered: its changes, and not ours."""

    def __init__(self, spec: HpaSpec) -> None:
        self.controller = Controller(spec)
        self.late, self.early = History(), History()
        """With everything as late, and as early, as it can have been: when it was seen, and when it was not yet."""

    def decide(self, told: _Told, look: KedaLook, real: int) -> tuple[int, Explanation | None]:
        """What ours decides, and why that is not what the real one did."""
        late, early = self.late.copy(), self.early.copy()
        ours = self._sync(self.late, told, real).desired
        self._sync(self.early, told._replace(at=look.since), real)
        if ours == real:
            return ours, None
        return ours, self._of_time(late, early, told, look, real) or self._of_pods(late, told, real)

    def _sync(self, history: History, told: _Told, real: int) -> Decision:
        """One sync; the change that is remembered is the real one's."""
        before, now_us = history.copy(), _us(told.at)
        decision = self.controller.sync(history, now_us, told.scale, None, [round(told.messages * 1000)])
        history.scale_ups, history.scale_downs = before.scale_ups, before.scale_downs
        behavior, current = self.controller.spec.behavior, told.scale.spec_replicas
        if real != current and behavior is not None:
            store_scale_event(behavior, history, current, real, now_us)
        return decision

    def _of_time(self, late: History, early: History, told: _Told, look: KedaLook, real: int) -> Explanation | None:
        """Both decide the same if this sync was as close to, or as far from, earlier ones as the looks leave open."""
        for then, at in ((late, look.since), (early, told.at)):
            if self._sync(then.copy(), told._replace(at=at), real).desired == real:
                wanted = max(real, told.scale.spec_replicas)
                least, most = look.since - _last(late, wanted), told.at - _last(early, wanted)
                return Explanation(
                    "time", f"it had last proposed {wanted} pods or more {least:.2f} to {most:.2f} s before"
                )
        return None

    def _of_pods(self, late: History, told: _Told, real: int) -> Explanation | None:
        """Both decide the same if the average is of as many pods as are asked for: the Deployment's own count of them
        changes while pods come and go, and a look reads it once."""
        current, pods = told.scale.spec_replicas, told.scale.status_replicas
        if not pods:
            return None
        again = told._replace(scale=Scale(current, current), messages=told.messages / pods * current)
        if self._sync(late.copy(), again, real).desired != real:
            return None
        return Explanation("pods", f"the average was of {pods} pods or of {current}, which came or went just then")


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
    """The syncs that changed nothing in it. There is none after a change or a division by no pods: what the next one
    writes is something else."""
    if look.current_replicas != look.desired_replicas or not look.metrics:
        return
    at, since = look.at + SYNC_SECONDS + _DRIFT_SECONDS, look.since + SYNC_SECONDS
    # Half a period before it said something else, there was no sync in which it said the same.
    while at < until - SYNC_SECONDS / 2:
        yield replace(look, at=at, since=since)
        at, since = at + SYNC_SECONDS + _DRIFT_SECONDS, since + SYNC_SECONDS


def _status(look: KedaLook) -> tuple[object, ...]:
    return look.current_replicas, look.desired_replicas, look.metrics, look.hpa_scales


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _last(history: History, replicas: int) -> float:
    """When so many pods were last proposed, in seconds."""
    return max((at_us for one, at_us in history.recommendations or () if one >= replicas), default=0) / MICROSECONDS
