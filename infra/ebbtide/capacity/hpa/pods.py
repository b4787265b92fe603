"""Which pods count: the sorting of `groupPods`, and the sums per class that are all the formula needs.

Source: pkg/controller/podautoscaler/replica_calculator.go. A simulator that knows its pods by class fills
`PodSamples` directly; `group_pods` does it from single pods, with upstream's rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ebbtide.capacity.clock import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ebbtide.capacity.hpa.spec import ControllerFlags, Metric


@dataclass(slots=True)
class PodSamples:
    """What one sync sees of a Resource, ContainerResource or Pods metric. Usage and requests are sums in milli-units.

    ready: pods whose sample counts. unready: Pending, or (CPU) starting. missing: no sample. ignored: being deleted
    or ended. unlisted: samples whose pod the selector no longer lists; upstream counts those in a mean and in the
    size of the set. Requests matter for utilization only. `missing_requests_milli` is needed only when the missing
    pods' requests differ *and* the target is above 100 %, where upstream truncates pod by pod.
    """

    ready: int
    ready_usage_milli: int = 0
    ready_request_milli: int = 0
    unready: int = 0
    unready_request_milli: int = 0
    missing: int = 0
    missing_request_milli: int = 0
    missing_requests_milli: tuple[int, ...] = ()
    ignored: int = 0
    unlisted: int = 0
    unlisted_usage_milli: int = 0
    request_error: str = ""


@dataclass(slots=True)
class PodCounts:
    """What an Object or External metric with a `value` target needs: pods the selector lists, and how many of them
    are Running and Ready (a pod being deleted still counts, as upstream does not look)."""

    listed: int
    running_and_ready: int


@dataclass(slots=True)
class Sample:
    """A metric sample of one pod."""

    value_milli: int
    at_us: int
    window_us: int


@dataclass(slots=True)
class Pod:
    """One pod as the API server shows it. `ready_status` None: it has no Ready condition yet.

    `request_milli` None: a container has no request for the resource.
    """

    phase: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
    ready_status: Literal["True", "False", "Unknown"] | None
    ready_transition_us: int
    start_us: int | None
    deleted: bool = False
    request_milli: int | None = None
    sample: Sample | None = None


def count_ready(pods: Iterable[Pod]) -> PodCounts:
    """Pods listed, and those Running with Ready=True (`getReadyPodsCount`)."""
    listed = ready = 0
    for pod in pods:
        listed += 1
        ready += pod.phase == "Running" and pod.ready_status == "True"
    return PodCounts(listed, ready)


def _is_starting(pod: Pod, sample: Sample, now_us: int, flags: ControllerFlags) -> bool:
    """Whether a CPU sample says nothing yet: taken while the pod was starting."""
    if pod.ready_status is None or pod.start_us is None:
        return True
    if pod.start_us + flags.cpu_initialization_period_seconds * MICROSECONDS > now_us:
        return pod.ready_status == "False" or sample.at_us < pod.ready_transition_us + sample.window_us
    never_ready = pod.start_us + flags.initial_readiness_delay_seconds * MICROSECONDS > pod.ready_transition_us
    return pod.ready_status == "False" and never_ready


def group_pods(
    pods: Iterable[Pod],
    metric: Metric,
    now_us: int,
    flags: ControllerFlags,
    unlisted: Iterable[Sample] = (),
) -> PodSamples:
    """Sort pods into the classes of one sync and sum what each class brings."""
    groups = PodSamples(ready=0)
    missing_requests = []
    for pod in pods:
        request = pod.request_milli or 0
        if pod.request_milli is None and metric.target_type == "Utilization":
            groups.request_error = f"missing request for {metric.name}"
        if pod.deleted or pod.phase == "Failed":  # Succeeded counts up to 1.37: kubernetes#141298
            groups.ignored += 1
        elif pod.phase == "Pending":
            groups.unready += 1
            groups.unready_request_milli += request
        elif pod.sample is None:
            groups.missing += 1
            groups.missing_request_milli += request
            missing_requests.append(request)
        elif metric.is_cpu and _is_starting(pod, pod.sample, now_us, flags):
            groups.unready += 1
            groups.unready_request_milli += request
        else:
            groups.ready += 1
            groups.ready_usage_milli += pod.sample.value_milli
            groups.ready_request_milli += request
    if len(set(missing_requests)) > 1:
        groups.missing_requests_milli = tuple(missing_requests)
    for sample in unlisted:
        groups.unlisted += 1
        groups.unlisted_usage_milli += sample.value_milli
    return groups
