"""What changes about the number of pods, and who decides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import (
    HPA,
    SCALED_OBJECT,
    VPA,
    Target,
    autoscalers,
    bounds,
    bounds_paths,
    floor_of,
    identity_of,
    measures,
    owners,
    target_of,
    target_paths,
)
from ebbtide.preview.change import MISSING, Operation, ResourceChange, entries, mapping
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_value
from ebbtide.settings.values.units import plural

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
    "P-20",
    RiskLevel.DANGER,
    remedy="Watch the first minutes; compare with `kubectl get deployment`.",
    source="fixed 5 to an HPA gave one pod where the engine gave up the field (measured).",
    reads={"Deployment": ("spec.replicas",)},
)
def check_owner(context: Context) -> Iterator[Risk]:
    """Another owner decides the number of pods. From a fixed number to an HPA the number stays only if
    the Deployment stops stating it and Pulumi ignores the field in the same update, as ebbtide does (P-26 then); back
    again, the update must take the field by force."""
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
    reads={"Deployment": ("spec.replicas",)},
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


@change_rule(
    "P-25",
    RiskLevel.DANGER,
    remedy="State a fixed number in the same change.",
    source="A Deployment keeps the number of pods that it was left with.",
    tells=lambda: dict.fromkeys(autoscalers(), (DELETED,)),
)
def check_autoscaler_gone(context: Context) -> Iterator[Risk]:
    """An autoscaler is deleted while its Deployment stays: nothing moves the number of pods any more."""
    deleted = {identity_of(change) for change in context.of("Deployment", Operation.DELETE, Operation.REPLACE)}
    restated = {
        identity_of(change)
        for change in context.of("Deployment", Operation.UPDATE)
        if _replicas(change.new) is not None
    }
    for kind in autoscalers():
        for change in context.of(kind, Operation.DELETE):
            target = target_of(change.old)
            if target not in deleted | restated and not owners(context, target):
                sentence = (
                    f"the autoscaler of {target.name} is deleted: the number of pods stays where it happens to be"
                )
                yield Risk(target.name, sentence, "state a fixed number", change.key)


@change_rule(
    "P-26",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Watch the first minutes; compare with `kubectl get deployment`.",
    source="Kubernetes, HPA: it starts from the number that is there, and corrects one outside of its bounds at once.",
    tells=lambda: dict.fromkeys(autoscalers(), (CREATED, REPLACED)),
    reads=target_paths,
)
def check_autoscaler_comes(context: Context) -> Iterator[Risk]:
    """An autoscaler takes over a Deployment that runs already, is made anew, or lets go of one for another."""
    new_ones = {identity_of(change) for change in context.of("Deployment", Operation.CREATE)}
    said = {change.title for change in context.of("Deployment", Operation.UPDATE) if _changes_owner(change)}
    for kind in autoscalers():
        for change in context.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
            target, was = target_of(change.new), target_of(change.old)
            least, most = bounds(kind, change.new)
            if change.operation is Operation.CREATE:
                if target in new_ones or target.name in said:
                    continue
                what = f"{kind} {change.title} takes over the number of pods of {target.name}"
            elif (target.kind, target.name) != (was.kind, was.name):
                old, new = was.name, target.name
                if was.kind != target.kind:
                    old, new = f"{was.kind} {old}", f"{target.kind} {new}"
                what = f"{kind} {change.title} lets go of {old} and takes over {new}"
            elif change.operation is Operation.REPLACE:
                what = (
                    f"{kind} {change.title} is made anew: meanwhile nothing moves the number of pods of {target.name}"
                )
            else:
                continue
            number = _number_before(context, target)
            sentence = f"{what}: between {least} and {most}, {_begins(number, most)}"
            advice = "watch the first minutes: if its metric is missing, the number stays where it is"
            level = RiskLevel.SCALING if number is None or number <= most else RiskLevel.DISRUPTIVE
            yield Risk(target.name or change.title, sentence, advice, change.key, level)


def _number_before(context: Context, target: Target) -> int | None:
    """The number of pods that a Deployment states itself, where the source tells."""
    standing = [change for change in context.change.standing if is_of(change, "Deployment")]
    for change in (*context.of("Deployment", Operation.UPDATE), *standing):
        number = _replicas(change.old)
        if identity_of(change) == target and isinstance(number, int):
            return number
    return None


def _begins(number: int | None, most: int) -> str:
    if number is None:
        return "and at once where there are fewer or more"
    if number > most:
        over = number - most
        return f"and {plural(over, 'pod')} above that {'drains' if over == 1 else 'drain'} at once"
    return f"and it starts from {number}"


def _changes_owner(deployment: ResourceChange) -> bool:
    """What P-20 tells."""
    return (_replicas(deployment.old) is None) != (_replicas(deployment.new) is None)


@change_rule(
    "P-27",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Compare with `ebbtide explain`: what all consumers ask for at their maximum.",
    source="GKE, cluster autoscaler: pods that find no node are Pending.",
    reads={"NodePool": ("autoscaling.totalMinNodeCount", "autoscaling.totalMaxNodeCount")},
)
def check_node_bounds(context: Context) -> Iterator[Risk]:
    """The number of nodes is bounded otherwise: pods that find no node are Pending."""
    for change in context.of("NodePool", Operation.UPDATE):
        old, new = (_nodes(side) for side in (change.old, change.new))
        if old == new:
            continue
        if new == _UNBOUNDED:
            sentence = f"{change.title} is no longer scaled: pods that find no node stay Pending, and no node goes"
            yield Risk(change.title, sentence, "keep its autoscaling", change.key, RiskLevel.DISRUPTIVE)
            continue
        fewer = isinstance(old[1], int) and isinstance(new[1], int) and new[1] < old[1]
        sentence = f"{change.title} has {new[0]} to {new[1]} nodes instead of {old[0]} to {old[1]}"
        if fewer:
            sentence += ": pods that find no node are Pending"
        level = RiskLevel.DISRUPTIVE if fewer else RiskLevel.SCALING
        yield Risk(change.title, sentence, "compare with what all consumers ask for", change.key, level)


_UNBOUNDED = ("?", "?")


def _nodes(pool: Mapping[str, Any]) -> tuple[Any, Any]:
    scaling = mapping(pool.get("autoscaling"))
    unknown = _UNBOUNDED[0]
    return scaling.get("totalMinNodeCount", unknown), scaling.get("totalMaxNodeCount", unknown)


@change_rule(
    "P-28",
    RiskLevel.DANGER,
    remedy="Keep one of them.",
    source="Kubernetes, HPA: two owners set the number in turn, each sync; KEDA makes an HPA of its own.",
)
def check_one_owner(context: Context) -> Iterator[Risk]:
    """One thing decides the number of pods. Two of them set it in turn, and every time it falls pods drain."""
    targets = {target_of(change.new): change for kind in autoscalers() for change in _new_ones(context, kind)}
    targets |= {identity_of(change): change for change in _new_ones(context, "Deployment")}
    stated = {identity_of(change): _stated(change) for change in context.after("Deployment")}
    for target, change in targets.items():
        found = owners(context, target)
        number, consumer = stated.get(target), context.consumers.get(target.name)
        if number is not None and not (consumer and consumer.autoscaling.stated_replicas is None):
            found.append(f"the {number} that the Deployment states")
        elif target not in stated:
            found += _by_settings(context, target, found)
        if len(found) > 1:
            sentence = f"{' and '.join(found)} decide the number of pods of {target.name}, in turn"
            yield Risk(target.name, sentence, "keep one of them, or let the program ignore spec.replicas", change.key)


def _stated(deployment: ResourceChange) -> Any:
    """The number that the engine enforces: not one that the program leaves alone."""
    return None if "spec.replicas" in deployment.ignored else _replicas(deployment.new)


def _by_settings(context: Context, target: Target, found: list[str]) -> list[str]:
    """What the settings say of a Deployment that the source does not show, because it stays as it is."""
    consumer = context.consumers.get(target.name)
    if consumer is None or context.change.standing:
        return []
    scaling = consumer.autoscaling
    if scaling.stated_replicas is not None:
        return [f"the fixed {scaling.stated_replicas} of its settings"]
    own = {"hpa": HPA, "keda": SCALED_OBJECT}.get(scaling.kind, "")
    goes = any(target_of(change.old) == target for change in context.of(own, Operation.DELETE))
    return [] if goes or f"{own} {target.name}" in found else [f"the {scaling.kind} of its settings"]


@change_rule(
    "P-29",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    RiskLevel.INFO,
    remedy="Let it recommend only (updateMode: Off), or scale on another metric.",
    source="Kubernetes, VerticalPodAutoscaler: known limitations, not with an HPA on CPU or memory.",
    tells={VPA: (CREATED, DELETED, REPLACED)},
    reads={
        VPA: ("spec.updatePolicy.updateMode", *(f"spec.targetRef.{name}" for name in ("apiVersion", "kind", "name"))),
    },
)
def check_vertical(context: Context) -> Iterator[Risk]:
    """Nothing resizes pods behind the back of what counts them: a VerticalPodAutoscaler evicts a pod to give it
    other requests, and an HPA on CPU or memory measures against those."""
    for change in context.of(VPA):
        target = target_of(change.new or change.old)
        mode = mapping(_spec(change.new).get("updatePolicy")).get("updateMode", "Auto")
        on_usage = [
            found.title
            for found in context.after(HPA)
            if target_of(found.new) == target and {"cpu", "memory"} & {name for name, _ in measures(found.new)}
        ]
        level, advice = RiskLevel.DISRUPTIVE, "let it recommend only: updateMode: Off"
        if change.operation is Operation.DELETE:
            sentence, level, advice = (
                f"the pods of {target.name} keep the requests of their template",
                RiskLevel.INFO,
                "",
            )
        elif mode == "Off":
            sentence, level, advice = f"VPA {change.title} only recommends for {target.name}", RiskLevel.INFO, ""
        elif on_usage:
            sentence = (
                f"VPA {change.title} changes the requests of {target.name} ({mode}), against which HPA "
                f"{on_usage[0]} measures: each follows the other"
            )
            level = RiskLevel.DANGER
        else:
            sentence = (
                f"VPA {change.title} gives pods of {target.name} other requests ({mode}): it evicts, and they drain"
            )
        yield Risk(target.name, sentence, advice, change.key, level)


def _new_ones(context: Context, kind: str) -> Iterator[ResourceChange]:
    return context.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE)


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
