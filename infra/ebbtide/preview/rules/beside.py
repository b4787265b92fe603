"""What runs beside the workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import entries
from ebbtide.preview.fleet import pod_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors


@change_rule(
    "P-10b",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    remedy="Keep restartPolicy: Always.",
    source="Kubernetes, sidecar containers: only an init container with restartPolicy: Always runs beside the others, "
    "and ends after them.",
)
def check_sidecars_stay(context: Context) -> Iterator[Risk]:
    """What runs beside the workers is there until they have ended: a proxy that is a plain init container must end
    before they start."""
    for successor in successors(context):
        title, key = successor.title, successor.change.key
        beside, after = _sidecars(successor.old), _sidecars(successor.new)
        inits = {str(one.get("name")) for one in entries(pod_of(successor.new).get("initContainers"))}
        for name in sorted(beside - after):
            if name in inits:
                sentence = f"sidecar {name} of {title} must end now before its workers start, and is not beside them"
                yield Risk(title, sentence, "keep restartPolicy: Always", key)
            elif len(after) < len(beside):
                sentence = f"nothing runs as {name} beside the workers of {title}: what they reach by it, they lose"
                yield Risk(
                    title, sentence, "make sure that they reach what they reached by it", key, RiskLevel.DISRUPTIVE
                )


def _sidecars(deployment: Mapping[str, Any]) -> set[str]:
    found = entries(pod_of(deployment).get("initContainers"))
    return {str(one.get("name")) for one in found if one.get("restartPolicy") == "Always"}
