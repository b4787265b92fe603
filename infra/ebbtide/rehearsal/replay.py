"""What the simulator's controller would have done with what the real one saw: pods, samples and times as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Controller, History, HpaSpec, Scale, group_pods
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS
from ebbtide.rehearsal.cluster import Manifest
from ebbtide.rehearsal.metrics import measured_utilization, read_pods


@dataclass(slots=True)
class Sync:
    """What the autoscaler's status said when it changed, and the pods as they were then."""

    at: float
    current: int
    desired: int
    utilization: int | None
    pods: list[Manifest]
    """One look before, as the autoscaler saw them: a look later there are those that it has asked for."""
    samples: tuple[list[Manifest], list[Manifest]]
    """One look before, and now: which of them it saw, its `utilization` tells."""


Cause = Literal["time", "pods", "poll", "order"]
"""What of a decision a record does not say: when exactly it was made, of how many pods an average is, whether there
was a poll, or which of two states that were written one after the other it was made with."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why ours decided otherwise than the real one: within what the record leaves open, it decides the same."""

    cause: Cause
    evidence: str
    """With the recorded numbers. Times are seconds before the decision, or long."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One sync in which the real controller, or ours, changed the number of pods."""

    at: float
    current: int
    utilization: int | None
    real: int
    ours: int
    explanation: Explanation | None = None
    """Of a difference; None where both decided the same, or where the record does not explain it."""

    @property
    def agrees(self) -> bool:
        """Whether both decided the same."""
        return self.real == self.ours

    @property
    def is_unexplained(self) -> bool:
        """Whether nobody knows why they differ."""
        return not self.agrees and self.explanation is None


def difference_words(compared: Compared) -> str:
    """One difference, and what explains it."""
    why = compared.explanation
    reason = "the record does not say why" if why is None else f"{why.evidence} ({why.cause})"
    return f"{compared.current} to {compared.real} pods, and here to {compared.ours}: {reason}"


def replay(spec: HpaSpec, syncs: Sequence[Sync]) -> list[Compared]:
    """Give each recorded sync to the controller of `ebbtide simulate`; every sync where one of both changed something.

    The pods are what the API server said up to half a second before the real controller asked.
    """
    controller, history = Controller(spec), History()
    compared = []
    for sync in syncs:
        now_us = round(sync.at * MICROSECONDS)
        pods = read_pods(sync.pods, _seen_samples(sync))
        samples = [group_pods(pods, metric, now_us, DEFAULT_FLAGS) for metric in spec.metrics]
        scale = Scale(sync.current, sync.current)
        decision = controller.sync(history, now_us, scale, None, samples)
        # Before it has decided anything, its status says 0.
        if sync.current and sync.desired and {sync.desired, decision.desired} != {sync.current}:
            compared.append(Compared(sync.at, sync.current, sync.utilization, sync.desired, decision.desired))
    return compared


def _seen_samples(sync: Sync) -> list[Manifest]:
    """Those whose mean is what the autoscaler says it saw; the earlier ones if neither is."""
    for samples in sync.samples:
        measured = measured_utilization(sync.pods, samples, sync.at)
        if measured is not None and sync.utilization is not None and int(measured) == sync.utilization:
            return samples
    return sync.samples[0]
