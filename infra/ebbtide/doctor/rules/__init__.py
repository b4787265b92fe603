"""What doctor looks for. One module a topic; importing this room declares every rule."""

from ebbtide.doctor.rules import (
    autoscaling,
    broker,
    deployment,
    failures,
    frameworks,
    grace,
    hooks,
    keda,
    memory,
    network,
    probes,
    queue_names,
    redis,
    signals,
    supervision,
    types,
)

__all__ = [
    "autoscaling",
    "broker",
    "deployment",
    "failures",
    "frameworks",
    "grace",
    "hooks",
    "keda",
    "memory",
    "network",
    "probes",
    "queue_names",
    "redis",
    "signals",
    "supervision",
    "types",
]
