"""Nodes that a cloud takes back at any time: how they are labelled, and how long their pods are left to finish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# GKE tells a Spot node 30 s before it goes: 15 for user pods, 15 for system pods (V-08).
SPOT_CRITICAL_PODS_SECONDS = 15
SPOT_DEFAULT_NOTICE_SECONDS = 30
# The kubelet's configuration can raise it on Standard pools from control plane 1.35.0-gke.1171000 (V-08).
SPOT_MAX_NOTICE_SECONDS = 120
SPOT_USER_PODS_SECONDS = SPOT_DEFAULT_NOTICE_SECONDS - SPOT_CRITICAL_PODS_SECONDS
SPOT_USER_PODS_MAX_SECONDS = SPOT_MAX_NOTICE_SECONDS - SPOT_CRITICAL_PODS_SECONDS


@dataclass(frozen=True, slots=True)
class SpotLabel:
    """A label by which a cloud tells such nodes from others."""

    values: tuple[str, ...]
    """Those that say so."""
    seconds: int = SPOT_USER_PODS_SECONDS
    """What a pod is left where nobody has asked for more."""
    on_others: bool = False
    """Whether other nodes have the label too, with another value."""


SPOT_KEY = "cloud.google.com/gke-spot"
"""GKE labels Spot nodes with it; the taint of the same key keeps others off them."""
SPOT_LABELS: Mapping[str, SpotLabel] = {
    SPOT_KEY: SpotLabel(("true",)),
    "cloud.google.com/gke-preemptible": SpotLabel(("true",)),
    "cloud.google.com/gke-provisioning": SpotLabel(("spot", "preemptible"), on_others=True),
    "eks.amazonaws.com/capacityType": SpotLabel(("SPOT",), 120, on_others=True),
    "karpenter.sh/capacity-type": SpotLabel(("spot",), 120, on_others=True),
    "kubernetes.azure.com/scalesetpriority": SpotLabel(("spot",), 30),
}


def names_spot(selector: Mapping[str, object]) -> str | None:
    """The label by which a node selector asks for nodes that are taken back at any time; None where none does."""
    return next((key for key, label in SPOT_LABELS.items() if selector.get(key) in label.values), None)
