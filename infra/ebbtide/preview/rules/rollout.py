"""How an update takes pods away and brings new ones."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import mapping_at
from ebbtide.preview.fleet import Pods, takes_none_away
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_value
from ebbtide.preview.successors import successors
from ebbtide.settings.values.units import format_duration


@change_rule(
    "P-17",
    RiskLevel.DISRUPTIVE,
    RiskLevel.INFO,
    remedy="Write maxUnavailable: 0, as ebbtide does.",
    source="Kubernetes, Deployment strategies.",
    tells={
        "Deployment": (
            "spec.strategy.type",
            "spec.strategy.rollingUpdate.maxUnavailable",
            "spec.strategy.rollingUpdate.maxSurge",
            "spec.minReadySeconds",
        )
    },
)
def check_strategy(context: Context) -> Iterator[Risk]:
    """An update takes no pod away before another one is ready, and goes on at the same speed."""
    for successor in successors(context):
        touched = [found for found in successor.properties if _is_strategy(found.path)]
        if touched:
            words = ", ".join(
                f"{'.'.join(map(str, found.path[1:]))} {show_value(found.old)} → {show_value(found.new)}"
                for found in touched
            )
            sentence = f"updates of {successor.title} go otherwise: {words}"
            level = RiskLevel.INFO if takes_none_away(successor.new) else RiskLevel.DISRUPTIVE
            consumer = context.consumers.get(successor.title)
            is_meant = level is RiskLevel.INFO or (consumer is not None and not consumer.autoscaling.overlaps)
            advice = "write maxUnavailable: 0: pods go before others are ready"
            if mapping_at(successor.new, "spec", "strategy").get("type") == "Recreate":
                grace = Pods.of(successor.new).grace_seconds
                drained = "" if grace is None else f", up to {format_duration(grace)} and a start"
                sentence += f"; every pod ends before a new one starts, and nothing consumes meanwhile{drained}"
                advice = "write type: RollingUpdate and maxUnavailable: 0, unless two versions must never run at once"
            yield Risk(successor.title, sentence, "" if is_meant else advice, successor.change.key, level)


def _is_strategy(path: tuple[str | int, ...]) -> bool:
    return path[:1] == ("spec",) and path[1:2] in {("strategy",), ("minReadySeconds",)}
