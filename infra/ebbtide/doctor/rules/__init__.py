"""What doctor looks for. One module a topic; importing this room declares every rule."""

from ebbtide.doctor.rules import (
    autoscaling,
    broker,
    deployment,
    frameworks,
    grace,
    hooks,
    keda,
    network,
    probes,
    signals,
    supervision,
)

__all__ = [
    "autoscaling",
    "broker",
    "deployment",
    "frameworks",
    "grace",
    "hooks",
    "keda",
    "network",
    "probes",
    "signals",
    "supervision",
]
