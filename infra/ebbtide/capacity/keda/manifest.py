"""Reads a ScaledObject of `keda.sh/v1alpha1`, and makes the HorizontalPodAutoscaler that KEDA would make of it.

Source: apis/keda/v1alpha1/scaledobject_types.go (annotations, CheckReplicaCountBoundsAreValid), scaletriggers_types.go
(ValidateTriggers), scaledobject_webhook.go (validateScalingModifiers...); newHPAForScaledObject and
getScaledObjectMetricSpecs in controllers/keda/hpa.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import inf, isnan, nan
from typing import Any, cast, get_args

from ebbtide.capacity.hpa.manifest import ManifestError, read_manifest
from ebbtide.capacity.hpa.release import Release
from ebbtide.capacity.hpa.spec import HpaSpec, Metric
from ebbtide.capacity.keda.formula import Formula, FormulaError
from ebbtide.capacity.keda.scalers import TriggerError, read_trigger
from ebbtide.capacity.keda.spec import (
    COMPOSITE_METRIC,
    Fallback,
    FallbackBehavior,
    Modifiers,
    Pauses,
    ScaledObject,
    Trigger,
)
from ebbtide.kubernetes.booleans import GO_BOOLEANS
from ebbtide.kubernetes.keda import (
    DEFAULT_COOLDOWN_SECONDS,
    DEFAULT_INITIAL_COOLDOWN_SECONDS,
    DEFAULT_MAX_REPLICAS,
    DEFAULT_POLLING_SECONDS,
)
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR

ANNOTATION = "autoscaling.keda.sh/"
_BEHAVIOR = "spec.advanced.horizontalPodAutoscalerConfig.behavior"


class _Problems(list[str]):
    def wrong(self, path: str, what: str, got: object) -> None:
        self.append(f"{path}: {what} (got {got!r})")

    def integer(self, value: object, path: str, low: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= low:
            return value
        self.wrong(path, f"must be a whole number from {low}", value)
        return low


def read_scaled_object(manifest: Mapping[str, Any], version: int | Release = NEWEST_KNOWN_MINOR) -> ScaledObject:
    """The spec of a manifest as KEDA 2.21 would read it, with the HPA of a Kubernetes minor release.

    Raises ManifestError, whose `problems` name every field that is wrong or cannot be simulated.
    """
    problems = _Problems()
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind != ("keda.sh/v1alpha1", "ScaledObject"):
        problems.wrong("kind", "must be ScaledObject of keda.sh/v1alpha1", f"{kind[1]} of {kind[0]}")
    spec = manifest.get("spec") or {}
    advanced = spec.get("advanced") or {}
    stated_modifiers = advanced.get("scalingModifiers") or {}
    triggers = _triggers(problems, spec.get("triggers") or (), has_formula=bool(stated_modifiers))
    modifiers = _modifiers(problems, stated_modifiers, triggers) if stated_modifiers else None
    minimum, idle, maximum = _bounds(problems, spec)
    pauses = _pauses(problems, (manifest.get("metadata") or {}).get("annotations") or {})
    behavior = (advanced.get("horizontalPodAutoscalerConfig") or {}).get("behavior")
    hpa: HpaSpec | None = None
    if not problems:
        hpa_manifest = _hpa(_metrics(triggers, modifiers), minimum, maximum, _with_pauses(behavior, pauses))
        try:
            hpa = read_manifest(hpa_manifest, version)
        except ManifestError as error:
            problems += [problem.replace("spec.behavior", _BEHAVIOR) for problem in error.problems]
    fallback = _fallback(problems, spec["fallback"]) if spec.get("fallback") else None
    times = {
        name: problems.integer(spec.get(name, default), f"spec.{name}", low)
        for name, default, low in (
            ("pollingInterval", DEFAULT_POLLING_SECONDS, 1),
            ("cooldownPeriod", DEFAULT_COOLDOWN_SECONDS, 0),
            ("initialCooldownPeriod", DEFAULT_INITIAL_COOLDOWN_SECONDS, 0),
        )
    }
    if problems:
        raise ManifestError(problems)
    return ScaledObject(
        triggers,
        None if pauses.whole else hpa,
        minimum,
        idle,
        times["pollingInterval"],
        times["cooldownPeriod"],
        times["initialCooldownPeriod"],
        fallback,
        modifiers,
        pauses,
    )


def _triggers(problems: _Problems, stated: Sequence[Any], *, has_formula: bool) -> tuple[Trigger, ...]:
    found: list[Trigger] = []
    if not stated:
        problems.wrong("spec.triggers", "needs at least one trigger", list(stated))
    for place, entry in enumerate(stated):
        path = f"spec.triggers[{place}]"
        if not isinstance(entry, Mapping):
            problems.wrong(path, "must be a mapping", entry)
            continue
        try:
            trigger = read_trigger(entry, place, has_formula=has_formula)
        except TriggerError as error:
            problems.wrong(f"{path}.metadata.{error.field}" if error.field else path, error.what, error.got)
            continue
        except ValueError as error:
            problems.wrong(path, str(error), entry.get("type"))
            continue
        if trigger.name and trigger.name in {other.name for other in found}:
            problems.wrong(f"{path}.name", "is another trigger's name as well", trigger.name)
        found.append(trigger)
    return tuple(found)


def _modifiers(problems: _Problems, stated: Mapping[str, Any], triggers: Sequence[Trigger]) -> Modifiers | None:
    path = "spec.advanced.scalingModifiers"
    # A trigger without a name is left out of the formula; CPU and memory have no part in it.
    names = frozenset(trigger.name for trigger in triggers if trigger.name and not trigger.of_pods)
    before = len(problems)
    text = stated.get("formula")
    formula = Formula("", names)
    if not isinstance(text, str) or not text:
        problems.wrong(f"{path}.formula", "is needed", text)
    else:
        try:
            formula = Formula.compile(text, names)
        except FormulaError as error:
            problems.wrong(f"{path}.formula", str(error), text)
    target = _number(stated.get("target"))
    if not 0 < target < inf:
        problems.wrong(f"{path}.target", "must be a number above 0, as a string", stated.get("target"))
    activation = _number(stated.get("activationTarget") or "0")
    if isnan(activation):
        problems.wrong(f"{path}.activationTarget", "must be a number, as a string", stated["activationTarget"])
    kind = stated.get("metricType") or "AverageValue"
    if kind not in {"AverageValue", "Value"}:
        problems.wrong(f"{path}.metricType", "must be AverageValue or Value", kind)
    if len(problems) > before:
        return None
    return Modifiers(formula, target, str(stated["target"]), activation, is_value=kind == "Value")


def _number(text: object) -> float:
    """NaN for what is none: YAML's own numbers too, which the API server refuses here."""
    try:
        return float(text) if isinstance(text, str) else nan
    except ValueError:
        return nan


