"""How long nodes wait for the pods on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.kubernetes.spot import SPOT_CRITICAL_PODS_SECONDS, SPOT_DEFAULT_NOTICE_SECONDS
from ebbtide.preview.change import Operation, PropertyChange, ResourceChange, entries, mapping, mapping_at
from ebbtide.preview.fleet import Pods
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_change, show_path
from ebbtide.settings.values.units import format_duration, parse_duration

# What GKE waits where a pool says nothing.
_DEFAULT_SECONDS = 3600
_DRAINS = ("graceTerminationDuration", "pdbTimeoutDuration")
_RESPECTS = "respectPdbDuringNodePoolDeletion"
_KUBELET = ("nodeConfig", "kubeletConfig")
_NOTICES = ("shutdownGracePeriodSeconds", "shutdownGracePeriodCriticalPodsSeconds")


@change_rule(
    "P-09",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    remedy="Keep them above every consumer's grace period.",
    source="GKE, nodeDrainConfig: what a drain waits for a pod at most, an hour by default. Spot VMs: 15 of 30 s of "
    "notice are for pods.",
    reads={
        "NodePool": (
            *(f"nodeDrainConfigs.*.{name}" for name in (*_DRAINS, _RESPECTS)),
            *(".".join((*_KUBELET, name)) for name in _NOTICES),
        )
    },
)
def check_node_drain(context: Context) -> Iterator[Risk]:
    """Nodes wait as long as before for their pods to leave, and those of a new pool as long as the pods that may start
    there need: a pod that needs longer is killed with its messages."""
    advice = "keep it above every consumer's grace period"
    for change in context.of("NodePool", Operation.UPDATE):
        for found in change.properties:
            if _waits_less(change, found):
                words = f"{show_path(found.path)} {show_change(found)}"
                yield Risk(
                    change.title, f"nodes of {change.title} wait less for their pods: {words}", advice, change.key
                )
    for change in context.of("NodePool", Operation.CREATE, Operation.REPLACE):
        yield from _new_pool(context, change, advice)


def _new_pool(context: Context, change: ResourceChange, advice: str) -> Iterator[Risk]:
    waits = min(_drain_seconds(change.new, name) for name in _DRAINS)
    grace = _longest_grace(context)
    sentence = f"nodes of {change.title} wait at most {format_duration(waits)} for a pod when they are drained"
    if grace is not None and waits < grace:
        sentence += f", and pods here may need {format_duration(grace)}"
        yield Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER)
    elif grace is None and waits < _DEFAULT_SECONDS:
        sentence += ": whether the pods that may start there need longer is not judged"
        yield Risk(change.title, sentence, advice, change.key, RiskLevel.NOT_JUDGED)
    if _notice_seconds(change.new) < _notice_seconds({}):
        sentence = f"nodes of {change.title} that are taken back leave pods {_notice_seconds(change.new)} s to finish"
        yield Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER)


def _longest_grace(context: Context) -> int | None:
    """The longest time that a pod is given to finish, as far as the source and the settings tell."""
    stated = [Pods.of(one.new).grace_seconds for one in context.after("Deployment")]
    stated += [one.shutdown_budget.grace_seconds for one in context.consumers.values()]
    return max((seconds for seconds in stated if seconds is not None), default=None)


def _waits_less(change: ResourceChange, found: PropertyChange) -> bool:
    """Of a property that comes or goes, and of a list of them, by what GKE does where none is stated."""
    if found.path[:1] == ("nodeDrainConfigs",):
        names = (found.path[2],) if len(found.path) > 2 else (*_DRAINS, _RESPECTS)
        less = [
            _drain_seconds(change.new, name) < _drain_seconds(change.old, name) for name in names if name in _DRAINS
        ]
        respected = [mapping(_drain_config(side)).get(_RESPECTS) is True for side in (change.old, change.new)]
        return any(less) or (_RESPECTS in names and respected == [True, False])
    if found.path[: len(_KUBELET)] in {_KUBELET[: len(found.path)], _KUBELET}:
        return _notice_seconds(change.new) < _notice_seconds(change.old)
    return False


def _drain_config(pool: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(entries(pool.get("nodeDrainConfigs"))), {})


def _drain_seconds(pool: Mapping[str, Any], name: str) -> int:
    """GKE takes seconds only; what is no duration, it refuses."""
    try:
        return parse_duration(_drain_config(pool).get(name))
    except ValueError:
        return _DEFAULT_SECONDS


def _notice_seconds(pool: Mapping[str, Any]) -> int:
    """What user pods have of the notice of a node that is taken back."""
    kubelet = mapping_at(pool, *_KUBELET)
    notice = kubelet.get(_NOTICES[0], SPOT_DEFAULT_NOTICE_SECONDS)
    critical = kubelet.get(_NOTICES[1], SPOT_CRITICAL_PODS_SECONDS)
    return max(notice - critical, 0) if isinstance(notice, int) and isinstance(critical, int) else 0
