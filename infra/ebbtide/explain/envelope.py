"""How large a consumer can get, and what that costs the cluster, the broker and the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebbtide.settings.models.consumer import ConsumerSettings


@dataclass(frozen=True, slots=True)
class EnvelopePoint:
    """What a number of pods of one consumer adds up to."""

    at: Literal["min", "max", "rollout"]
    pods: int
    processes: int
    """Messages in flight at most."""
    broker_connections: int
    database_connections: int
    cpu_request_millicores: int
    memory_request_bytes: int
    memory_limit_bytes: int


def build_envelope(consumer: ConsumerSettings) -> tuple[EnvelopePoint, ...]:
    """The consumer at its minimum, at its maximum, and at the peak of a rolling update that starts at the maximum.

    In an update the old pods drain while the new ones already work, and Kubernetes does not count pods that are
    ending (KEP-3973): with a grace period longer than a pod's start, both fleets run side by side.
    """
    scaling = consumer.autoscaling
    fleets = 2 if scaling.overlaps else 1
    return (
        _point("min", scaling.min_replicas, consumer),
        _point("max", scaling.max_replicas, consumer),
        _point("rollout", fleets * scaling.max_replicas, consumer),
    )


def _point(at: Literal["min", "max", "rollout"], pods: int, consumer: ConsumerSettings) -> EnvelopePoint:
    processes = pods * consumer.worker.processes
    return EnvelopePoint(
        at=at,
        pods=pods,
        processes=processes,
        broker_connections=pods * consumer.worker.broker_connections,
        database_connections=pods * consumer.worker.database_connections,
        cpu_request_millicores=pods * consumer.pod_cpu_request_millicores,
        memory_request_bytes=pods * consumer.pod_memory_request_bytes,
        memory_limit_bytes=pods * consumer.pod_memory_limit_bytes,
    )
