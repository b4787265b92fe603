"""How many pods a node's drain may take at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import GONE, Operation, mapping
from ebbtide.preview.patterns import DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


@change_rule(
    "P-06",
    RiskLevel.DANGER,
    remedy="Write maxUnavailable: 1: draining loses no message.",
    source="Kubernetes, disruption budgets.",
    reads={"PodDisruptionBudget": ("spec.maxUnavailable", "spec.minAvailable")},
)
def check_blocking_budget(context: Context) -> Iterator[Risk]:
    """The disruption budget lets no pod go, so no node can be drained or upgraded."""
    for change in context.of("PodDisruptionBudget", Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
        spec = mapping(change.new.get("spec"))
        consumer = context.consumers.get(change.title)
        least = consumer.autoscaling.min_replicas if consumer else None
        keeps = spec.get("minAvailable")
        all_kept = keeps == "100%" or (isinstance(keeps, int) and least is not None and keeps >= least)
        # The disruption controller expects no pod where neither is stated, and then allows no disruption.
        states_nothing = keeps is None and spec.get("maxUnavailable") is None
        if spec.get("maxUnavailable") in (0, "0%") or all_kept or states_nothing:
            sentence = f"the disruption budget of {change.title} lets no pod go"
            yield Risk(change.title, sentence, "write maxUnavailable: 1", change.key)


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
