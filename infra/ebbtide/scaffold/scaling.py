"""An old autoscaler: its bounds, and what a ScaledObject tells of the broker."""

from __future__ import annotations

import re
from typing import Any, Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.workload import ManifestObject
from ebbtide.kubernetes.keda import DEFAULT_MAX_REPLICAS

_ADDRESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*:[0-9]{2,5}")


def bounds_of(one: ManifestObject, replicas: int) -> tuple[int, int]:
    """The least and the most pods, as the autoscaler takes them where nothing is written."""
    spec = one.data.map("spec")
    is_keda = one.kind == "ScaledObject"
    least = spec.get("minReplicaCount" if is_keda else "minReplicas", 0 if is_keda else 1)
    most = spec.get("maxReplicaCount" if is_keda else "maxReplicas", DEFAULT_MAX_REPLICAS if is_keda else replicas)
    low = least if isinstance(least, int) and least >= 0 else 1
    return low, max(most, low, 1) if isinstance(most, int) else max(replicas, low, 1)


def transport_of(one: ManifestObject, kind: str) -> dict[str, Any] | None:
    """The transport that a ScaledObject's triggers count, for a worker of this kind; None where they tell of none."""
    triggers = one.data.items_of("spec", "triggers")
    found = [_of_trigger(trigger, kind) for trigger in triggers]
    known = [transport for transport in found if transport is not None]
    if not known or len({transport["kind"] for transport in known}) != 1:
        return None
    name = "stream" if "stream" in known[0] else "queue"
    return {**known[0], name: list(dict.fromkeys(queue for transport in known for queue in transport[name]))}


def _of_trigger(trigger: Map, kind: str) -> dict[str, Any] | None:
    metadata = trigger.map("metadata")
    if trigger.text("type") == "rabbitmq" and metadata.text("queueName"):
        return {"kind": "rabbitmq", "queue": [metadata.text("queueName")]}
    if trigger.text("type") == "redis-streams" and kind == "symfonyMessenger" and metadata.text("stream"):
        return {"kind": "redis", "stream": [metadata.text("stream")], **_address(metadata)}
    if kind == "bullmq":
        queue = bullmq_queue(trigger)
        return {"kind": "bullmqRedis", "queue": [queue], **_address(metadata)} if queue else None
    if trigger.text("type") == "redis" and kind in _LISTS and metadata.text("listName"):
        queue = metadata.text("listName")
        return {"kind": _LISTS[kind][0], "queue": [queue.rpartition(_LISTS[kind][1])[2]], **_address(metadata)}
    return None


def bullmq_queue(trigger: Map) -> str:
    """The queue of a trigger on BullMQ's lists, `bull:mail:wait`; empty where it is on something else."""
    name = trigger.map("metadata").text("listName") if trigger.text("type") == "redis" else ""
    found = re.fullmatch(r"bull:([A-Za-z0-9_.{}-]+):(?:wait|active|paused)", name)
    return found[1] if found else ""


_LISTS: Final = {"celery": ("celeryRedis", "\0"), "sidekiq": ("sidekiqRedis", "queue:")}
"""Of a worker its transport on Redis, and what stands before a queue's name in the key of its list."""


def _address(metadata: Map) -> dict[str, Any]:
    address, database = metadata.text("address"), metadata.text("databaseIndex")
    found: dict[str, Any] = {"address": address} if _ADDRESS.fullmatch(address) else {}
    return found | ({"database": int(database)} if re.fullmatch(r"[1-9][0-9]?", database) else {})
