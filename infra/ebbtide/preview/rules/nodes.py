"""What happens to nodes, and to the pods on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.kubernetes.spot import SPOT_KEY, SPOT_USER_PODS_MAX_SECONDS, SPOT_USER_PODS_SECONDS, names_spot
from ebbtide.preview.change import Operation, ResourceChange, mapping, mapping_at
from ebbtide.preview.fleet import Pods
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.models.node_pool import COMPUTE_CLASS, OWN_COMPUTE_CLASSES
from ebbtide.settings.values.units import format_duration


@change_rule(
    "P-12",
    RiskLevel.DISRUPTIVE,
    remedy="Choose the time; every pod drains once.",
    source="GKE, node upgrades: surge upgrades evict pod by pod.",
    tells={
        "NodePool": (
            "version",
            "nodeLocations.*",
            *(
                f"nodeConfig.{name}"
                for name in (
                    *("machineType", "imageType", "diskSizeGb", "diskType", "gvnic.enabled"),
                    *("workloadMetadataConfig.mode", "linuxNodeConfig.cgroupMode"),
                    *("kubeletConfig.insecureKubeletReadonlyPortEnabled", "kubeletConfig.podPidsLimit"),
                    "kubeletConfig.singleProcessOomKill",
                )
            ),
        ),
        "Cluster": ("minMasterVersion", "releaseChannel.channel", "nodeLocations.*"),
    },
)
def check_nodes(context: Context) -> Iterator[Risk]:
    """Nodes are made anew or upgraded: pods are evicted one by one and drain."""
    for change in context.of("NodePool", Operation.UPDATE):
        if any(change.touches(name) for name in ("nodeConfig", "version", "nodeLocations")):
            sentence = (
                f"nodes of {change.title} are replaced one after the other: pods on them are evicted, drain and start "
                "elsewhere"
            )
            yield Risk(change.title, sentence, resource=change.key)
    for change in context.of("Cluster", Operation.UPDATE):
        if any(change.touches(name) for name in ("minMasterVersion", "releaseChannel", "nodeLocations")):
            sentence = (
                f"cluster {change.title} is upgraded or moves: nodes follow one after the other in its maintenance "
                "window, and pods on them are evicted, drain and start elsewhere"
            )
            yield Risk(change.title, sentence, resource=change.key)


@change_rule(
    "P-16",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    RiskLevel.DISRUPTIVE,
    remedy="Keep messages shorter than the notice; taint a pool of Spot nodes.",
    source="GKE, Spot VMs: 30 s of notice, 15 of them for user pods; up to 120 s by the kubelet's configuration. GKE "
    "labels the nodes of a pool and does not taint them.",
)
def check_spot(context: Context) -> Iterator[Risk]:
    """A consumer moves onto Spot capacity, where a pod has only what the notice leaves it, best effort (V-08); or Spot
    nodes come that keep nobody off."""
    for change, before in _moved(context):
        old, new = _nodes_of(before), _nodes_of(change.new)
        notice = context.spot_notices.get(change.title)
        if names_spot(new) and (risk := _on_spot(change, before, notice)) is not None:
            yield risk
        name = new.get(COMPUTE_CLASS)
        if name not in {None, *OWN_COMPUTE_CLASSES} and name != old.get(COMPUTE_CLASS):
            sentence = f"{change.title} asks for compute class {name}: whether that has Spot nodes is not judged"
            yield Risk(change.title, sentence, f"look at ComputeClass {name}", change.key, RiskLevel.NOT_JUDGED)
    for change in context.of("NodePool", Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
        if _keeps_nobody_off(change.new) and not _keeps_nobody_off(change.old):
            sentence = (
                f"nodes of {change.title} are Spot without a taint: any pod may start there that names no other "
                "nodes, and be ended with what the notice leaves it"
            )
            advice = f"taint them with {SPOT_KEY}=true:NoSchedule"
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.DISRUPTIVE)


def _moved(context: Context) -> Iterator[tuple[ResourceChange, Mapping[str, Any]]]:
    """Every Deployment whose pods start anew, and what it was; empty where nothing went before it."""
    follow = {successor.change.key: successor.old for successor in successors(context)}
    for change in context.of("Deployment", Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
        yield change, follow.get(change.key, {})


def _on_spot(change: ResourceChange, before: Mapping[str, Any], notice: int | None) -> Risk | None:
    """By what its workers may need, against what the notice leaves pods: 15 s, and 105 where the pool's kubelet is told
    of the longest one. None where it ran there before, and needs no longer than it did."""
    least, most = (SPOT_USER_PODS_SECONDS, SPOT_USER_PODS_MAX_SECONDS) if notice is None else (notice, notice)
    needed = _needed_seconds(change.new)
    levels = [_level_on_spot(seconds, least, most) for seconds in (_needed_seconds(before), needed)]
    if names_spot(_nodes_of(before)) and _WORSE.index(levels[1]) >= _WORSE.index(levels[0]):
        return None
    words = f"{format_duration(least)}" + ("" if least == most else f", or {format_duration(most)} at most,")
    sentence = f"{change.title} runs on Spot capacity: a pod may be ended at any time with {words} to finish"
    if levels[1] is RiskLevel.DISRUPTIVE:
        return Risk(change.title, sentence, resource=change.key, level=levels[1])
    follows = "what is in flight then is killed"
    if levels[1] is RiskLevel.NOT_JUDGED:
        follows = "which of the two its pool has is not judged"
    sentence += f", and may need {format_duration(needed or 0)}: {follows}"
    return Risk(change.title, sentence, "keep it off Spot, or shorten its messages", change.key, levels[1])


_WORSE = (RiskLevel.DANGER, RiskLevel.NOT_JUDGED, RiskLevel.DISRUPTIVE)


def _level_on_spot(needed: int | None, least: int, most: int) -> RiskLevel:
    if needed is None or needed <= least:
        return RiskLevel.DISRUPTIVE
    return RiskLevel.NOT_JUDGED if needed <= most else RiskLevel.DANGER


def _needed_seconds(deployment: Mapping[str, Any]) -> int | None:
    """After how long a worker that is told to stop is killed, as V-08 has it; else the grace that is stated."""
    pods = Pods.of(deployment)
    is_stated = "terminationGracePeriodSeconds" in mapping_at(deployment, "spec", "template", "spec")
    return pods.stop_wait_seconds or pods.longest_message_seconds or (pods.grace_seconds if is_stated else None)


def _nodes_of(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping_at(deployment, "spec", "template", "spec", "nodeSelector")


def _keeps_nobody_off(pool: Mapping[str, Any]) -> bool:
    config = mapping(pool.get("nodeConfig"))
    return (config.get("spot") is True or config.get("preemptible") is True) and not config.get("taints")


_IN_ALL, _A_ZONE = ("totalMinNodeCount", "totalMaxNodeCount"), ("minNodeCount", "maxNodeCount")
_UNBOUNDED = ("?", "?", "")


@change_rule(
    "P-27",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Compare with `ebbtide explain`: what all consumers ask for at their maximum.",
    source="GKE, cluster autoscaler: pods that find no node are Pending.",
    reads={"NodePool": tuple(f"autoscaling.{name}" for names in (_IN_ALL, _A_ZONE) for name in names)},
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
        # In all and in each zone are not compared: how many zones there are is not said here.
        is_other = old[2] != new[2]
        fewer = is_other or (isinstance(old[1], int) and isinstance(new[1], int) and new[1] < old[1])
        was = f"{old[0]} to {old[1]}{old[2] if is_other else ''}"
        sentence = f"{change.title} has {new[0]} to {new[1]} nodes{new[2]} instead of {was}"
        if fewer:
            sentence += ": pods that find no node are Pending"
        level = RiskLevel.DISRUPTIVE if fewer else RiskLevel.SCALING
        yield Risk(change.title, sentence, "compare with what all consumers ask for", change.key, level)


def _nodes(pool: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """The fewest and the most, and whether each zone has that many."""
    scaling = mapping(pool.get("autoscaling"))
    is_by_zone = any(name in scaling for name in _A_ZONE)
    least, most = (scaling.get(name, "?") for name in (_A_ZONE if is_by_zone else _IN_ALL))
    return least, most, " a zone" if is_by_zone else ""
