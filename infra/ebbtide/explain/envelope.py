"""How large a consumer can get, and what that costs the cluster, the broker and the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebbtide.settings.models.consumer import ConsumerSettings

Place = Literal["min", "max", "drop", "rollout"]


@dataclass(frozen=True, slots=True)
class EnvelopePoint:
    """What a number of pods of one consumer adds up to."""

    at: Place
    pods: int
    processes: int
    """Messages in flight at most."""
    broker_connections: int
    database_connections: int
    cpu_request_millicores: int
    memory_request_bytes: int
    memory_limit_bytes: int


def build_envelope(consumer: ConsumerSettings) -> tuple[EnvelopePoint, ...]:
    """The consumer at its minimum, at its maximum, in the drop to zero where there is one, and at the peak of a rolling
    update that starts at the maximum.

    In an update the old pods drain while the new ones already work, and Kubernetes does not count pods that are
    ending (KEP-3973): with a grace period longer than a pod's start, both fleets run side by side.
    """
    scaling = consumer.autoscaling
    most = scaling.max_replicas
    points = [_point("min", scaling.min_replicas, consumer), _point("max", most, consumer)]
    dropping = scaling.pods_in_drop(consumer.transport, consumer.worker)
    if dropping:
        points.append(_point("drop", dropping, consumer))
    return (*points, _point("rollout", 2 * most if scaling.overlaps else most, consumer))


def _point(at: Place, pods: int, consumer: ConsumerSettings) -> EnvelopePoint:
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
