"""What changes the size of pods while they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import HPA, VPA, measures, target_of
from ebbtide.preview.change import Operation, mapping
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


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


def _spec(hpa: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(hpa.get("spec"))
