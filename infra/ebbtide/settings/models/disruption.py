"""The ways in which a pod of a stack can be ended, and how long each lets it finish."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ebbtide.settings.models.cluster import ExistingCluster, GkeStandard
from ebbtide.settings.models.node_pool import SPOT_CRITICAL_PODS_SECONDS
from ebbtide.settings.models.shutdown import (
    AUTOPILOT_PROTECTED,
    NODE_SCALE_DOWN,
    NODE_UPGRADE,
    SPOT_RECLAIM,
    DisruptionCap,
)

if TYPE_CHECKING:
    from ebbtide.settings.models.consumer import ConsumerSettings
    from ebbtide.settings.models.stack import StackSettings


def disruption_caps(stack: StackSettings, consumer: ConsumerSettings) -> tuple[DisruptionCap, ...]:
    """The caps that bind this consumer here, shortest first. A grace period above one of them is cut off by it."""
    caps = [_spot(stack)] if consumer.placement.spot else []
    protected = consumer.shutdown.node_scale_down == "protect"
    if not protected:
        caps.append(NODE_SCALE_DOWN)
    if stack.cluster.platform == "gkeAutopilot":
        # Without protection Autopilot's upgrades are those of any GKE node (V-06).
        caps.append(AUTOPILOT_PROTECTED if protected else NODE_UPGRADE)
    elif stack.cluster.platform == "gkeStandard":
        caps.append(_node_upgrade(stack, consumer))
    return tuple(sorted(caps, key=lambda cap: cap.seconds))


def _spot(stack: StackSettings) -> DisruptionCap:
    cluster = stack.cluster
    if isinstance(cluster, ExistingCluster):
        return replace(SPOT_RECLAIM, seconds=cluster.spot_notice - SPOT_CRITICAL_PODS_SECONDS)
    if isinstance(cluster, GkeStandard):
        pools = [pool.spot_user_pods_seconds for pool in cluster.node_pools.values() if pool.spot]
        return replace(SPOT_RECLAIM, seconds=min(pools, default=SPOT_RECLAIM.seconds))
    return SPOT_RECLAIM


def _node_upgrade(stack: StackSettings, consumer: ConsumerSettings) -> DisruptionCap:
    """The shortest among the pools that the consumer may run on."""
    if not isinstance(stack.cluster, GkeStandard):
        return NODE_UPGRADE
    pools = [pool for pool in stack.cluster.node_pools.values() if consumer.placement.spot or not pool.spot]
    return replace(NODE_UPGRADE, seconds=min(pool.upgrade.pod_grace for pool in pools))
