"""What changes about the number of pods, and who decides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import MISSING, Operation, ResourceChange, entries, mapping
from ebbtide.preview.fleet import autoscalers, bounds, plural
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_value

_HPA = "HorizontalPodAutoscaler"
_NEVER = {"scaleUp": "up", "scaleDown": "down"}


@change_rule(
    "P-20",
    RiskLevel.DANGER,
    remedy="Watch the first minutes; compare with `kubectl get deployment`.",
    source="fixed 5 to an HPA gave one pod where the engine gave up the field (measured).",
)
def check_owner(context: Context) -> Iterator[Risk]:
    """Another owner decides the number of pods. From a fixed number to an HPA the number stays only if
    the Deployment stops stating it and Pulumi ignores the field in the same update; back again, the update must take
    the field by force."""
    for change in context.of("Deployment", Operation.UPDATE):
        old, new = _replicas(change.old), _replicas(change.new)
        if (old is None) == (new is None):
            continue
        consumer = context.consumers.get(change.title)
        if new is None:
            most = consumer.autoscaling.max_replicas if consumer else None
            keeps = (
                f"it starts from {old}"
                if most is None or old <= most
                else f"{old - most} pods above its maximum of {most} drain at once"
            )
            sentence = f"an autoscaler takes over the number of pods of {change.title}: {keeps}"
            advice = "watch the first minutes: if its metric is missing, the number stays where it is"
        else:
            sentence = (
                f"the number of pods of {change.title} becomes a fixed {new}, whatever the autoscaler had reached"
            )
            advice = "pods above it drain at once; below it the queue waits. Compare with `kubectl get deployment`"
        yield Risk(change.title, sentence, advice, change.key)


def _replicas(deployment: Mapping[str, Any]) -> Any:
    return mapping(deployment.get("spec")).get("replicas")


@change_rule(
    "P-21",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Compare with what the queue needs.",
    source="The Deployment's spec.replicas.",
)
def check_fixed_number(context: Context) -> Iterator[Risk]:
    """A fixed number of pods changes."""
    for change in context.of("Deployment", Operation.UPDATE):
        old, new = _replicas(change.old), _replicas(change.new)
        if isinstance(old, int) and isinstance(new, int) and old != new:
            level = RiskLevel.DISRUPTIVE if new < old else RiskLevel.SCALING
            fewer = old - new
            what = f": {plural(fewer, 'pod')} {'drains' if fewer == 1 else 'drain at once'}" if fewer > 0 else ""
            sentence = f"{change.title} runs {plural(new, 'pod')} instead of {old}{what}"
            yield Risk(change.title, sentence, resource=change.key, level=level)


@change_rule(
    "P-22",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Make sure that broker and database take the connections at the new maximum.",
    source="The HPA corrects a number outside of its bounds at the next sync (upstream's controller).",
)
def check_envelope(context: Context) -> Iterator[Risk]:
    """The bounds of an autoscaler change. A number outside of the new
    bounds is corrected at the next sync, past every window and policy."""
    for change in autoscalers(context, Operation.UPDATE, Operation.REPLACE):
        old, new = bounds(change.kind, change.old), bounds(change.kind, change.new)
        if old == new:
            continue
        sentence = f"{change.title} scales between {new[0]} and {new[1]} pods instead of {old[0]} and {old[1]}"
        level = RiskLevel.SCALING
        if new[1] < old[1]:
            level = RiskLevel.DISRUPTIVE
            sentence += f": at its maximum, {old[1] - new[1]} pods drain at once, whatever its behavior says"
        elif new[0] > old[0]:
            sentence += ": pods below the new minimum start at once"
        consumer = context.consumers.get(change.title)
        if new[1] > old[1] and consumer is not None:
            worker = consumer.worker
            sentence += (
                f": up to {new[1] * worker.processes * worker.connections.broker} broker and "
                f"{new[1] * worker.processes * worker.connections.database} database connections"
            )
        yield Risk(change.title, sentence, resource=change.key, level=level)


@change_rule(
    "P-23",
    RiskLevel.SCALING,
    remedy="Make sure that the new metric is served: `kubectl describe hpa`.",
    source="Without its metric an HPA leaves the number where it is.",
)
def check_metrics(context: Context) -> Iterator[Risk]:
    """What an HPA measures, or its target, changes."""
    for change in _updated(context):
        old, new = _metrics(change.old), _metrics(change.new)
        if old == new:
            continue
        same = [name for name, _ in old] == [name for name, _ in new]
        if same:
            words = ", ".join(
                f"{name} from {was} to {now}" for (name, was), (_, now) in zip(old, new, strict=True) if was != now
            )
            sentence = f"{change.title} changes its target: {words}"
        else:
            sentence = f"{change.title} scales on {_listed(new)} instead of {_listed(old)}"
        advice = (
            ""
            if same
            else "make sure the new metric is served (`kubectl describe hpa`): without it the number does not move"
        )
        yield Risk(change.title, sentence, advice, change.key)


@change_rule(
    "P-24",
    RiskLevel.SCALING,
    remedy="Compare before and after with `ebbtide simulate --base`.",
    source="normalizeDesiredReplicas and convertDesiredReplicasWithBehaviorRate in upstream's controller.",
)
def check_behavior(context: Context) -> Iterator[Risk]:
    """`behavior` is added, removed or changed. Adding it, even empty, selects another algorithm: from
    one pod the first step is to 5 instead of 4."""
    for change in _updated(context):
        touched = [found for found in change.properties if found.path[:2] == ("spec", "behavior")]
        if not touched:
            continue
        old, new = _spec(change.old).get("behavior"), _spec(change.new).get("behavior")
        if old is None:
            sentence = (
                f"{change.title} gets a behavior, which also changes what it does not name: "
                "the first step from 1 pod is to 5 instead of 4"
            )
        elif new is None:
            sentence = (
                f"{change.title} loses its behavior: it grows at most to double (or 4) per sync and shrinks all at "
                "once after 5 minutes"
            )
        else:
            words = "; ".join(
                ".".join(map(str, found.path[2:])) + f" {_in_words(found.old)} → {_in_words(found.new)}"
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


@change_rule(
    "P-25",
    RiskLevel.DANGER,
    remedy="State a fixed number in the same change.",
    source="A Deployment keeps the number of pods that it was left with.",
)
def check_autoscaler_gone(context: Context) -> Iterator[Risk]:
    """An autoscaler is deleted while its Deployment stays: nothing moves the number of pods any more."""
    deleted = {change.title for change in context.of("Deployment", Operation.DELETE)}
    restated = {
        change.title for change in context.of("Deployment", Operation.UPDATE) if _replicas(change.new) is not None
    }
    for change in autoscalers(context, Operation.DELETE):
        if change.title not in deleted | restated:
            sentence = f"the autoscaler of {change.title} is deleted: the number of pods stays where it happens to be"
            yield Risk(change.title, sentence, "state a fixed number", change.key)


def _updated(context: Context) -> Iterator[ResourceChange]:
    return context.of(_HPA, Operation.UPDATE, Operation.REPLACE)


def _spec(hpa: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(hpa.get("spec"))


def _metrics(hpa: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each metric's name and target: ("cpu", "60 %")."""
    found = []
    for metric in entries(_spec(hpa).get("metrics")):
        source: Mapping[str, Any] = next((value for key, value in metric.items() if isinstance(value, Mapping)), {})
        name = source.get("name") or mapping(source.get("metric")).get("name", "?")
        target = mapping(source.get("target"))
        if "averageUtilization" in target:
            wanted = f"{target['averageUtilization']} %"
        else:
            wanted = (
                f"{target.get('averageValue', target.get('value', '?'))}{' a pod' if 'averageValue' in target else ''}"
            )
        found.append((str(name), wanted))
    return found


def _listed(metrics: list[tuple[str, str]]) -> str:
    return " and ".join(f"{name} ({target})" for name, target in metrics) or "nothing"
