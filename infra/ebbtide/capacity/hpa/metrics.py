"""From one metric's samples to the replica count it proposes.

Source: pkg/controller/podautoscaler/replica_calculator.go. Each family of metric multiplies its ratio by something
else: pods' metrics by the pods that count, a `value` by the ready pods, an `averageValue` divides the total and
compares with `status.replicas`. None of them is "current replicas x ratio".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, nan
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from ebbtide.capacity.hpa.integers import INT32_MAX, INT64_MAX, ceil_int32, wrap_int64
from ebbtide.capacity.hpa.pods import PodSamples
from ebbtide.capacity.hpa.ratio import mean, utilization

if TYPE_CHECKING:
    from ebbtide.capacity.hpa.pods import PodCounts
    from ebbtide.capacity.hpa.ratio import Tolerance
    from ebbtide.capacity.hpa.release import Release
    from ebbtide.capacity.hpa.spec import Metric


@dataclass(slots=True)
class Scale:
    """The target's scale subresource: what is asked for, and how many pods there are (pods being deleted are not)."""

    spec_replicas: int
    status_replicas: int


@dataclass(slots=True)
class MetricFailure:
    """A metric that could not be fetched, with the reason to show."""

    message: str


MetricInput: TypeAlias = PodSamples | int | tuple[int, ...] | MetricFailure
"""PodSamples for Resource, ContainerResource and Pods; milli-units for Object; milli-units, or one value per series,
for External; MetricFailure for any."""

Outcome = Literal["scales", "within tolerance", "damped", "failed"]


@dataclass(slots=True)
class MetricResult:
    """How one metric's proposal came about. `current` is in the target's unit (per cent or milli-units).

    `filled_ratio` is the ratio after missing and unready pods were filled in; None when nothing was.
    """

    proposal: int = 0
    outcome: Outcome = "scales"
    ratio: float = nan
    current: int = 0
    filled_ratio: float | None = None
    error: str = ""


class Rules(NamedTuple):
    """What holds for every metric of one HPA."""

    tolerance: Tolerance
    release: Release


def _failed(error: str) -> MetricResult:
    return MetricResult(outcome="failed", error=error)


def _filled(
    samples: PodSamples, metric: Metric, release: Release, ratio: float, *, grows: bool
) -> tuple[int, int, int]:
    """Usage, requests and number of samples once the pods without one got a stand-in value."""
    usage, request = samples.ready_usage_milli, samples.ready_request_milli
    size = samples.ready + samples.unlisted
    if metric.target_type != "Utilization":
        usage += samples.unlisted_usage_milli
    if samples.missing and (ratio != 1.0 or _fills_plain_at_one(metric, release)):
        size += samples.missing
        request += samples.missing_request_milli
        if ratio < 1.0:
            usage += _stand_in(samples, metric, release)
    if grows:
        size += samples.unready
        request += samples.unready_request_milli
    return usage, request, size


def _fills_plain_at_one(metric: Metric, release: Release) -> bool:
    return release.fills_missing_at_exactly_one and metric.target_type != "Utilization"


