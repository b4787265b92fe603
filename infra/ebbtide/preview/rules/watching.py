"""What nobody would be told of any more."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import Operation, ResourceChange, mapping_at
from ebbtide.preview.patterns import DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule

_WATCHERS = {
    "PodMonitoring": "nobody scrapes its pods any more: no alert about metrics can fire, and its charts end",
    "PodMonitor": "nobody scrapes its pods any more: no alert about metrics can fire, and its charts end",
    "Rules": "its alerts are gone",
    "PrometheusRule": "its alerts are gone",
    "AlertPolicy": "nobody is told of it any more",
    "Metric": "its events are counted no more, and alerts about the end of a pod cannot fire",
}
_GOES = (DELETED, REPLACED)
_TOLD = ("notificationChannels", "notificationChannels.*", "enabled")


@change_rule(
    "P-50",
    RiskLevel.INFO,
    remedy="Keep it, or make sure that something else watches.",
    source="ebbtide.observability: no other object tells of a pod that was cut off.",
    tells={**dict.fromkeys(_WATCHERS, _GOES), "AlertPolicy": (*_GOES, *_TOLD)},
    reads={"Cluster": ("loggingConfig.enableComponents.*",)},
)
def check_watched(context: Context) -> Iterator[Risk]:
    """Somebody is told what they were told before: alerts, what they are made of, and whom they reach."""
    gone = {change.title for change in context.of("Deployment", Operation.DELETE)}
    for kind, what_follows in _WATCHERS.items():
        for change in context.of(kind, Operation.DELETE, Operation.REPLACE):
            if change.title in gone:
                continue
            words = what_follows if change.operation is Operation.DELETE else "it is made anew, and begins from nothing"
            yield Risk(change.title, f"{kind} {_title(change)}: {words}", "keep it", change.key)
    for change in context.of("AlertPolicy", Operation.UPDATE):
        if any(change.touches(name) for name in ("notificationChannels", "enabled")):
            sentence = f"AlertPolicy {_title(change)} tells others than before"
            yield Risk(change.title, sentence, "make sure that they read it", change.key)

    for change in context.of("Cluster", Operation.UPDATE):
        before, after = (mapping_at(side, "loggingConfig").get("enableComponents") for side in (change.old, change.new))
        if _of_pods(before) and not _of_pods(after):
            sentence = (
                f"what pods of cluster {change.title} log is no longer collected: what is counted of it, as the ends "
                "of drains, is counted no more, and alerts on that cannot fire"
            )
            yield Risk(change.title, sentence, "keep WORKLOADS", change.key)


def _of_pods(components: object) -> bool:
    return isinstance(components, list) and "WORKLOADS" in components


def _title(change: ResourceChange) -> str:
    inputs = change.new or change.old
    return str(inputs.get("displayName", change.title))
