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
            scale_writable=not state.get("unwritable", False),
        )
        same(_conditions(differing), {tuple(each) for each in decision.conditions})
        same(expected is not None and expected != scale[0], decision.rescale)
        if expected is not None:
            same(expected, decision.desired)
        for given, reason in state.get("says", {}).items():
            same(reason, getattr(decision, given))

    for source, *row in [*syncs.UPSTREAM, *syncs.EDGES]:
        yield source, lambda row=row: check(*row)


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


TABLES = (_syncs, _recorded)
