"""What happens to nodes, and to the pods on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import Operation, mapping, mapping_at
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.settings.models.node_pool import COMPUTE_CLASS, OWN_COMPUTE_CLASSES, SPOT_KEY, names_spot
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
    RiskLevel.NOT_JUDGED,
    RiskLevel.DISRUPTIVE,
    remedy="Keep messages shorter than the notice; taint a pool of Spot nodes.",
    source="GKE, Spot VMs: 30 s of notice, 15 of them for user pods; up to 120 s by the kubelet's configuration. GKE "
    "labels the nodes of a pool and does not taint them.",
)
def check_spot(context: Context) -> Iterator[Risk]:
    """A consumer moves onto Spot capacity, where a pod has only what the notice leaves it, best effort (V-08); or Spot
    nodes come that keep nobody off."""
    for change in context.of("Deployment", Operation.CREATE, Operation.UPDATE):
        old, new = (mapping_at(side, "spec", "template", "spec", "nodeSelector") for side in (change.old, change.new))
        if names_spot(new) and not names_spot(old):
            seconds = context.spot_notices.get(change.title)
            notice = "what the notice leaves it" if seconds is None else format_duration(seconds)
            sentence = f"{change.title} runs on Spot capacity: a pod may be ended at any time with {notice} to finish"
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.DISRUPTIVE)
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


def _keeps_nobody_off(pool: Mapping[str, Any]) -> bool:
    config = mapping(pool.get("nodeConfig"))
    return (config.get("spot") is True or config.get("preemptible") is True) and not config.get("taints")


@change_rule(
    "P-27",
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Compare with `ebbtide explain`: what all consumers ask for at their maximum.",
    source="GKE, cluster autoscaler: pods that find no node are Pending.",
    reads={"NodePool": ("autoscaling.totalMinNodeCount", "autoscaling.totalMaxNodeCount")},
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
        fewer = isinstance(old[1], int) and isinstance(new[1], int) and new[1] < old[1]
        sentence = f"{change.title} has {new[0]} to {new[1]} nodes instead of {old[0]} to {old[1]}"
        if fewer:
            sentence += ": pods that find no node are Pending"
        level = RiskLevel.DISRUPTIVE if fewer else RiskLevel.SCALING
        yield Risk(change.title, sentence, "compare with what all consumers ask for", change.key, level)


_UNBOUNDED = ("?", "?")


def _nodes(pool: Mapping[str, Any]) -> tuple[Any, Any]:
    scaling = mapping(pool.get("autoscaling"))
    unknown = _UNBOUNDED[0]
    return scaling.get("totalMinNodeCount", unknown), scaling.get("totalMaxNodeCount", unknown)
