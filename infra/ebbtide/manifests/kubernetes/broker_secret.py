"""The broker's Secret, which GKE writes from Secret Manager (secret sync, from 1.34)."""

from __future__ import annotations

from typing import NamedTuple

from ebbtide.manifests.google.names import SECRET_READER, google
from ebbtide.manifests.kubernetes.labels import Manifest, namespace_labels
from ebbtide.settings.models.broker import MadeBroker
from ebbtide.settings.models.brokered import broker_name, is_synced, made_broker
from ebbtide.settings.models.stack import StackSettings


class BrokerSecretObjects(NamedTuple):
    """What makes the Secret, in the order of applying."""

    service_account: Manifest
    """Who may read it in Secret Manager, and nothing else."""
    provider_class: Manifest
    secret_sync: Manifest
    """GKE gives the Secret its name."""


def build_broker_secret(stack: StackSettings) -> BrokerSecretObjects | None:
    """The objects; None where the stack makes no broker, or somebody writes its Secret by hand."""
    broker = made_broker(stack)
    if broker is None or not stack.consumers or not is_synced(stack, broker):
        return None
    return BrokerSecretObjects(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _metadata(stack, SECRET_READER),
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClass",
            "metadata": _metadata(stack, broker.secret_name),
            "spec": {"provider": "gke", "parameters": {"secrets": _secrets(stack, broker)}},
        },
        {
            "apiVersion": "secret-sync.gke.io/v1",
            "kind": "SecretSync",
            "metadata": _metadata(stack, broker.secret_name),
            "spec": {
                "serviceAccountName": SECRET_READER,
                "secretProviderClassName": broker.secret_name,
                "secretObject": {
                    "type": "Opaque",
                    "data": [{"sourcePath": key, "targetKey": key} for key in broker.keys],
                },
            },
        },
    )


def _metadata(stack: StackSettings, name: str) -> Manifest:
    return {"name": name, "namespace": stack.namespace.name, "labels": namespace_labels(stack)}


def _secrets(stack: StackSettings, broker: MadeBroker) -> str:
    """A list in YAML, as the driver takes it."""
    prefix = f"projects/{google(stack).project}/secrets/{broker_name(stack, broker)}-v{broker.secret.version}"
    entries = (f'- resourceName: "{prefix}-{key}/versions/latest"\n  path: "{key}"\n' for key in broker.keys)
    return "".join(entries)
