"""Cases of whole syncs."""

# ruff: noqa: PLR0917, C901  a row of a table is many columns
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.capacity.hpa.scenarios import SECOND_US, decide
from tests.capacity.hpa.support import NOW_US, build_pods, same, upstream_flags
from tests.capacity.hpa.tables import syncs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    Case = tuple[str, Callable[[], None]]
    Load = Callable[[str], ModuleType]


RECORDED = Path(__file__).parent / "tables" / "recorded-1.34.4.jsonl"

_KINDS = {
    "cpu%": ("Resource", "Utilization", "cpu", None),
    "c2%": ("ContainerResource", "Utilization", "cpu", "container2"),
    "pods": ("Pods", "AverageValue", "qps", None),
    "object": ("Object", "Value", "qps", None),
    "object/": ("Object", "AverageValue", "qps", None),
    "external": ("External", "Value", "qps", None),
    "external/": ("External", "AverageValue", "qps", None),
}


def _conditions(differing: dict[str, str | None]) -> set[tuple[str, str, str]]:
    stated: dict[str, str | None] = {
        "AbleToScale": "SucceededRescale",
        "ScalingActive": "ValidMetricFound",
        "ScalingLimited": "!DesiredWithinRange",
    }
    stated.update(differing)
    return {
        (kind, "False" if reason.startswith("!") else "True", reason.removeprefix("!"))
        for kind, reason in stated.items()
        if reason is not None
    }


def _syncs(load: Load) -> Iterator[Case]:
    api = load("")

    def check(bounds: Any, scale: Any, metrics: Any, state: dict[str, Any], expected: Any, differing: Any) -> None:
        release = api.Release.of(state.get("minor", 34), scale_to_zero=state.get("gate"))
        behavior = None
        if "behavior" in state:
            behavior = load("manifest")._behavior(load("manifest")._Reader(), state["behavior"])
        of = [
            api.Metric(source, target_type, target, name, container, "Deployment")
            for kind, target, _ in metrics
            for source, target_type, name, container in [_KINDS[kind]]
        ]
        controller = api.Controller(
            api.HpaSpec(*bounds, tuple(of), behavior, release), upstream_flags(api, state.get("factor", 8))
        )
        history = api.History()
        if "remembered" in state:
            rows = () if state["remembered"] == "none" else state["remembered"]
            history.recommendations = [
                load("history").Recommendation(replicas, NOW_US - age * SECOND_US) for replicas, age in rows
            ]
        if state.get("scaled_to_zero"):
            history.set(load("controller").SCALED_TO_ZERO)
        requested = state.get("requests", (0,) * scale[1])
        pods, _ = build_pods(
            api,
            max(len(requested), scale[1]) if "requests" not in state or not requested else len(requested),
            requested,
            (),
            state,
        )
        seen = []
        for metric, (_, _, value) in zip(of, metrics, strict=True):
            if value == "failed":
                seen.append(api.MetricFailure("something went wrong"))
            elif metric.of_pods:
                made, strays = build_pods(api, len(pods), requested, value, state)
                seen.append(api.group_pods(made, metric, NOW_US, controller.flags, strays))
            else:
                seen.append(value)
        decision = controller.sync(
            history,
            NOW_US,
            None if state.get("unreadable") else api.Scale(*scale),
            api.count_ready(pods),
            seen,
            **({"scale_writable": False} if state.get("unwritable") else {}),
        )
        same(_conditions(differing), {tuple(each) for each in decision.conditions})
        same(expected is not None and expected != scale[0], decision.rescale)
        if expected is not None:
            same(expected, decision.desired)
        for given, reason in state.get("says", {}).items():
            same(reason, getattr(decision, given))

    for source, *row in [*syncs.UPSTREAM, *syncs.EDGES]:
        yield source, lambda row=row: check(*row)


def _state(load: Load) -> Iterator[Case]:
    """What the tables' columns do not reach: copies of the state, and refusals."""
    api = load("")

    def copies() -> None:
        event, recommendation = load("history").ScaleEvent, load("history").Recommendation
        original = api.History([recommendation(3, 5)], [event(1, 2)], [event(3, 4, outdated=True)])
        original.set(load("controller").SCALED_TO_ZERO)
        copied = original.copy()
        same(original, copied)
        for log in (original.recommendations, original.scale_ups, original.scale_downs):
            log.append(None)
        copied.scale_downs[0].replica_change = 77
        original.conditions.clear()
        same(
            (1, 1, 1, 3),
            (
                *map(len, (copied.recommendations, copied.scale_ups, copied.scale_downs)),
                original.scale_downs[0].replica_change,
            ),
        )
        same(
            (True, False, None), (copied.scaled_to_zero, original.scaled_to_zero, api.History().copy().recommendations)
        )

    def refuses() -> None:
        outside = api.Metric("External", "AverageValue", 1000, "qps")
        inside = api.Metric("Pods", "AverageValue", 1000, "busy")
        for metric, samples, wrong in (
            (outside, [api.PodSamples(3)], TypeError),
            (inside, [3000], TypeError),
            (outside, [], ValueError),
            (outside, [1, 2], ValueError),
        ):
            try:
                api.Controller(api.HpaSpec(1, 9, (metric,))).sync(api.History(), NOW_US, api.Scale(3, 3), None, samples)
            except wrong:
                continue
            raise AssertionError(f"{samples} was accepted for {metric.title}")

    yield "History.copy: independent of its original", copies
    yield "sync: samples of another kind or number", refuses


def _recorded(load: Load) -> Iterator[Case]:
    """Random scenarios with what kube-controller-manager 1.34.4 decided; see test_upstream.py."""
    if not RECORDED.exists():
        return
    for number, line in enumerate(RECORDED.read_text().splitlines()):

        def check(line: str = line) -> None:
            recorded = json.loads(line, object_hook=_numbered)
            release = load("").Release.of(34, configurable_tolerance=recorded["configurable_tolerance"])
            same(recorded["outcomes"], decide(load(""), recorded["scenario"], release))

        yield f"kube-controller-manager 1.34.4, scenario {number}", check


def _numbered(value: dict[str, Any]) -> dict[Any, Any]:
    return {int(key) if key.isdigit() else key: each for key, each in value.items()}


TABLES = (_syncs, _state, _recorded)
