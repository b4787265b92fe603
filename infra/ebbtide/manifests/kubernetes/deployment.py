"""The Deployment: how many pods, and how they are replaced."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.labels import Manifest, consumer_metadata, selector_labels
from ebbtide.manifests.kubernetes.patch import patched
from ebbtide.manifests.kubernetes.pod import build_pod_template
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.rollout import MIN_READY_SECONDS, PROGRESS_DEADLINE_SECONDS

# One pod of up to ten above the wanted number (docs/decisions/rolling-updates.md).
MAX_SURGE = "10%"
# Old ReplicaSets are what `kubectl rollout undo` goes back to.
REVISION_HISTORY_LIMIT = 5


def build_deployment(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """The Deployment of one consumer.

    It states `replicas` only where the number is fixed: under an autoscaler a stated number would be a second owner
    (a server-side apply then fails with a conflict, measured).
    """
    metadata = consumer_metadata(stack, consumer)
    replicas: Manifest = {}
    stated = consumer.autoscaling.stated_replicas
    if stated is not None:
        replicas["replicas"] = stated
        # An HPA that was here before still owns the field, and only force takes it back (measured).
        metadata["annotations"] = {"pulumi.com/patchForce": "true"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            **replicas,
            "selector": {"matchLabels": selector_labels(stack, consumer)},
            "strategy": _strategy(consumer),
            "minReadySeconds": MIN_READY_SECONDS,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": REVISION_HISTORY_LIMIT,
            "template": build_pod_template(stack, consumer),
        },
    }
    return patched(deployment, consumer.pod.patch)


def _strategy(consumer: ConsumerSettings) -> Manifest:
    if not consumer.autoscaling.overlaps:
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": MAX_SURGE}}
