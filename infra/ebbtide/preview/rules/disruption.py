"""How many pods a node's drain may take at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import autoscalers, floor_of, identity_of, target_of
from ebbtide.preview.change import GONE, Operation, ResourceChange, entries, mapping, mapping_at
from ebbtide.preview.patterns import DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


@change_rule(
    "P-06",
    RiskLevel.DANGER,
    remedy="Write maxUnavailable: 1: draining loses no message.",
    source="Kubernetes, disruption budgets: what must stay is rounded up, and of two budgets for one pod the eviction "
    "API takes none (pkg/registry/core/pod/storage/eviction.go).",
    reads={"PodDisruptionBudget": ("spec.maxUnavailable", "spec.minAvailable")},
)
def check_blocking_budget(context: Context) -> Iterator[Risk]:
    """The disruption budget lets a pod go when there are as few as there may be, and a pod has one: otherwise no node
    can be drained or upgraded."""
    deployments = list(context.after("Deployment"))
    for budget in context.after("PodDisruptionBudget"):
        for number in _blocked_at(context, budget, [one for one in deployments if _selects(budget, one)]):
            when = f" while there are no more than {number}" if number and not _blocks(budget.new, None) else ""
            sentence = f"the disruption budget of {budget.title} lets no pod go{when}"
            yield Risk(budget.title, sentence, "write maxUnavailable: 1", budget.key)
            break
    for one in deployments:
        budgets = [budget for budget in context.after("PodDisruptionBudget") if _selects(budget, one)]
        if len(budgets) > 1 and any(_changes(budget) for budget in budgets):
            names = " and ".join(budget.title for budget in budgets)
            sentence = f"pods of {one.title} have {len(budgets)} disruption budgets, {names}: nobody can evict them"
            yield Risk(one.title, sentence, "keep one", budgets[-1].key)


def _changes(budget: ResourceChange) -> bool:
    return bool(budget.properties) or budget.operation is not Operation.UPDATE


def _blocked_at(context: Context, budget: ResourceChange, pods: list[ResourceChange]) -> Iterator[int | None]:
    """The smallest numbers of pods at which it blocks from now on; None where it blocks at any. One that stays as it is
    does where there are fewer pods than before, or pods of a new Deployment."""
    if _changes(budget):
        fewest = [_fewest(context, one) for one in pods] or [_by_settings(context, budget.title)]
        yield from (number for number in fewest if _blocks(budget.new, number))
        return
    for one in pods:
        was, number = (_fewest(context, one, was=past) for past in (True, False))
        if _blocks(budget.new, number) and not _blocks(budget.new, was):
            yield number


def _blocks(budget: Mapping[str, Any], fewest: int | None) -> bool:
    """Whether it lets no pod go where there are this many; None where nobody knows how many."""
    spec = mapping(budget.get("spec"))
    keeps, takes = spec.get("minAvailable"), spec.get("maxUnavailable")
    if takes in (0, "0%") or (takes is None and keeps is None):
        # The disruption controller expects no pod where neither is stated, and then allows no disruption.
        return True
    if isinstance(keeps, str) and keeps.endswith("%") and keeps[:-1].isdecimal():
        share = int(keeps[:-1])
        return share >= 100 or (fewest is not None and math.ceil(share * fewest / 100) >= fewest)
    return isinstance(keeps, int) and fewest is not None and keeps >= fewest


def _selects(budget: ResourceChange, deployment: ResourceChange) -> bool:
    """Whether it is for these pods, as far as labels alone tell."""
    selector = mapping_at(budget.new, "spec", "selector")
    labels = mapping_at(deployment.new, "spec", "template", "metadata", "labels")
    here, there = (mapping_at(one.new, "metadata").get("namespace") for one in (budget, deployment))
    wanted = mapping_at(selector, "matchLabels")
    return (
        here == there
        # An empty one is for all pods of its namespace.
        and "selector" in mapping_at(budget.new, "spec")
        and all(labels.get(name) == value for name, value in wanted.items())
        and all(_is_met(one, labels) for one in entries(selector.get("matchExpressions")))
    )


def _is_met(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    value, among = labels.get(str(expression.get("key"))), expression.get("values")
    values = among if isinstance(among, list) else []
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def _fewest(context: Context, deployment: ResourceChange, *, was: bool = False) -> int | None:
    """How few pods there may be, at least one, after the change or before."""
    for kind in autoscalers():
        for change in context.after(kind):
            side = change.old if was else change.new
            if side and target_of(side) == identity_of(deployment):
                return floor_of(kind, side)
    number = mapping((deployment.old if was else deployment.new).get("spec")).get("replicas")
    if isinstance(number, int):
        return max(number, 1)
    return None if was else _by_settings(context, deployment.title)


def _by_settings(context: Context, name: str) -> int | None:
    consumer = context.consumers.get(name)
    return consumer.autoscaling.min_replicas if consumer else None


@change_rule(
    "P-18",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Keep a budget for every consumer; ebbtide writes maxUnavailable: 1.",
    source="Kubernetes, disruption budgets: without one a node's drain evicts all of its pods at once.",
    tells={"PodDisruptionBudget": (DELETED, REPLACED)},
    reads={"PodDisruptionBudget": ("spec.maxUnavailable", "spec.minAvailable")},
)
def check_budget_changes(context: Context) -> Iterator[Risk]:
    """A node's drain may take as many pods at once as before, and there is a budget."""
    deployments = {change.title for change in context.of("Deployment", Operation.DELETE)}
    for change in context.of("PodDisruptionBudget", Operation.UPDATE, *GONE):
        if change.operation is Operation.DELETE:
            if change.title not in deployments:
                sentence = (
                    f"{change.title} has no disruption budget any more: a node's drain may take all its pods at once"
                )
                yield Risk(change.title, sentence, "keep it", change.key, RiskLevel.DANGER)
            continue
        old, new = (_allowed(side) for side in (change.old, change.new))
        words = f"drains of nodes leave {change.title} {new} instead of {old}" if old != new else ""
        level = RiskLevel.INFO
        if words and new == _NONE:
            words, level = f"{words}: a node's drain may take all its pods at once", RiskLevel.DANGER
        if change.operation is Operation.REPLACE:
            words = f"{change.title} has no disruption budget for a moment, while it is made anew"
        if words:
            yield Risk(change.title, words, "keep it" if level is RiskLevel.DANGER else "", change.key, level)


_NONE = "no pod"


def _allowed(budget: Mapping[str, Any]) -> str:
    """What a drain must leave."""
    spec = mapping(budget.get("spec"))
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if most is None:
        return _NONE if least in (0, "0%") else "every pod" if least is None else f"at least {least} pods"
    return _NONE if most == "100%" else f"all but {most} pods"
