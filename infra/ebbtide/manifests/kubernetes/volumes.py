"""The places that a pod may write to; its root file system is read-only."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.manifests.kubernetes.broker_access import broker_mounts, broker_volumes
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.models.consumer import STATE_MEMORY_BYTES, ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.image_contract import API_SERVER_DIRECTORY, STATE_DIRECTORY
from ebbtide.settings.values.units import format_memory

API_SERVER = "api-server"
# The shortest that Kubernetes gives.
TOKEN_SECONDS = 600
_POD_FIELDS = ("namespace", "name")


def build_volumes(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    """Empty volumes: the image's state in memory, everything else on the node's disk; and the authority of a broker
    that speaks TLS.

    Only the memory volume has a size limit, at which a write fails. On disk the kubelet would answer an overflow by
    evicting the pod at once, without its grace period, and so without the messages in flight.
    """
    memory = {"medium": "Memory", "sizeLimit": format_memory(STATE_MEMORY_BYTES)}
    empty: list[Manifest] = [
        {"name": name, "emptyDir": memory if path == STATE_DIRECTORY else {}} for name, path in _directories(consumer)
    ]
    api_server = () if consumer.shutdown.idle_first is None else (_api_server(),)
    return [*empty, *broker_volumes(stack, consumer), *api_server]


def build_volume_mounts(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    """Where the container sees the volumes of `build_volumes`."""
    mounts: list[Manifest] = [{"name": name, "mountPath": path} for name, path in _directories(consumer)]
    if consumer.shutdown.idle_first is not None:
        mounts.append({"name": API_SERVER, "mountPath": API_SERVER_DIRECTORY, "readOnly": True})
    return [*mounts, *broker_mounts(stack, consumer)]


def _api_server() -> Manifest:
    """A token of this pod alone, which ends with it; whose certificate to trust; and which pod this is. The token's
    audience is the API server's own, and the kubelet renews it at four fifths of its time."""
    fields = {name: {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.{name}"}} for name in _POD_FIELDS}
    return {
        "name": API_SERVER,
        "projected": {
            # The group of the pod reads it too: fsGroup.
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": name, **field} for name, field in fields.items()]}},
            ],
        },
    }


def _directories(consumer: ConsumerSettings) -> Iterator[tuple[str, str]]:
    yield "state", STATE_DIRECTORY
    yield "tmp", "/tmp"  # noqa: S108 - a path in the container
    for index, path in enumerate(consumer.writable_directories):
        yield f"writable-{index}", path
