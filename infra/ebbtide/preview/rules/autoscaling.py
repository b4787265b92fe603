"""What an autoscaler measures, between which bounds, and how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import (
    HPA,
    SCALED_OBJECT,
    autoscalers,
    bounds,
    bounds_paths,
    floor_of,
    measures,
    target_of,
)
from ebbtide.preview.change import MISSING, Operation, ResourceChange, entries, mapping
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_value

_BEHAVIORS = {HPA: "spec.behavior", SCALED_OBJECT: "spec.advanced.horizontalPodAutoscalerConfig.behavior"}


_METRICS = tuple(
    f"spec.metrics.*.{path}"
    for path in (
        "type",
        *(
            f"{source}.{path}"
            for source in ("resource", "containerResource", "pods", "object", "external")
            for path in (
                *("name", "container", "metric.name", "metric.selector.matchLabels.*"),
                *(f"target.{name}" for name in ("type", "averageUtilization", "averageValue", "value")),
                *(f"describedObject.{name}" for name in ("apiVersion", "kind", "name")),
            )
        ),
    )
)


_NEVER = {"scaleUp": "up", "scaleDown": "down"}


@change_rule(
    "P-22",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Make sure that broker and database take the connections at the new maximum.",
    source="The HPA corrects a number outside of its bounds at the next sync (upstream's controller).",
    reads=bounds_paths,
)
def check_envelope(context: Context) -> Iterator[Risk]:
    """The bounds of an autoscaler change. A number outside of the new
    bounds is corrected at the next sync, past every window and policy."""
    for change in _updated(context):
        old, new = bounds(change.kind, change.old), bounds(change.kind, change.new)
        was, now = (floor_of(change.kind, side) for side in (change.old, change.new))
        if was != now and old[0] == new[0]:
            sentence = (
                f"{change.title} goes from {new[0]} to {now} pods at once with the first message, instead of {was}"
            )
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.SCALING)
        if new[0] > new[1]:
            sentence = f"{change.title} has a minimum of {new[0]} above its maximum of {new[1]}, which is refused"
            yield Risk(
                change.title,
                sentence,
                "write a minimum that is not above the maximum",
                change.key,
                RiskLevel.DISRUPTIVE,
            )
            continue
        if old == new:
            continue
        sentence = f"{change.title} scales between {new[0]} and {new[1]} pods instead of {old[0]} and {old[1]}"
        level = RiskLevel.SCALING
        if new[1] < old[1]:
            level = RiskLevel.DISRUPTIVE
            sentence += f": at its maximum, {old[1] - new[1]} pods drain at once, whatever its behavior says"
        elif new[0] > old[0]:
            sentence += ": pods below the new minimum start at once"
        consumer = context.consumers.get(target_of(change.new).name)
        if new[1] > old[1] and consumer is not None:
            worker = consumer.worker
            sentence += (
                f": up to {new[1] * worker.broker_connections} broker and "
                f"{new[1] * worker.database_connections} database connections"
            )
        yield Risk(change.title, sentence, resource=change.key, level=level)


@change_rule(
    "P-23",
    RiskLevel.SCALING,
    remedy="Make sure that the new metric is served: `kubectl describe hpa`.",
    source="Without its metric an HPA leaves the number where it is.",
    tells={SCALED_OBJECT: ("spec.triggers.*.type", "spec.triggers.*.metadata.*")},
    reads={HPA: _METRICS},
)
def check_metrics(context: Context) -> Iterator[Risk]:
    """What an autoscaler measures, or its target, changes."""
    for change in _updated(context):
        if _measured(change.old) == _measured(change.new):
            continue
        old, new = measures(change.old), measures(change.new)
        served = "make sure that it is served (`kubectl describe hpa`)"
        if change.kind == SCALED_OBJECT:
            served = "make sure that KEDA gets it (`kubectl get scaledobject`)"
        if old == new:
            sentence = f"{change.title} measures {' and '.join(name for name, _ in new)} otherwise"
            yield Risk(change.title, sentence, served, change.key)
            continue
        same = [name for name, _ in old] == [name for name, _ in new]
        if same:
            words = ", ".join(
                f"{name} from {was} to {now}" for (name, was), (_, now) in zip(old, new, strict=True) if was != now
            )
            sentence = f"{change.title} changes its target: {words}"
        else:
            sentence = f"{change.title} scales on {_listed(new)} instead of {_listed(old)}"
        advice = "" if same else f"{served}: without it the number does not move"
        yield Risk(change.title, sentence, advice, change.key)


@change_rule(
    "P-24",
    RiskLevel.SCALING,
    remedy="Compare before and after with `ebbtide simulate --base`.",
    source="normalizeDesiredReplicas and convertDesiredReplicasWithBehaviorRate in upstream's controller.",
    tells={
        kind: (
            path,
            *(
                f"{path}.{direction}.{name}"
                for direction in ("scaleUp", "scaleDown")
                for name in (
                    *("selectPolicy", "stabilizationWindowSeconds", "tolerance"),
                    *(f"policies.*.{part}" for part in ("type", "value", "periodSeconds")),
                )
            ),
        )
        for kind, path in _BEHAVIORS.items()
    },
)
def check_behavior(context: Context) -> Iterator[Risk]:
    """`behavior` is added, removed or changed. Adding it, even empty, selects another algorithm: from
    one pod the first step is to 5 instead of 4."""
    for change in _updated(context):
        if change.kind not in _BEHAVIORS:
            continue
        place = tuple(_BEHAVIORS[change.kind].split("."))
        touched = [found for found in change.properties if found.path[: len(place)] == place[: len(found.path)]]
        old, new = _at(change.old, place), _at(change.new, place)
        if not touched or old == new:
            continue
        if old is None:
            words = "" if _in_words(new) == "default" else f" ({_in_words(new)})"
            sentence = (
                f"{change.title} gets a behavior{words}, which also changes what it does not name: "
                "the first step from 1 pod is to 5 instead of 4"
            )
        elif new is None:
            sentence = (
                f"{change.title} loses its behavior: it grows at most to double (or 4) per sync and shrinks all at "
                "once after 5 minutes"
            )
        else:
            words = "; ".join(
                ".".join(map(str, found.path[len(place) :])) + f" {_in_words(found.old)} → {_in_words(found.new)}"
                for found in touched[:3]
            )
            sentence = f"{change.title} changes how fast it scales: {words}"
        never = [words for key, words in _NEVER.items() if _is_disabled(new, key) and not _is_disabled(old, key)]
        sentence += "".join(f"; it never scales {words}" for words in never)
        yield Risk(change.title, sentence, resource=change.key)


def _is_disabled(behavior: Any, direction: str) -> bool:
    return mapping(mapping(behavior).get(direction)).get("selectPolicy") == "Disabled"


def _in_words(value: Any) -> str:
    """A part of a behavior as somebody would say it: `stabilizationWindowSeconds 600`, `4 Pods in 15s`."""
    if value is MISSING:
        return "default"
    if isinstance(value, Mapping):
        # Max is what the API server fills in.
        parts = [f"{key} {_in_words(part)}" for key, part in value.items() if (key, part) != ("selectPolicy", "Max")]
        return ", ".join(parts) or "default"
    if isinstance(value, list):
        policies = [f"{one.get('value')} {one.get('type')} in {one.get('periodSeconds')}s" for one in entries(value)]
        return " or ".join(policies) or "none"
    return show_value(value)


def _at(document: Any, place: tuple[str, ...]) -> Any:
    for part in place:
        document = mapping(document).get(part)
    return document


def _updated(context: Context) -> Iterator[ResourceChange]:
    for kind in autoscalers():
        yield from context.of(kind, Operation.UPDATE, Operation.REPLACE)


def _spec(hpa: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(hpa.get("spec"))


def _measured(autoscaler: Mapping[str, Any]) -> Any:
    spec = _spec(autoscaler)
    return spec.get("metrics"), spec.get("triggers")


def _listed(metrics: list[tuple[str, str]]) -> str:
    return " and ".join(f"{name} ({target})" for name, target in metrics) or "nothing"
