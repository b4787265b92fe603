"""The ways in which a pod of a stack can be ended, and how long each lets it finish."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ebbtide.settings.models.node_choice import takers
from ebbtide.settings.models.shutdown import (
    AUTOPILOT_PROTECTED,
    NODE_SCALE_DOWN,
    NODE_UPGRADE,
    SPOT_RECLAIM,
    DisruptionCap,
)

if TYPE_CHECKING:
    from ebbtide.settings.models.consumer import ConsumerSettings
    from ebbtide.settings.models.node_pool import NodePoolSettings
    from ebbtide.settings.models.stack import StackSettings


def disruption_caps(stack: StackSettings, consumer: ConsumerSettings) -> tuple[DisruptionCap, ...]:
    """The caps that bind this consumer here, shortest first. A grace period above one of them is cut off by it."""
    spot = replace(SPOT_RECLAIM, seconds=stack.cluster.spot_user_pods_seconds)
    caps = [spot] if consumer.placement.spot else []
    protected = consumer.shutdown.node_scale_down == "protect"
    if not protected:
        caps.append(NODE_SCALE_DOWN)
    if stack.cluster.platform == "gkeAutopilot":
        # Without protection Autopilot's upgrades are those of any GKE node (V-06).
        caps.append(AUTOPILOT_PROTECTED if protected else NODE_UPGRADE)
    elif stack.cluster.platform == "gkeStandard":
        caps.append(_node_upgrade(stack, consumer))
    return tuple(sorted(caps, key=lambda cap: cap.seconds))


def _node_upgrade(stack: StackSettings, consumer: ConsumerSettings) -> DisruptionCap:
    """The shortest among the pools that the consumer may run on."""
    graces = (pool.upgrade.pod_grace for pool in upgraded_pools(stack, consumer).values())
    return replace(NODE_UPGRADE, seconds=min(graces, default=NODE_UPGRADE.seconds))


def upgraded_pools(stack: StackSettings, consumer: ConsumerSettings) -> dict[str, NodePoolSettings]:
    """The node pools whose upgrades may end its pods, by name: those that take it. Where none is seen to, any may."""
    return takers(consumer.placement, stack.cluster.pools) or dict(stack.cluster.pools)
