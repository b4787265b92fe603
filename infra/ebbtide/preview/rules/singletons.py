"""Consumers of which there must never be two: what lets a second one begin before the first has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import Target, autoscalers, bounds, identity_of, target_of
from ebbtide.preview.change import UNKNOWN, Operation, ResourceChange, mapping, mapping_at
from ebbtide.preview.kinds import is_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import Successor, is_made_over_itself, successors


@change_rule(
    "P-17a",
    RiskLevel.DANGER,
    remedy="Keep Recreate and one pod; rename or move it in two steps: scale the old one to 0 first.",
    source="Kubernetes, Deployment strategies: Recreate is the only one by which old and new pods never run at once.",
)
def check_still_alone(context: Context) -> Iterator[Risk]:
    """A consumer of one pod that is only replaced when it has ended (`Recreate`) stays alone. Of a schedule, an ordered
    queue or a volume for one pod two must never be there."""
    several = _scaled_to_several(context)
    for after in successors(context):
        is_alone = _is_alone(after.old) and _target(after.old) not in several
        if is_alone and (why := _meets_another(context, after)):
            sentence = f"{_name(after.old)} was never there twice (one pod, Recreate), and {why}"
            yield Risk(after.title, sentence, "make sure that two of it harm nothing", after.change.key)
    standing = {_target(one.new) for one in context.change.standing if is_of(one, "Deployment") and _is_alone(one.new)}
    for kind in autoscalers():
        for change in context.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
            _, most = bounds(kind, change.new)
            if most > 1 and target_of(change.new) in standing - several:
                name = target_of(change.new).name
                sentence = (
                    f"{name} was never there twice (one pod, Recreate), and {kind} {change.title} may make it {most}"
                )
                yield Risk(name, sentence, "make sure that two of it harm nothing", change.key)


def _scaled_to_several(context: Context) -> set[Target]:
    """What an autoscaler could already make several of."""
    found = set()
    for kind in autoscalers():
        before = [one.old for one in context.of(kind) if one.old]
        before += [one.new for one in context.change.standing if is_of(one, kind)]
        found |= {target_of(one) for one in before if bounds(kind, one)[1] > 1}
    return found


def _target(deployment: Mapping[str, Any]) -> Target:
    metadata = mapping_at(deployment, "metadata")
    return Target(str(metadata.get("namespace", "")), "Deployment", str(metadata.get("name")))


def _is_alone(deployment: Mapping[str, Any]) -> bool:
    spec = mapping(deployment.get("spec"))
    return mapping(spec.get("strategy")).get("type") == "Recreate" and spec.get("replicas") == 1


def _meets_another(context: Context, after: Successor) -> str:
    """Why a second one may be there, with the change or from now on; empty where it stays alone."""
    spec, change = mapping(after.new.get("spec")), after.change
    if is_made_over_itself(change):
        return ""  # P-42 speaks.
    if (change.operation is Operation.CREATE or _comes_first(change)) and spec.get("replicas") != 0:
        return f"{_name(after.new)} starts before its last pod has ended"
    is_known = UNKNOWN not in (change.new.get("spec"), spec.get("strategy"))  # Otherwise P-40 speaks.
    strategy = mapping(spec.get("strategy")).get("type", "RollingUpdate")
    if is_known and strategy not in ("Recreate", UNKNOWN):
        return f"by {strategy} the next pod starts before the last one has ended"
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas > 1:
        return f"now there are {replicas}"
    for kind in autoscalers():
        for one in context.after(kind):
            _, most = bounds(kind, one.new)
            if target_of(one.new) == identity_of(change) and most > 1:
                return f"{kind} {one.title} may make it {most}"
    return ""


def _comes_first(change: ResourceChange) -> bool:
    """Whether a replacement is made before the old one goes: under another name, or elsewhere."""
    old, new = (mapping_at(side, "metadata") for side in (change.old, change.new))
    differs = any(old.get(part) != new.get(part) for part in ("name", "namespace"))
    return change.operation is Operation.REPLACE and change.deletes_before is not True and differs


def _name(deployment: Mapping[str, Any]) -> str:
    return str(mapping_at(deployment, "metadata").get("name"))
