"""The identity of a consumer's pods."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.labels import Manifest, consumer_labels
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings


def build_service_account(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """A ServiceAccount of its own whose token is not mounted: a worker has nothing to ask the API server.

    Workload Identity needs no token in the pod either: GKE's metadata server knows which pod asks.
    """
    metadata: Manifest = {
        "name": consumer.service_account_name,
        "namespace": stack.namespace.name,
        "labels": consumer_labels(stack, consumer),
    }
    email = consumer.service_account.google_service_account
    if email is not None:
        metadata["annotations"] = {"iam.gke.io/gcp-service-account": email}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }
