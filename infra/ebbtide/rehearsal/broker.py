"""The broker of a rehearsal: one pod, which holds the messages in memory and on its own disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ebbtide.rehearsal.cluster import Cluster, Manifest

BrokerKind = Literal["redis", "rabbitmq"]
POD = "broker"
QUEUE = "githubevents"
USER_ID = 10001


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """How one broker is started, reached and asked."""

    port: int
    command: str
    ready: str
    dsn: str
    """`{host}` is the pod's address: a name would need the cluster's DNS, which a node of our own lacks."""
    depth: str
    """A shell command that prints how many messages the broker holds, handed out or not."""


# Nothing is evicted and an orderly restart forgets nothing.
_REDIS = "exec redis-server --dir /data --appendonly yes --save '' --maxmemory-policy noeviction --protected-mode no"
_RABBITMQ_BIN = "/usr/lib/rabbitmq/bin"
_RABBITMQ = (
    "printf 'loopback_users = none\\n' >/data/rabbitmq.conf; echo '[].' >/data/plugins; "
    f"exec {_RABBITMQ_BIN}/rabbitmq-server"
)

BROKERS: dict[BrokerKind, BrokerPlan] = {
    "redis": BrokerPlan(
        6379,
        _REDIS,
        "redis-cli ping | grep -q PONG",
        "redis://{host}:6379",
        f"redis-cli XLEN {QUEUE}",
    ),
    "rabbitmq": BrokerPlan(
        5672,
        _RABBITMQ,
        f"{_RABBITMQ_BIN}/rabbitmqctl -q await_startup --timeout 20",
        "amqp://guest:guest@{host}:5672/%2f",
        f"{_RABBITMQ_BIN}/rabbitmqctl -q --no-table-headers list_queues messages",
    ),
}

_RABBITMQ_ENVIRONMENT = {
    "RABBITMQ_NODENAME": "rabbit@localhost",
    "RABBITMQ_MNESIA_BASE": "/data/data",
    "RABBITMQ_LOG_BASE": "/data",
    "RABBITMQ_CONFIG_FILE": "/data/rabbitmq.conf",
    "RABBITMQ_ENABLED_PLUGINS_FILE": "/data/plugins",
    # Two schedulers spin less than one for each core of a large node.
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
}


def broker_pod(kind: BrokerKind, image: str) -> Manifest:
    """The pod, which a `restricted` namespace admits."""
    plan = BROKERS[kind]
    environment = {"HOME": "/data", **(_RABBITMQ_ENVIRONMENT if kind == "rabbitmq" else {})}
    container = {
        "name": "broker",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", plan.command],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"containerPort": plan.port}],
        # Asked until it answers once: `rabbitmqctl` starts a virtual machine each time, which costs a second of CPU.
        "startupProbe": {
            "exec": {"command": ["sh", "-c", plan.ready]},
            "periodSeconds": 2,
            "timeoutSeconds": 30,
            "failureThreshold": 60,
        },
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
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


def messages_held(cluster: Cluster, namespace: str, kind: BrokerKind) -> int:
    """How many messages the broker still has, handed out or waiting: an acknowledged one is gone."""
    output = cluster.execute(namespace, POD, BROKERS[kind].depth)
    return sum(int(line) for line in output.split() if line.isdigit())
