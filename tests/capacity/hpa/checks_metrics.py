"""Cases of single metrics: classes of pods, ratios, proposals."""

# ruff: noqa: PLR0917  a row of a table is many columns
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.capacity.hpa.scenarios import SECOND_US
from tests.capacity.hpa.support import NOW_US, build_pods, same, upstream_flags
from tests.capacity.hpa.tables import grouping, pods_metrics, value_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    Case = tuple[str, Callable[[], None]]
    Load = Callable[[str], ModuleType]


def _rules(load: Load, minor: int, tolerance: tuple[float, float] = (0.1, 0.1)) -> Any:
    release = load("").Release.of(minor)
    return load("metrics").Rules(load("ratio").Tolerance(*tolerance, release.inclusive_tolerance), release)


def _check_result(result: Any, proposal: int | None, current: Any) -> None:
    if proposal is None:
        same(("failed", 0, 0), (result.outcome, result.proposal, result.current))
        assert current in result.error, f"{current!r} is not said in {result.error!r}"
    else:
        same(("", proposal, current), (result.error, result.proposal, result.current))


def _pod_metrics(load: Load) -> Iterator[Case]:
    api, metrics = load(""), load("metrics")

    def check(
        metric: Any, current: int, requested: Any, levels: Any, state: dict[str, Any], proposal: Any, value: Any
    ) -> None:
        containers = 1 if metric.container or metric.source == "Pods" else 2
        count = max(current, len(state.get("phase", "")))
        pods, strays = build_pods(
            api, count, [r * containers for r in requested], [v * containers for v in levels], state
        )
        grouped = api.group_pods(pods, metric, NOW_US, upstream_flags(api), strays)
        rules = _rules(load, 37, state.get("tolerance", (0.1, 0.1)))
        _check_result(metrics.propose_from_pods(grouped, metric, current, rules), proposal, value)

    for source, current, target, requested, levels, state, proposal, value in pods_metrics.UTILIZATION:
        kind = ("ContainerResource", "container2") if state.get("container") else ("Resource", None)
        metric = api.Metric(kind[0], "Utilization", target, "cpu", kind[1])
        yield source, lambda a=(metric, current, requested, levels, state, proposal, value): check(*a)
    for source, current, target, levels, state, proposal, value in pods_metrics.PLAIN:
        metric = api.Metric("Pods", "AverageValue", target, "qps")
        yield source, lambda a=(metric, current, (), levels, state, proposal, value): check(*a)


def _classes(load: Load) -> Iterator[Case]:
    api, metrics = load(""), load("metrics")

    def check(
        kind: str,
        target: int,
        current: int,
        ready: Any,
        others: Any,
        minor: int,
        proposal: Any,
        value: Any,
        outcome: str,
        filled: float | None,
    ) -> None:
        metric = api.Metric("Resource", "Utilization", target, "cpu")
        if kind == "p":
            metric = api.Metric("Pods", "AverageValue", target, "busy")
        result = metrics.propose_from_pods(api.PodSamples(*ready, **others), metric, current, _rules(load, minor))
        _check_result(result, proposal, value)
        same((outcome, filled), (result.outcome, result.filled_ratio))
        if proposal is not None:
            same(value / target, result.ratio)

    for source, *row in pods_metrics.CLASSES:
        yield source, lambda row=row: check(*row)


def _values(load: Load) -> Iterator[Case]:
    api, metrics = load(""), load("metrics")

    def check(
        kind: str,
        minor: int,
        spec: int,
        pods: tuple[int, int],
        target: int,
        series: Any,
        tolerance: Any,
        proposal: Any,
        value: Any,
    ) -> None:
        metric = api.Metric(kind, "Value", target, "qps", described_kind="Deployment")
        counts = api.PodCounts(*pods) if pods != (0, 0) else None
        rules = _rules(load, minor, tolerance)
        _check_result(metrics.propose(metric, series, api.Scale(spec, 77), counts, rules), proposal, value)

    for source, *row in value_metrics.VALUE:
        yield source, lambda row=row: check(*row)


def _averages(load: Load) -> Iterator[Case]:
    api, metrics = load(""), load("metrics")

    def check(
        kind: str, minor: int, status: int, target: int, series: Any, tolerance: Any, proposal: Any, value: Any
    ) -> None:
        metric = api.Metric(kind, "AverageValue", target, "qps", described_kind="Deployment")
        rules = _rules(load, minor, tolerance)
        _check_result(metrics.propose(metric, series, api.Scale(77, status), None, rules), proposal, value)

    def no_pods() -> None:
        metric = api.Metric("Object", "AverageValue", 1000, "qps")
        for usage, ratio in ((5, "inf"), (1, "inf"), (0, "nan"), (-1, "-inf"), (-5, "-inf")):
            result = metrics.propose(metric, usage, api.Scale(77, 0), None, _rules(load, 37))
            same(ratio, str(result.ratio))

    yield "GetExternalPerPodMetricReplicas: dividing by no pods", no_pods
    for source, *row in value_metrics.AVERAGE:
        yield source, lambda row=row: check(*row)


