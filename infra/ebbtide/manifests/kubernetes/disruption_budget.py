"""How many pods a node drain may take at once."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.labels import Manifest, consumer_metadata, selector_labels
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

DEFAULT_MAX_UNAVAILABLE = 1


def build_disruption_budget(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """The PodDisruptionBudget. Draining loses no message, so one pod at a time may always go.

    `AlwaysAllow`: a pod that is not ready (its broker is away) must not hold up the drain of its node (V-18).
    """
    settings = consumer.disruption_budget
    bound = (
        {"minAvailable": settings.min_available}
        if settings.min_available is not None
        else {"maxUnavailable": settings.max_unavailable or DEFAULT_MAX_UNAVAILABLE}
    )
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": consumer_metadata(stack, consumer),
        "spec": {
            **bound,
            "selector": {"matchLabels": selector_labels(stack, consumer)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