def _bounds(problems: _Problems, spec: Mapping[str, Any]) -> tuple[int, int | None, int]:
    minimum = problems.integer(spec.get("minReplicaCount", 0), "spec.minReplicaCount", 0)
    maximum = problems.integer(spec.get("maxReplicaCount", DEFAULT_MAX_REPLICAS), "spec.maxReplicaCount", 1)
    stated_idle = spec.get("idleReplicaCount")
    idle = None if stated_idle is None else problems.integer(stated_idle, "spec.idleReplicaCount", 0)
    if minimum > maximum:
        problems.wrong("spec.minReplicaCount", f"must be at most maxReplicaCount, {maximum}", minimum)
    # KEDA holds it against the HPA's minimum, which is 1 for a 0 that is written, and takes none beside a minimum that
    # is not (CheckReplicaCountBoundsAreValid).
    if idle is not None and (spec.get("minReplicaCount") is None or idle >= max(1, minimum)):
        problems.wrong("spec.idleReplicaCount", f"must be less than minReplicaCount, {minimum}", idle)
    return minimum, idle, maximum


def _fallback(problems: _Problems, stated: Mapping[str, Any]) -> Fallback:
    behavior = stated.get("behavior") or "static"
    if behavior not in get_args(FallbackBehavior):
        allowed = ", ".join(get_args(FallbackBehavior))
        problems.wrong("spec.fallback.behavior", f"must be one of {allowed}", behavior)
    return Fallback(
        problems.integer(stated.get("failureThreshold"), "spec.fallback.failureThreshold", 0),
        problems.integer(stated.get("replicas"), "spec.fallback.replicas", 0),
        cast("FallbackBehavior", behavior),
    )


