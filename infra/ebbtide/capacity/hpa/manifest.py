"""Reads an `autoscaling/v2` manifest as the API server would: exact quantities, defaults, and its refusals.

Sources: pkg/apis/autoscaling/v2/defaults.go, pkg/apis/autoscaling/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ebbtide.capacity.hpa.integers import INT32_MAX
from ebbtide.capacity.hpa.release import Release
from ebbtide.capacity.hpa.spec import (
    DEFAULT_METRIC,
    DEFAULT_SCALE_DOWN,
    DEFAULT_SCALE_UP,
    Behavior,
    HpaSpec,
    Metric,
    ScalingPolicy,
    ScalingRules,
)
from ebbtide.kubernetes.quantity import milli_value, parse_quantity
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR

if TYPE_CHECKING:
    from ebbtide.capacity.hpa.spec import TargetType

MAX_WINDOW_SECONDS = 3600
MAX_PERIOD_SECONDS = 1800

_FIELD_OF_TARGET: dict[TargetType, str] = {
    "Utilization": "averageUtilization",
    "AverageValue": "averageValue",
    "Value": "value",
}
_SOURCES: dict[str, tuple[str, tuple[TargetType, ...]]] = {
    "Resource": ("resource", ("Utilization", "AverageValue")),
    "ContainerResource": ("containerResource", ("Utilization", "AverageValue")),
    "Pods": ("pods", ("AverageValue",)),
    "Object": ("object", ("Value", "AverageValue")),
    "External": ("external", ("Value", "AverageValue")),
}


class ManifestError(ValueError):
    """A manifest that is no HorizontalPodAutoscaler. `problems` has one line per wrong field."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class _Reader:
    """Collects what is wrong instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def wrong(self, path: str, what: str, got: object) -> None:
        self.problems.append(f"{path}: {what} (got {got!r})")

    def mapping(self, parent: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
        value = parent.get(key)
        if isinstance(value, Mapping):
            return value
        self.wrong(f"{path}.{key}", "must be a mapping", value)
        return {}

    def integer(self, value: object, path: str, low: int, high: int = INT32_MAX) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(path, f"must be a whole number from {low} to {high}", value)
        return low

    def quantity(self, value: Any, path: str) -> int:
        milli = 0
        try:
            milli = milli_value(value)
            if milli <= 0:
                self.wrong(path, "must be greater than 0", value)
        except ValueError as error:
            self.wrong(path, str(error), value)
        return milli


def read_manifest(manifest: Mapping[str, Any], version: int | Release = NEWEST_KNOWN_MINOR) -> HpaSpec:
    """The spec of a manifest as Kubernetes would read it; `version` is the minor release, for example 34.

    Raises ManifestError, whose `problems` name every field that is wrong, and ValueError for an unknown release.
    """
    release = version if isinstance(version, Release) else Release.of(version)
    reader = _Reader()
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind != ("autoscaling/v2", "HorizontalPodAutoscaler"):
        reader.wrong("kind", "must be HorizontalPodAutoscaler of autoscaling/v2", f"{kind[1]} of {kind[0]}")
    spec = reader.mapping(manifest, "spec", "")
    maximum = reader.integer(spec.get("maxReplicas"), "spec.maxReplicas", 1)
    stated_minimum = spec.get("minReplicas")
    minimum = 1 if stated_minimum is None else reader.integer(stated_minimum, "spec.minReplicas", 0)
    if minimum > maximum:
        reader.wrong("spec.maxReplicas", f"must be at least minReplicas, {minimum}", maximum)
    metrics = tuple(
        _metric(reader, entry, f"spec.metrics[{index}]") for index, entry in enumerate(spec.get("metrics") or ())
    )
    behavior = spec.get("behavior")
    rules = None if behavior is None else _behavior(reader, behavior)
    if minimum == 0 and not any(metric and metric.source in {"Object", "External"} for metric in metrics):
        reader.wrong("spec.minReplicas", "0 needs an Object or External metric", 0)
    if reader.problems:
        raise ManifestError([problem.removeprefix(".") for problem in reader.problems])
    read = tuple(metric for metric in metrics if metric is not None)
    return HpaSpec(minimum, maximum, read or (DEFAULT_METRIC,), rules, release)


def _metric(reader: _Reader, entry: Mapping[str, Any], path: str) -> Metric | None:
    source = entry.get("type")
    if source not in _SOURCES:
        reader.wrong(f"{path}.type", f"must be one of {', '.join(_SOURCES)}", source)
        return None
    key, allowed = _SOURCES[source]
    body = reader.mapping(entry, key, path)
    path = f"{path}.{key}"
    named = body if source in {"Resource", "ContainerResource"} else reader.mapping(body, "metric", path)
    name = named.get("name")
    if not isinstance(name, str) or not name:
        reader.wrong(f"{path}.name", "must name the metric", name)
        name = "?"
    target = reader.mapping(body, "target", path)
    given = [kind for kind in allowed if target.get(_FIELD_OF_TARGET[kind]) is not None]
    if len(given) != 1:
        fields = " or ".join(_FIELD_OF_TARGET[kind] for kind in allowed)
        reader.wrong(f"{path}.target", f"needs exactly one {fields}", dict(target))
        return None
    kind = given[0]
    value = target[_FIELD_OF_TARGET[kind]]
    where = f"{path}.target.{_FIELD_OF_TARGET[kind]}"
    return Metric(
        source=source,
        target_type=kind,
        target=reader.integer(value, where, 1) if kind == "Utilization" else reader.quantity(value, where),
        name=name,
        container=body.get("container"),
        described_kind=(body.get("describedObject") or {}).get("kind"),
    )


def _behavior(reader: _Reader, behavior: Mapping[str, Any]) -> Behavior:
    return Behavior(
        scale_up=_rules(reader, behavior.get("scaleUp"), DEFAULT_SCALE_UP, "spec.behavior.scaleUp"),
        scale_down=_rules(reader, behavior.get("scaleDown"), DEFAULT_SCALE_DOWN, "spec.behavior.scaleDown"),
    )


def _rules(reader: _Reader, stated: Mapping[str, Any] | None, default: ScalingRules, path: str) -> ScalingRules:
    """Field by field over the defaults; `policies` is replaced as a whole."""
    if stated is None:
        return default
    window = stated.get("stabilizationWindowSeconds")
    select = stated.get("selectPolicy")
    policies = stated.get("policies")
    tolerance = stated.get("tolerance")
    if select not in {None, "Max", "Min", "Disabled"}:
        reader.wrong(f"{path}.selectPolicy", "must be Max, Min or Disabled", select)
    if policies is not None and not policies:
        reader.wrong(f"{path}.policies", "needs at least one policy", policies)
    return ScalingRules(
        policies=default.policies
        if policies is None
        else tuple(_policy(reader, policy, f"{path}.policies[{index}]") for index, policy in enumerate(policies)),
        select_policy=select or default.select_policy,
        stabilization_window_seconds=default.stabilization_window_seconds
        if window is None
        else reader.integer(window, f"{path}.stabilizationWindowSeconds", 0, MAX_WINDOW_SECONDS),
        tolerance=None if tolerance is None else _tolerance(reader, tolerance, f"{path}.tolerance"),
    )


def _tolerance(reader: _Reader, stated: Any, path: str) -> float:
    value = Fraction()
    try:
        value = parse_quantity(stated)
        if value < 0:
            reader.wrong(path, "must not be negative", stated)
    except ValueError as error:
        reader.wrong(path, str(error), stated)
    return float(value)


def _policy(reader: _Reader, policy: Mapping[str, Any], path: str) -> ScalingPolicy:
    kind = policy.get("type")
    if kind not in {"Pods", "Percent"}:
        reader.wrong(f"{path}.type", "must be Pods or Percent", kind)
    return ScalingPolicy(
        kind="Percent" if kind == "Percent" else "Pods",
        value=reader.integer(policy.get("value"), f"{path}.value", 1),
        period_seconds=reader.integer(policy.get("periodSeconds"), f"{path}.periodSeconds", 1, MAX_PERIOD_SECONDS),
    )
