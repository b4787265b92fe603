"""The places that a pod may write to; its root file system is read-only."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.manifests.kubernetes.broker_access import broker_mounts, broker_volumes
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.models.consumer import STATE_MEMORY_BYTES, ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.image_contract import STATE_DIRECTORY
from ebbtide.settings.values.units import format_memory


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
    return [*empty, *broker_volumes(stack, consumer)]


def build_volume_mounts(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    """Where the container sees the volumes of `build_volumes`."""
    mounts: list[Manifest] = [{"name": name, "mountPath": path} for name, path in _directories(consumer)]
    return [*mounts, *broker_mounts(stack, consumer)]


def _directories(consumer: ConsumerSettings) -> Iterator[tuple[str, str]]:
    yield "state", STATE_DIRECTORY
    yield "tmp", "/tmp"  # noqa: S108 - a path in the container
    for index, path in enumerate(consumer.writable_directories):
        yield f"writable-{index}", path
