"""Who decides the number of pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import (
    Target,
    autoscalers,
    bounds,
    identity_of,
    owners,
    target_of,
    target_paths,
)
from ebbtide.preview.change import Operation, ResourceChange, mapping, mapping_at
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.values.units import plural

_FORCE = "pulumi.com/patchForce"


@change_rule(
    "P-20",
    RiskLevel.DANGER,
    remedy="Watch the first minutes; compare with `kubectl get deployment`.",
    source="fixed 5 to an HPA gave one pod where the engine gave up the field (measured).",
    reads={"Deployment": ("spec.replicas", f"metadata.annotations[{_FORCE}]")},
)
def check_owner(context: Context) -> Iterator[Risk]:
    """Another owner decides the number of pods. From a fixed number to an HPA the number stays only if
    the Deployment stops stating it and Pulumi ignores the field in the same update, as ebbtide does (P-26 then); back
    again, the update must take the field by force, as Pulumi's annotation patchForce lets it."""
    for successor in successors(context):
        change, is_update = successor.change, successor.change.operation is Operation.UPDATE
        old, new = _replicas(successor.old), _replicas(successor.new)
        if (old is None) == (new is None):
            if is_update and new is not None and old == new and _forces(change.new) and not _forces(change.old):
                sentence = (
                    f"an update of {change.title} takes every field by force, also the number of pods from whoever "
                    f"else sets it: {new}"
                )
                yield Risk(change.title, sentence, "compare with `kubectl get deployment`", change.key)
            continue
        if new is None and not is_update:
            sentence = (
                f"{change.title} is made anew without a number of pods, and had {old}: it begins with one, until an "
                "autoscaler counts"
            )
            advice = "keep the number until the new one runs, and give it to the autoscaler in a second step"
        elif new is None:
            falls = f", so that {plural(old - 1, 'pod')} drain at once" if isinstance(old, int) and old > 1 else ""
            sentence = (
                f"{change.title} gives up its number of pods, {old}: unless an autoscaler has set it already, "
                f"Kubernetes makes it 1{falls}"
            )
            advice = "let the program ignore spec.replicas (ignoreChanges) in the same update"
        else:
            sentence = (
                f"the number of pods of {change.title} becomes a fixed {new}, whatever the autoscaler had reached"
            )
            advice = "pods above it drain at once; below it the queue waits. Compare with `kubectl get deployment`"
        yield Risk(change.title, sentence, advice, change.key)


def _forces(deployment: Mapping[str, Any]) -> bool:
    return mapping_at(deployment, "metadata", "annotations").get(_FORCE) == "true"


def _replicas(deployment: Mapping[str, Any]) -> Any:
    return mapping(deployment.get("spec")).get("replicas")


@change_rule(
    "P-21",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Compare with what the queue needs.",
    source="The Deployment's spec.replicas.",
    reads={"Deployment": ("spec.replicas",)},
)
def check_fixed_number(context: Context) -> Iterator[Risk]:
    """A fixed number of pods changes."""
    for successor in successors(context):
        change = successor.change
        old, new = _replicas(successor.old), _replicas(successor.new)
        if isinstance(old, int) and isinstance(new, int) and old != new:
            level = RiskLevel.DISRUPTIVE if new < old else RiskLevel.SCALING
            # Of one that is made anew all pods drain, which P-02 says.
            fewer = old - new if change.operation is Operation.UPDATE else 0
            what = f": {plural(fewer, 'pod')} {'drains' if fewer == 1 else 'drain at once'}" if fewer > 0 else ""
            sentence = f"{change.title} runs {plural(new, 'pod')} instead of {old}{what}"
            advice = ""
            if new == 0:
                sentence, level = f"{sentence}, and nobody consumes its queue", RiskLevel.DANGER
                advice = "make sure that it is empty, or that somebody else reads it"
            yield Risk(change.title, sentence, advice, change.key, level)


@change_rule(
    "P-25",
    RiskLevel.DANGER,
    remedy="State a fixed number in the same change.",
    source="A Deployment keeps the number of pods that it was left with.",
    tells=lambda: dict.fromkeys(autoscalers(), (DELETED,)),
)
def check_autoscaler_gone(context: Context) -> Iterator[Risk]:
    """An autoscaler is deleted while its Deployment stays: nothing moves the number of pods any more."""
    deleted = {
        (identity_of(change), change.through)
        for change in context.of("Deployment", Operation.DELETE, Operation.REPLACE)
    }
    restated = {
        (identity_of(change), change.through)
        for change in context.of("Deployment", Operation.UPDATE)
        if _replicas(change.new) is not None
    }
    for kind in autoscalers():
        for change in context.of(kind, Operation.DELETE):
            target = target_of(change.old)
            place = (target, change.through)
            if place not in deleted | restated and not owners(context, target, change.through):
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
    again = context.of("Deployment", Operation.UPDATE, Operation.REPLACE)
    said = {change.title for change in again if _changes_owner(change)}
    for kind in autoscalers():
        for change in _new_ones(context, kind):
            target = target_of(change.new)
            is_said = change.operation is Operation.CREATE and (target in new_ones or target.name in said)
            if not is_said and (what := _what_comes(kind, change)):
                yield _takes_over(context, kind, change, what)
            elif change.operation is Operation.UPDATE and (versions := _api_versions(change)):
                sentence = (
                    f"{kind} {change.title} looks for {target.name} in {versions[1]} instead of {versions[0]}: where "
                    "the API has no such kind, the number of pods does not move"
                )
                advice = "`kubectl describe` says whether it finds it"
                yield Risk(target.name, sentence, advice, change.key, RiskLevel.SCALING)


def _what_comes(kind: str, change: ResourceChange) -> str:
    """How an autoscaler comes to count the pods that it does; empty where it did before."""
    target, was = target_of(change.new), target_of(change.old)
    if change.operation is Operation.CREATE:
        return f"{kind} {change.title} takes over the number of pods of {target.name}"
    if (target.kind, target.name) != (was.kind, was.name):
        old, new = was.name, target.name
        if was.kind != target.kind:
            old, new = f"{was.kind} {old}", f"{target.kind} {new}"
        return f"{kind} {change.title} lets go of {old} and takes over {new}"
    if change.operation is Operation.REPLACE:
        return f"{kind} {change.title} is made anew: meanwhile nothing moves the number of pods of {target.name}"
    return ""


def _takes_over(context: Context, kind: str, change: ResourceChange, what: str) -> Risk:
    target, (least, most) = target_of(change.new), bounds(kind, change.new)
    number = _number_before(context, target)
    sentence = f"{what}: between {least} and {most}, {_begins(number, most)}"
    advice = "watch the first minutes: if its metric is missing, the number stays where it is"
    level = RiskLevel.SCALING if number is None or number <= most else RiskLevel.DISRUPTIVE
    return Risk(target.name or change.title, sentence, advice, change.key, level)


def _api_versions(autoscaler: ResourceChange) -> list[str]:
    """In which version of the API it looks for its target, before and after; none where that stays."""
    found = [
        str(mapping_at(side, "spec", "scaleTargetRef").get("apiVersion", "the default one"))
        for side in (autoscaler.old, autoscaler.new)
    ]
    return found if found[0] != found[1] else []


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
    own = context.autoscalers.get(target.name, ())
    is_found = any(f"{one['kind']} {one['metadata']['name']}" in found for one in own)
    goes = any(target_of(change.old) == target for one in own for change in context.of(one["kind"], Operation.DELETE))
    return [] if is_found or goes else [f"the {scaling.kind} of its settings"]


def _new_ones(context: Context, kind: str) -> Iterator[ResourceChange]:
    return context.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE)