def _pauses(problems: _Problems, annotations: Mapping[str, Any]) -> Pauses:
    """What is no boolean counts as true (getBoolAnnotation); a number of paused pods pauses whatever `paused` says."""

    def says(name: str) -> bool:
        value = annotations.get(ANNOTATION + name)
        return False if value is None else GO_BOOLEANS.get(str(value), True)

    stated = annotations.get(ANNOTATION + "paused-replicas")
    replicas = None
    if stated is not None:
        try:
            replicas = int(str(stated))
        except ValueError:
            problems.wrong(f"metadata.annotations[{ANNOTATION}paused-replicas]", "must be a whole number", stated)
    return Pauses(
        stated is not None or says("paused"),
        replicas,
        says("paused-scale-in"),
        says("paused-scale-out"),
        says("force-activation"),
    )


def _with_pauses(behavior: Mapping[str, Any] | None, pauses: Pauses) -> dict[str, Any] | None:
    """A direction that is paused is forbidden to the HPA. That makes a `behavior` where none was, and with it selects
    the controller's other algorithm."""
    made = None if behavior is None else deepcopy(dict(behavior))
    for name, paused in (("scaleDown", pauses.scale_in), ("scaleUp", pauses.scale_out)):
        if paused:
            made = {} if made is None else made
            made[name] = {**(made.get(name) or {}), "selectPolicy": "Disabled"}
    return made


def _metrics(triggers: Sequence[Trigger], modifiers: Modifiers | None) -> list[Metric]:
    """By type, and in a formula's place one metric for all external ones. Upstream drops metrics of one container
    then."""
    if modifiers is None:
        return sorted((trigger.metric for trigger in triggers), key=lambda metric: metric.source)
    kept = [trigger.metric for trigger in triggers if trigger.metric.source == "Resource"]
    target = int(modifiers.target * 1000)
    return [*kept, Metric("External", "Value" if modifiers.is_value else "AverageValue", target, COMPOSITE_METRIC)]


def _hpa(metrics: Sequence[Metric], minimum: int, maximum: int, behavior: Mapping[str, Any] | None) -> dict[str, Any]:
    """The HPA's manifest. Its minimum is at least 1: KEDA does not use the controller's own way to zero."""
    spec: dict[str, Any] = {
        "minReplicas": max(1, minimum),
        "maxReplicas": maximum,
        "metrics": [_metric(metric) for metric in metrics],
    }
    if behavior is not None:
        spec["behavior"] = behavior
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec}


def _metric(metric: Metric) -> dict[str, Any]:
    target = (
        {"type": "Utilization", "averageUtilization": metric.target}
        if metric.target_type == "Utilization"
        else {"type": metric.target_type, _FIELDS[metric.target_type]: f"{metric.target}m"}
    )
    named = {"metric": {"name": metric.name}} if metric.source == "External" else {"name": metric.name}
    container = {"container": metric.container} if metric.container else {}
    return {"type": metric.source, _SOURCES[metric.source]: {**named, **container, "target": target}}


_FIELDS = {"AverageValue": "averageValue", "Value": "value"}
_SOURCES = {"External": "external", "Resource": "resource", "ContainerResource": "containerResource"}
