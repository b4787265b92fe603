"""Whatever owns the number of a Deployment's pods, of every kind that the rules know, read from its manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.kubernetes.keda import DEFAULT_MAX_REPLICAS, HPA_PREFIX, TAKES_OVER_HPA
from ebbtide.manifests.kubernetes.autoscaler import BOUNDS
from ebbtide.preview.change import Operation, ResourceChange, entries, mapping, mapping_at
from ebbtide.preview.risk import Context

HPA = "HorizontalPodAutoscaler"
SCALED_OBJECT = "ScaledObject"
VPA = "VerticalPodAutoscaler"
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
# Where KEDA's triggers name what they count. No address is shown: it may hold a password.
_QUEUES = ("stream", "queueName", "listName", "topic", "subscriptionName")

_TARGET_PATHS = tuple(f"spec.scaleTargetRef.{name}" for name in ("apiVersion", "kind", "name"))


def autoscalers() -> tuple[str, ...]:
    """The kinds of object that own a number of pods: those that ebbtide makes, and KEDA's."""
    return tuple(dict.fromkeys((*BOUNDS, SCALED_OBJECT)))


def bounds_paths() -> Mapping[str, tuple[str, ...]]:
    """Where each kind states its bounds."""
    keda = {SCALED_OBJECT: ("spec.minReplicaCount", "spec.maxReplicaCount", "spec.idleReplicaCount")}
    return {**keda, **{kind: tuple(f"spec.{name}" for name in names) for kind, names in BOUNDS.items()}}


def target_paths() -> Mapping[str, tuple[str, ...]]:
    """Where each kind says whose pods it counts."""
    return dict.fromkeys(autoscalers(), _TARGET_PATHS)


@dataclass(frozen=True, slots=True)
class Target:
    """Whose pods an autoscaler counts."""

    namespace: str
    kind: str
    name: str


def target_of(autoscaler: Mapping[str, Any]) -> Target:
    """What an HPA, ScaledObject or VPA scales; KEDA takes a Deployment where no kind is written."""
    spec = mapping(autoscaler.get("spec"))
    reference = mapping(spec.get("scaleTargetRef")) or mapping(spec.get("targetRef"))
    namespace = mapping(autoscaler.get("metadata")).get("namespace", "")
    return Target(str(namespace), str(reference.get("kind", "Deployment")), str(reference.get("name", "")))


def identity_of(deployment: ResourceChange) -> Target:
    """The same for a Deployment itself."""
    metadata = mapping((deployment.new or deployment.old).get("metadata"))
    return Target(str(metadata.get("namespace", "")), "Deployment", deployment.title)


def bounds(kind: str, autoscaler: Mapping[str, Any]) -> tuple[int, int]:
    """The smallest and the largest number of pods that a manifest of this kind allows."""
    spec = mapping(autoscaler.get("spec"))
    if kind in BOUNDS:
        least, most = (_whole(spec.get(name), 1) for name in BOUNDS[kind])
        return least, most
    least = _whole(spec.get("minReplicaCount"), 0)
    most = _whole(spec.get("maxReplicaCount"), DEFAULT_MAX_REPLICAS)
    return min(least, _whole(spec.get("idleReplicaCount"), least)), most


def floor_of(kind: str, autoscaler: Mapping[str, Any]) -> int:
    """How many pods there are at least once there is work: KEDA may idle below its minimum, and an HPA has no zero."""
    spec = mapping(autoscaler.get("spec"))
    name = BOUNDS[kind][0] if kind in BOUNDS else "minReplicaCount"
    return max(_whole(spec.get(name), 1), 1)


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def bounds_before(context: Context, deployment: str) -> tuple[int, int] | None:
    """The bounds of a Deployment's autoscaler before the change, where the change touches it."""
    for kind in autoscalers():
        for change in context.of(kind, Operation.UPDATE, Operation.REPLACE, Operation.DELETE):
            if target_of(change.old).name == deployment:
                return bounds(kind, change.old)
    return None


def measures(autoscaler: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an autoscaler measures, each with its target: ("cpu", "60 %"), ("rabbitmq jobs", "value 1")."""
    spec = mapping(autoscaler.get("spec"))
    found = [*_metrics(entries(spec.get("metrics"))), *_triggers(entries(spec.get("triggers")))]
    # Where none is stated, the API server takes CPU (SetDefaults_HorizontalPodAutoscaler).
    return found or ([] if "triggers" in spec else [("cpu", "80 %")])


def _metrics(metrics: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for metric in metrics:
        source: Mapping[str, Any] = next((value for key, value in metric.items() if isinstance(value, Mapping)), {})
        name = source.get("name") or mapping(source.get("metric")).get("name", "?")
        target = mapping(source.get("target"))
        if "averageUtilization" in target:
            wanted = f"{target['averageUtilization']} %"
        else:
            per_pod = " a pod" if "averageValue" in target else ""
            wanted = f"{target.get('averageValue', target.get('value', '?'))}{per_pod}"
        yield str(name), wanted


def _triggers(triggers: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for trigger in triggers:
        metadata = mapping(trigger.get("metadata"))
        # Only numbers: an address may hold a password.
        numbers = [f"{key} {value}" for key, value in sorted(metadata.items()) if _NUMBER.fullmatch(str(value))]
        queue = next((str(metadata[key]) for key in _QUEUES if metadata.get(key)), "")
        yield f"{trigger.get('type', '?')} {queue}".rstrip(), ", ".join(numbers) or "?"


def owners(context: Context, deployment: Target, through: str | None = None) -> list[str]:
    """Everything that decides the number of a Deployment's pods after the change, in words; with `through`, only what
    is made by that provider. Two of one name are in two clusters, and each has its own."""
    found = [
        (kind, change)
        for kind in autoscalers()
        for change in context.after(kind)
        if target_of(change.new) == deployment and through in {None, change.through}
    ]
    # KEDA takes an existing HPA over instead of making one, if it is told to: the one of the name that its own has.
    adopted = {hpa_name_of(change) for kind, change in found if kind == SCALED_OBJECT and _takes_over(change.new)}
    deciding = [f"{kind} {change.title}" for kind, change in found if not (kind == HPA and change.title in adopted)]
    return list(dict.fromkeys(deciding))


def _takes_over(scaled_object: Mapping[str, Any]) -> bool:
    return mapping_at(scaled_object, "metadata", "annotations").get(TAKES_OVER_HPA) == "true"


def hpa_name_of(scaled_object: ResourceChange) -> str:
    """What KEDA calls the HPA of a ScaledObject (controllers/keda/hpa.go, getHPAName)."""
    config = mapping_at(scaled_object.new, "spec", "advanced", "horizontalPodAutoscalerConfig")
    return str(config.get("name") or f"{HPA_PREFIX}{scaled_object.title}")
