"""The ways in which a pod of a stack can be ended, and how long each lets it finish."""

from __future__ import annotations

from ebbtide.settings.cluster import GkeAutopilot
from ebbtide.settings.consumer import ConsumerSettings
from ebbtide.settings.shutdown import (
    AUTOPILOT_PROTECTED,
    NODE_SCALE_DOWN,
    NODE_UPGRADE,
    SPOT_RECLAIM,
    DisruptionCap,
)
from ebbtide.settings.stack import StackSettings


def disruption_caps(stack: StackSettings, consumer: ConsumerSettings) -> tuple[DisruptionCap, ...]:
    """The caps that bind this consumer here, shortest first. A grace period above one of them is cut off by it."""
    caps = [SPOT_RECLAIM] if consumer.placement.spot else []
    if consumer.shutdown.node_scale_down == "evict":
        return (*caps, NODE_SCALE_DOWN, NODE_UPGRADE)
    # Protected pods are not evicted by the autoscaler; upgrades still come, on Autopilot within days.
    return (*caps, AUTOPILOT_PROTECTED if isinstance(stack.cluster, GkeAutopilot) else NODE_UPGRADE)