def _stand_in(samples: PodSamples, metric: Metric, release: Release) -> int:
    """What missing pods count for when the metric shrinks: the target for plain values, their request otherwise."""
    if metric.target_type != "Utilization":
        return samples.missing * metric.target
    if metric.target <= 100 or not release.fills_missing_at_target:
        return samples.missing_request_milli
    if samples.missing_requests_milli:
        return sum(request * metric.target // 100 for request in samples.missing_requests_milli)
    return samples.missing * (samples.missing_request_milli // samples.missing * metric.target // 100)


def _unusable(samples: PodSamples, metric: Metric) -> str:
    """Why no proposal can be made from these samples; empty when one can."""
    if not (samples.ready or samples.unready or samples.missing or samples.ignored):
        return "no pods returned by selector while calculating replica count"
    if not (samples.ready or samples.unlisted):
        return "did not receive metrics for targeted pods (pods might be unready)"
    if metric.target_type == "Utilization" and (samples.request_error or not samples.ready_request_milli):
        return samples.request_error or "no metrics returned matched known pods"
    return ""


def propose_from_pods(samples: PodSamples, metric: Metric, current: int, rules: Rules) -> MetricResult:
    """Resource, ContainerResource and Pods metrics (`GetResourceReplicas`, `calcPlainMetricReplicas`)."""
    error = _unusable(samples, metric)
    if error:
        return _failed(error)
    tolerance, release = rules
    of_requests = metric.target_type == "Utilization"
    if of_requests:
        measured = utilization(samples.ready_usage_milli, samples.ready_request_milli)
    else:
        measured = mean(samples.ready_usage_milli + samples.unlisted_usage_milli, samples.ready + samples.unlisted)
    ratio = measured / metric.target
    result = MetricResult(current, "within tolerance", ratio, measured)

    grows = samples.unready > 0 and ratio > 1.0
    if not grows and not samples.missing:
        if not tolerance.holds(ratio):
            result.outcome = "scales"
            result.proposal = ceil_int32(ratio * samples.ready)
        return result

    usage, request, size = _filled(samples, metric, release, ratio, grows=grows)
    filled = (utilization(usage, request) if of_requests else mean(usage, size)) / metric.target
    result.filled_ratio = filled
    if tolerance.holds(filled) or (ratio < 1.0 < filled) or (filled < 1.0 < ratio):
        result.outcome = "within tolerance" if tolerance.holds(ratio) else "damped"
        return result
    proposal = ceil_int32(filled * size)
    if (filled < 1.0 and proposal > current) or (filled > 1.0 and proposal < current):
        result.outcome = "damped"
        return result
    result.outcome = "scales"
    result.proposal = proposal
    return result


def _total(sample: int | tuple[int, ...], *, capped: bool) -> int:
    """The sum of an external metric's series, wrapping or stopping at the largest int64."""
    if isinstance(sample, int):
        return sample
    total = 0
    for value in sample:
        if capped and value > 0 and total > INT64_MAX - value:
            return INT64_MAX
        total = wrap_int64(total + value)
    return total


def propose_from_value(usage: int, metric: Metric, current: int, pods: PodCounts | None, rules: Rules) -> MetricResult:
    """Object and External metrics with a `value` target (`getUsageRatioReplicaCount`)."""
    ratio = usage / metric.target
    result = MetricResult(current, "scales", ratio, usage)
    if current == 0:
        result.proposal = ceil_int32(ratio)
        return result
    if rules.tolerance.holds(ratio):
        result.outcome = "within tolerance"
        return result
    if pods is None or not pods.listed:
        return _failed("unable to calculate ready pods: no pods returned by selector")
    proposal = ratio * pods.running_and_ready
    capped = rules.release.caps_value_proposal and proposal > INT32_MAX
    result.proposal = INT32_MAX if capped else ceil_int32(proposal)
    return result


def _per_pod(usage: int, status_replicas: int) -> int:
    """What the status shows: rounded up, the largest int64 for a capped sum (`getPerPodUsage`)."""
    if float(usage) >= INT64_MAX:
        return INT64_MAX
    return ceil(usage / status_replicas)


def propose_from_average(
    usage: int, metric: Metric, status_replicas: int, tolerance: Tolerance, *, capped: bool
) -> MetricResult:
    """Object and External metrics with an `averageValue` target (`GetExternalPerPodMetricReplicas`)."""
    target = metric.target
    if status_replicas:
        ratio = usage / (float(target) * status_replicas)
        measured = _per_pod(usage, status_replicas)
    else:  # Go divides by zero here: infinite, or NaN for 0 of 0; both are outside any band
        ratio = inf if usage > 0 else -inf if usage < 0 else nan
        measured = 0
    if tolerance.holds(ratio):
        return MetricResult(status_replicas, "within tolerance", ratio, measured)
    proposal = usage / target
    if capped and proposal > INT32_MAX:
        return MetricResult(INT32_MAX, "scales", ratio, measured)
    return MetricResult(ceil_int32(proposal), "scales", ratio, measured)


def propose(
    metric: Metric,
    sample: MetricInput,
    scale: Scale,
    pods: PodCounts | None,
    rules: Rules,
) -> MetricResult:
    """The replica count one metric asks for. Raises TypeError when the sample is not of the metric's kind."""
    if isinstance(sample, MetricFailure):
        return _failed(sample.message)
    if isinstance(sample, PodSamples):
        if not metric.of_pods:
            raise TypeError(f"{metric.title}: PodSamples given, but an {metric.source} metric has one value")
        return propose_from_pods(sample, metric, scale.spec_replicas, rules)
    if metric.of_pods:
        raise TypeError(f"{metric.title}: one value given, but a {metric.source} metric needs PodSamples")
    if metric.target_type == "AverageValue":
        capped = metric.source == "External" and rules.release.caps_average_proposal
        usage = _total(sample, capped=capped)
        if capped and usage < 0:  # upstream takes any negative sum for an overflow
            usage = INT64_MAX
        return propose_from_average(usage, metric, scale.status_replicas, rules.tolerance, capped=capped)
    usage = _total(sample, capped=rules.release.caps_value_proposal)
    return propose_from_value(usage, metric, scale.spec_replicas, pods, rules)
