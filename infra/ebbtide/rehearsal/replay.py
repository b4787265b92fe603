"""What the simulator's controller would have done with what the real one saw: pods, samples and times as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ebbtide.capacity.hpa import Controller, History, HpaSpec, Pod, Sample, Scale, group_pods
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS
from ebbtide.rehearsal.cluster import Manifest
from ebbtide.rehearsal.ledger import parse_time
from ebbtide.rehearsal.watch import Sync, measured_utilization, request_milli, usage_milli
from ebbtide.settings.units import parse_duration

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Compared:
    """One sync in which the real controller, or ours, changed the number of pods."""

    at: float
    current: int
    utilization: int | None
    real: int
    ours: int

    @property
    def agrees(self) -> bool:
        """Whether both decided the same."""
        return self.real == self.ours


def replay(spec: HpaSpec, syncs: Sequence[Sync]) -> list[Compared]:
    """Give each recorded sync to the controller of `ebbtide simulate`; every sync where one of both changed something.

    The pods are what the API server said up to half a second before the real controller asked.
    """
    controller, history = Controller(spec), History()
    compared = []
    for sync in syncs:
        now_us = round(sync.at * _US)
        seen = _seen_samples(sync)
        pods = [_pod(pod, seen) for pod in sync.pods]
        samples = [group_pods(pods, metric, now_us, DEFAULT_FLAGS) for metric in spec.metrics]
        scale = Scale(sync.current, sync.current)
        decision = controller.sync(history, now_us, scale, None, samples)
        if sync.current and (sync.desired != sync.current or decision.desired != sync.current):
            compared.append(Compared(sync.at, sync.current, sync.utilization, sync.desired, decision.desired))
    return compared


def _seen_samples(sync: Sync) -> list[Manifest]:
    """Those whose mean is what the autoscaler says it saw; the earlier ones if neither is."""
    for samples in sync.samples:
        measured = measured_utilization(
            [pod for pod in sync.pods if "deletionTimestamp" not in pod["metadata"]], samples
        )
        if measured is not None and sync.utilization is not None and int(measured) == sync.utilization:
            return samples
    return sync.samples[0]


def _pod(pod: Manifest, samples: Sequence[Manifest]) -> Pod:
    status = pod["status"]
    ready = next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), None)
    name = pod["metadata"]["name"]
    sample = next((one for one in samples if one["metadata"]["name"] == name), None)
    return Pod(
        phase=status["phase"],
        ready_status=ready["status"] if ready else None,
        ready_transition_us=_us(ready["lastTransitionTime"]) if ready else 0,
        start_us=_us(status["startTime"]) if "startTime" in status else None,
        deleted="deletionTimestamp" in pod["metadata"],
        request_milli=request_milli(pod),
        sample=None if sample is None else _sample(sample),
    )


def _sample(sample: Manifest) -> Sample:
    window = sample["window"].split(".")[0].removesuffix("s") + "s"
    return Sample(round(usage_milli(sample)), _us(sample["timestamp"]), parse_duration(window) * _US)


def _us(text: str) -> int:
    return round(parse_time(text) * _US)