def _aged_pod(api: ModuleType, phase: str, ready: Any, transition: int, age: Any, sample: Any, deleted: bool) -> Any:
    return api.Pod(
        phase=phase,
        ready_status=ready,
        ready_transition_us=NOW_US - transition * SECOND_US,
        start_us=None if age is None else NOW_US - age * SECOND_US,
        deleted=deleted,
        sample=sample and api.Sample(1, NOW_US - sample[0] * SECOND_US, sample[1] * SECOND_US),
        request_milli=100,
    )


def _groups(load: Load) -> Iterator[Case]:
    api = load("")

    def group(resource: str, pods: Any, *expected: int) -> None:
        metric = api.Metric("Resource", "Utilization", 50, resource)
        made = [_aged_pod(api, *pod) for pod in pods]
        got = api.group_pods(made, metric, NOW_US, upstream_flags(api))
        same(expected, (got.ready, got.unready, got.missing, got.ignored))
        sums = (got.ready_usage_milli, got.ready_request_milli, got.unready_request_milli, got.missing_request_milli)
        same((expected[0], expected[0] * 100, expected[1] * 100, expected[2] * 100), sums)

    def count(pods: Any, listed: int, ready: int) -> None:
        got = api.count_ready(_aged_pod(api, *pod) for pod in pods)
        same((listed, ready), (got.listed, got.running_and_ready))

    def unequal() -> None:
        metric = api.Metric("Resource", "Utilization", 150, "cpu")
        for asked, kept in (((3, 101), (3, 101)), ((7, 7), ()), ((7,), ())):
            pods = [api.Pod("Running", "True", 0, 0, request_milli=each) for each in asked]
            same(kept, api.group_pods(pods, metric, NOW_US, upstream_flags(api)).missing_requests_milli)

    def strays() -> None:
        metric = api.Metric("Pods", "AverageValue", 150, "busy")
        got = api.group_pods([], metric, NOW_US, upstream_flags(api), [api.Sample(5, 0, 0), api.Sample(6, 0, 0)])
        same((2, 11, ""), (got.unlisted, got.unlisted_usage_milli, got.request_error))

    def no_request() -> None:
        for target_type, deleted, said in (
            ("Utilization", True, "missing request for cpu"),
            ("AverageValue", False, ""),
        ):
            metric = api.Metric("Resource", target_type, 150, "cpu")
            pod = api.Pod("Running", "True", 0, 0, deleted=deleted, sample=api.Sample(1, NOW_US, 0))
            got = api.group_pods([pod], metric, NOW_US, upstream_flags(api))
            same((said, 0), (got.request_error, got.ready_request_milli))

    for source, *row in grouping.GROUPS:
        yield source, lambda row=row: group(*row)
    for source, *row in grouping.READY:
        yield source, lambda row=row: count(*row)
    yield "groupPods: unequal requests of missing pods are kept apart", unequal
    yield "groupPods: stray samples", strays
    yield "calculateRequests: a deleted pod without a request fails it too", no_request


def _integers(load: Load) -> Iterator[Case]:
    """Go's conversions on amd64 (CVTTSD2SL), at their edges."""
    module = load("integers")
    low, high = -(2**31), 2**31 - 1
    rows = {
        "ceil_int32": [
            (0.1, 1),
            (-0.9, 0),
            (float(high), high),
            (high + 0.5, low),
            (high + 1.0, low),
            (float(low), low),
            (low - 0.5, low),
            (low - 1.0, low),
            (low - 1.5, low),
            (low + 0.5, low + 1),
            (float("nan"), low),
            (float("inf"), low),
            (float("-inf"), low),
        ],
        "truncated": [
            (0.9, 0),
            (-1.9, -1),
            (2.0**63, -(2**63)),
            (2.0**63 - 1024, 2**63 - 1024),
            (-(2.0**63), -(2**63)),
            (-(2.0**63) + 1024, -(2**63) + 1024),
            (-(2.0**64), -(2**63)),
            (float("nan"), -(2**63)),
            (float("inf"), -(2**63)),
            (float("-inf"), -(2**63)),
        ],
        "trunc_int32": [
            (0.9, 0),
            (-0.9, 0),
            (high + 0.9, high),
            (high + 1.0, low),
            (high + 1.9, low),
            (low - 0.9, low),
            (low - 1.0, low),
            (low + 0.9, low + 1),
            (float("nan"), low),
        ],
        "wrap_int32": [(high, high), (high + 1, low), (low, low), (low - 1, high), (2**32, 0), (-1, -1)],
        "wrap_int64": [(2**63 - 1, 2**63 - 1), (2**63, -(2**63)), (-(2**63) - 1, 2**63 - 1), (-1, -1)],
    }
    for name, pairs in rows.items():
        for given, expected in pairs:
            yield f"Go {name}({given})", lambda n=name, g=given, e=expected: same(e, getattr(module, n)(g))
    for dividend, divisor, expected in ((7, 2, 3), (-7, 2, -3), (-1, 3, 0), (0, 3, 0), (-6, 3, -2)):
        yield (
            f"Go {dividend} / {divisor}",
            lambda d=dividend, by=divisor, e=expected: same(e, module.truncated_quotient(d, by)),
        )


TABLES = (_pod_metrics, _classes, _values, _averages, _groups, _integers)
