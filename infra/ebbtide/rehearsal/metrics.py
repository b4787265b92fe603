"""What the metrics API and an autoscaler's status say of pods, read as the autoscaler reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Metric, Pod, Sample, group_pods
from ebbtide.capacity.hpa.spec import DEFAULT_FLAGS
from ebbtide.rehearsal.cluster import Manifest
from ebbtide.rehearsal.ledger import parse_time
from ebbtide.settings.values.units import parse_cpu, parse_duration

_CPU = Metric("Resource", "Utilization", 100, "cpu")


def seen_utilization(status: Manifest) -> int | None:
    """The autoscaler's own reading of its first resource metric, in per cent."""
    for metric in status.get("currentMetrics") or []:
        value = (metric.get("resource") or {}).get("current", {}).get("averageUtilization")
        if value is not None:
            return int(value)
    return None


def measured_utilization(pods: Iterable[Manifest], samples: Sequence[Manifest], now: float) -> float | None:
    """Usage in per cent of the requests, of the pods that the autoscaler would count now: those of which there is a
    sample, and not one from before they were ready. None where there is no such pod."""
    groups = group_pods(read_pods(pods, samples), _CPU, round(now * MICROSECONDS), DEFAULT_FLAGS)
    return 100 * groups.ready_usage_milli / groups.ready_request_milli if groups.ready_request_milli else None


def read_pods(pods: Iterable[Manifest], samples: Sequence[Manifest]) -> list[Pod]:
    """The pods with their samples, as the simulator's controller takes them."""
    by_name = {sample["metadata"]["name"]: sample for sample in samples}
    return [_read_pod(pod, by_name.get(pod["metadata"]["name"])) for pod in pods]


def _read_pod(pod: Manifest, sample: Manifest | None) -> Pod:
    status = pod["status"]
    ready = next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), None)
    return Pod(
        phase=status["phase"],
        ready_status=ready["status"] if ready else None,
        ready_transition_us=_us(ready["lastTransitionTime"]) if ready else 0,
        start_us=_us(status["startTime"]) if "startTime" in status else None,
        deleted="deletionTimestamp" in pod["metadata"],
        request_milli=sum(parse_cpu(one["resources"]["requests"]["cpu"]) for one in pod["spec"]["containers"]),
        sample=None if sample is None else _read_sample(sample),
    )


def _read_sample(sample: Manifest) -> Sample:
    usage = sum(cpu_milli(container["usage"]["cpu"]) for container in sample["containers"])
    window = sample["window"].split(".")[0].removesuffix("s") + "s"
    return Sample(round(usage), _us(sample["timestamp"]), parse_duration(window) * MICROSECONDS)


def cpu_milli(text: str) -> float:
    """`12345678n`, `12345u`, `12m` or `2` in thousandths of a core."""
    for suffix, factor in (("n", 1e-6), ("u", 1e-3), ("m", 1.0)):
        if text.endswith(suffix):
            return float(text[:-1]) * factor
    return float(text) * 1000


def _us(text: str) -> int:
    return round(parse_time(text) * MICROSECONDS)
