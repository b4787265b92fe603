"""The broker of a rehearsal: one pod, which holds the messages in memory and on its own disk."""

from __future__ import annotations

from typing import Any

from ebbtide.brokers import Broker, Depth, Place
from ebbtide.rehearsal.cluster import Cluster, Manifest

POD = "broker"
QUEUE = "githubevents"
USER_ID = 10001
_DIRECTORY = "/data"
FREEZE = "kill -s STOP -- -1"
"""Every process of the pod stands still but its first, which Linux does not let the others stop."""
THAW = "kill -s CONT -- -1"


def broker_pod(broker: Broker, image: str) -> Manifest:
    """The pod, which a `restricted` namespace admits."""
    environment = Place(_DIRECTORY, broker.port, QUEUE, asked_at=broker.asked_at).environment
    container = {
        "name": "broker",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        # Not as the first process: see FREEZE.
        "command": broker.command(f"({broker.server}) & wait $!"),
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"containerPort": port} for port in (broker.port, broker.asked_at) if port is not None],
        # Asked until it answers once: `rabbitmqctl` starts a virtual machine each time, which costs a second of CPU.
        "startupProbe": {
            "exec": {"command": broker.command(broker.answers)},
            "periodSeconds": 2,
            "timeoutSeconds": 30,
            "failureThreshold": 60,
        },
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": _DIRECTORY}],
    }
    return restricted_pod(POD, container, [{"name": "data", "emptyDir": {}}])


def restricted_pod(name: str, container: dict[str, Any], volumes: list[Manifest]) -> Manifest:
    """A pod of one container that runs as nobody in particular and ends at once."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{**container, "securityContext": security}],
            "volumes": volumes,
        },
    }


def messages_held(cluster: Cluster, namespace: str, broker: Broker) -> int:
    """How many messages the broker still has, handed out or waiting: an acknowledged one is gone."""
    depth = Depth.read(cluster.execute(namespace, POD, f"{broker.setup}{broker.depth}"))
    return depth.ready + depth.taken
