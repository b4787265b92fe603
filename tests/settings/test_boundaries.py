"""Every threshold of the rules about settings is tried at its boundary and one beside it, and every condition alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.google.cases import GOOGLE, REDIS
from tests.settings.conftest import CONSUMER
from tests.settings.test_edges import (
    BY_LENGTH,
    CELERY,
    CELERY_REDIS,
    COMMAND,
    DOCTRINE,
    EXISTING,
    FIRST,
    LIST,
    MADE,
    MESSENGER,
    OF_CLUSTER,
    POSTGRES,
    PROXY,
    RABBITMQ,
    SHARED_NETWORK,
    STREAM,
    VALKEY,
    judged,
    keda,
    places,
    prometheus,
    queue_length,
)

METRIC, TO_70, MORE = "autoscaling.metrics[0]", {"kind": "cpu", "targetUtilization": 70}, {"targetAverageValue": "3"}
CPU, BACKLOG = {"kind": "cpu", "targetAverageValue": "1"}, BY_LENGTH["metrics"][0]
AUTOPILOT = {"kind": "gkeAutopilot"}
KEY = "projects/acme-shop/locations/{}/keyRings/gke/cryptoKeys/secrets"
SINGLETON = {"kind": "singleton"}
OF_CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
SIDECAR = {"pod": {"sidecars": {"a": PROXY}}}
SERVER = {"kind": "bullmqRedis", "address": "r:6379", "queue": "mail"}


def by(*metrics: dict[str, Any], least: int = 1, **more: Any) -> dict[str, Any]:
    return {"kind": "hpa", "minReplicas": least, "maxReplicas": 5, "metrics": list(metrics), **more}


def scaled(*triggers: dict[str, Any], transport: Any = RABBITMQ, **changes: Any) -> dict[str, Any]:
    return {"autoscaling": keda(*triggers, **changes), "transport": transport}


def mode(mode: str, host: str = "http://r:15672/") -> dict[str, Any]:
    return {"type": "rabbitmq", "metadata": {"host": host, "queueName": "q", "mode": mode, "value": "5"}}


def activated_at(value: str) -> dict[str, Any]:
    return {**LIST, "metadata": {**LIST["metadata"], "activationListLength": value}}


def load(kind: str, value: str, metric_type: str = "Utilization", **container: str) -> dict[str, Any]:
    return {"type": kind, "metricType": metric_type, "metadata": {"value": value, **container}}


BY_CONTAINER = {"kind": "containerCpu", "targetAverageValue": "1"}


OF_CONSUMERS: list[tuple[str, dict[str, Any], list[str]]] = [
    # How many pods there may be, and what they are counted by.
    ("H-01", {"autoscaling": by(BACKLOG, least=5)}, []),
    ("H-01", {"autoscaling": by(BACKLOG, least=6)}, ["autoscaling.minReplicas"]),
    ("V-14", {"autoscaling": by(CPU, least=0)}, ["autoscaling.minReplicas"]),
    ("V-14", {"autoscaling": by(CPU, least=1)}, []),
    ("V-14", {"autoscaling": by(CPU, BACKLOG, least=0)}, []),
    ("V-18", {"disruptionBudget": {"maxUnavailable": 0}}, ["disruptionBudget.maxUnavailable"]),
    ("V-18", {"disruptionBudget": {"maxUnavailable": 1}}, []),
    ("V-18", {"disruptionBudget": {"minAvailable": 2}}, ["disruptionBudget.minAvailable"]),
    ("V-18", {"disruptionBudget": {"minAvailable": 1}}, []),
    # Of what there must never be two.
    *(
        ("V-53", {"worker": {**CONSUMER["worker"], "processes": processes}, "autoscaling": scaling}, where)
        for processes, scaling, where in (
            (1, SINGLETON, []),
            (2, SINGLETON, ["worker.processes"]),
            (2, CONSUMER["autoscaling"], []),
        )
    ),
    # Threads are messages at the same time as well; a solo pool has one place, whatever is written.
    *(
        ("V-53", {"worker": worker, "autoscaling": SINGLETON}, where)
        for worker, where in (
            ({"kind": "sidekiq"}, ["worker.concurrency"]),
            ({"kind": "sidekiq", "concurrency": 1}, []),
            ({**CELERY, "concurrency": 2}, ["worker.processes", "worker.concurrency"]),
            ({**CELERY, "processes": 1, "concurrency": 4, "pool": "solo"}, []),
            ({"kind": "bullmq", "command": ["node", "w.js"], "concurrency": 2}, ["worker.concurrency"]),
        )
    ),
    *(
        ("V-39a", {"worker": worker, "autoscaling": scaling}, where)
        for worker, scaling, where in (
            ({"kind": "celeryBeat", "app": "shop"}, {"kind": "fixed", "replicas": 1}, ["autoscaling.kind"]),
            ({"kind": "celeryBeat", "app": "shop"}, SINGLETON, []),
            (COMMAND, {"kind": "fixed", "replicas": 1}, []),
            *(
                ({**COMMAND, "command": command.split()}, {"kind": "fixed", "replicas": 3}, ["autoscaling.kind"])
                for command in (
                    "php artisan schedule:work",
                    "celery -A shop beat",
                    "celery --app=shop beat -l info",
                    "python -m celery -q -A shop beat",
                    "sh -c exec celery -A shop beat",
                    "celery -A shop worker -B",
                    "celery -A shop worker -EB",
                    "celery -A shop worker -c 2 --beat",
                )
            ),
            *(
                ({**COMMAND, "command": command.split()}, {"kind": "fixed", "replicas": 3}, [])
                for command in (
                    "php artisan queue:work",
                    "celery -A beat worker",
                    "celery -A shop worker -Q beat",
                    "celery -A shop worker -E",
                    "celery -A shop worker --beats",
                    "celeryx -A shop beat",
                )
            ),
            ({**COMMAND, "command": ["celery", "-A", "shop", "beat"]}, SINGLETON, []),
        )
    ),
    ("V-45", {"worker": {**MESSENGER, "receivers": []}}, ["worker.receivers"]),
    ("V-45", {"worker": {**MESSENGER, "receivers": [], "arguments": ["--all"]}}, []),
    ("V-45", {"worker": COMMAND}, []),
    # What a worker reads.
    ("V-55", {"worker": CELERY, "transport": {**CELERY_REDIS, "queue": ["mail", "fast"]}}, []),
    ("V-55", {"worker": CELERY, "transport": STREAM}, ["transport.kind"]),
    ("V-55", {"worker": MESSENGER, "transport": SERVER}, ["transport.kind"]),
    ("V-55", {"worker": COMMAND, "transport": SERVER}, []),
    ("V-55", {"worker": CELERY}, []),
    # Memory: of PHP beside messenger's, of a pod beside all of its processes, 70 of 150M.
    *(
        ("V-28a", {"worker": {**CONSUMER["worker"], "memoryLimit": "150M", "phpMemoryLimit": php}}, where)
        for php, where in (("150M", ["worker.phpMemoryLimit"]), ("151M", []))
    ),
    *(
        (
            "V-28",
            {
                "worker": {**CONSUMER["worker"], "memoryLimit": "150M"},
                "resources": {"memory": {"request": f"{mebibytes}Mi"}},
            },
            where,
        )
        for mebibytes, where in ((10500, []), (10499, ["resources.memory.request"]))
    ),
    # Names that somebody else has.
    ("L-01", {"labels": {"app.kubernetes.io/part-of": "a"}}, ["labels.app.kubernetes.io/part-of"]),
    ("L-01", {"labels": {"acme.com/part-of": "a"}}, []),
    *(
        ("L-01", {"labels": {f"app.kubernetes.io/{name}": "a"}}, [f"labels.app.kubernetes.io/{name}"] * is_own)
        for name, is_own in (
            *((name, True) for name in ("name", "instance", "component", "managed-by")),
            *((name, False) for name in ("version", "created-by")),
        )
    ),
    ("E-01", {"environment": {"A": "1"}, "secretEnvironment": {"B": {"secret": "s", "key": "k"}}}, []),
    (
        "E-01",
        {"environment": {"A": "1", "B": "2"}, "secretEnvironment": {"B": {"secret": "s", "key": "k"}}},
        ["environment.B"],
    ),
    ("M-05", {"pod": {"priorityClass": "system-node-critical"}}, ["pod.priorityClass"]),
    ("M-05", {"pod": {"priorityClass": "systems"}}, []),
    # What a directory hides.
    *(
        ("W-01", {"writableDirectories": [path]}, where)
        for path, where in (
            ("/app", ["writableDirectories[0]"]),
            ("/app/var", []),
            ("/ap", []),
            ("/opt", ["writableDirectories[0]"]),
            ("/opt/ebbtide", ["writableDirectories[0]"]),
            ("/opt/ebb", []),
            ("/run/ebbtide", ["writableDirectories[0]"]),
            ("/run/ebbtides", []),
        )
    ),
    # What YAML cannot hold, and its neighbours.
    *(
        ("E-02a", {"environment": {"A": f"a{character}b"}}, ["environment.A"] if is_one else [])
        for character, is_one in (
            *(("\x7f", True), ("\x9f", True), ("\xa0", False), ("~", False), ("\ufeff", True), ("\ufffd", False)),
            *(("\ufffe", True), ("\uffff", True), ("\t", False)),
        )
    ),
    # What measures the sidecars too.
    ("M-06", {**SIDECAR, "autoscaling": by(BACKLOG, CPU)}, ["autoscaling.metrics[1].kind"]),
    ("M-06", {**SIDECAR, "autoscaling": by({"kind": "containerCpu", "targetAverageValue": "1"})}, []),
    ("M-06", {**SIDECAR, "autoscaling": by({"kind": "memory", "targetAverageValue": "1Gi"})}, []),
    ("M-06", {"autoscaling": by(CPU)}, []),
    # So does a trigger of KEDA's.
    *(
        ("M-06", {**SIDECAR, **scaled(LIST, load(kind, "60", **container), minReplicas=1)}, where)
        for kind, container, where in (
            ("cpu", {}, ["autoscaling.triggers[1].metadata.containerName"]),
            ("cpu", {"containerName": "consumer"}, []),
            ("memory", {}, []),
        )
    ),
    # A container that is measured is there.
    *(
        ("M-06a", {**SIDECAR, "autoscaling": by({**BY_CONTAINER, "container": name})}, where)
        for name, where in (("consumer", []), ("a", []), ("worker", ["autoscaling.metrics[0].container"]))
    ),
    *(
        ("M-06a", scaled(load("cpu", "60", containerName=name), minReplicas=1), where)
        for name, where in (("consumer", []), ("worker", ["autoscaling.triggers[0].metadata.containerName"]))
    ),
    # What a load is held against, by a trigger too.
    *(
        (
            "V-15a",
            {**scaled(load("cpu", value, metric_type), minReplicas=1), "resources": {"cpu": {"request": "490m"}}},
            [] if moves else ["autoscaling.triggers[0]"],
        )
        for metric_type, value, moves in (
            ("Utilization", "1", False),
            ("Utilization", "4", False),
            ("Utilization", "5", True),
            ("Utilization", "60", True),
            ("AverageValue", "22m", False),
            ("AverageValue", "300m", True),
            ("AverageValue", "70", True),
            ("AverageValue", "100", False),
        )
    ),
    ("V-15a", scaled(load("cpu", "100", "AverageValue", containerName="proxy"), minReplicas=1), []),
    *(
        ("V-16", scaled(*triggers, load("cpu", "60"), minReplicas=1) | {"resources": {"cpu": {"request": cpu}}}, where)
        for triggers, cpu, where in (
            ((), "490m", ["autoscaling.triggers[0]"]),
            ((), "35", []),
            # What waits is counted besides.
            ((LIST,), "490m", []),
        )
    ),
    ("V-16", {"autoscaling": by(BACKLOG, CPU)}, []),
    ("V-16a", scaled(LIST, load("memory", "2Gi", "AverageValue"), minReplicas=1), ["autoscaling.triggers[1]"]),
    ("V-16a", scaled(LIST, load("cpu", "60"), minReplicas=1), []),
    # What a sidecar uses says nothing of the workers, and it has requests of its own.
    *(
        (rule, {**SIDECAR, "autoscaling": by({"kind": kind, "container": container, **target})}, where)
        for rule, kind, target, container, where in (
            ("V-15", "containerCpu", {"targetUtilization": 80}, "a", []),
            ("V-15", "containerCpu", {"targetUtilization": 80}, "consumer", [f"{METRIC}.targetUtilization"]),
            ("V-15", "containerMemory", {"targetUtilization": 80}, "a", []),
            ("V-15a", "containerCpu", {"targetAverageValue": "20m"}, "a", []),
            ("V-15a", "containerCpu", {"targetAverageValue": "20m"}, "consumer", [METRIC]),
            ("V-16", "containerCpu", {"targetAverageValue": "100m"}, "a", []),
            ("V-16", "containerCpu", {"targetAverageValue": "100m"}, "consumer", [METRIC]),
            ("V-16a", "containerMemory", {"targetAverageValue": "1Gi"}, "a", []),
            ("V-16a", "containerMemory", {"targetAverageValue": "1Gi"}, "consumer", [METRIC]),
        )
    ),
    # How many cores a process may use is known where it has one thread, and where there is a limit.
    *(
        ("V-15a", {"worker": worker, "resources": {"cpu": cpu}, "autoscaling": by(TO_70)}, where)
        for worker, cpu, where in (
            (COMMAND, {"request": "4"}, []),
            (COMMAND, {"request": "4", "limit": "4"}, []),
            ({**CELERY, "processes": 1}, {"request": "4"}, []),
            (MESSENGER, {"request": "4"}, [METRIC]),
            ({"kind": "laravelQueue"}, {"request": "4"}, [METRIC]),
            ({**MESSENGER, "processes": 4}, {"request": "4"}, []),
        )
    ),
    ("V-15a", {"worker": COMMAND, "resources": {"cpu": {"limit": "2"}}, "autoscaling": by(CPU | MORE)}, [METRIC]),
    # KEDA at zero: what wakes, and what waits.
    ("KE-04", scaled(activated_at("0")), []),
    ("KE-04", scaled(activated_at("1")), [f"{FIRST}.activationListLength"]),
    *(
        (
            "KE-04",
            scaled(prometheus(activationThreshold=value, ignoreNullValues="false")),
            [f"{FIRST}.activationThreshold"] if late else [],
        )
        for value, late in (("0.5", True), ("1e3", True), ("0.0", False), ("-1", False))
    ),
    ("KE-04", scaled(activated_at("1"), minReplicas=1), []),
    ("KE-06", scaled(initialCooldown="5m", cooldown="5m"), []),
    ("KE-06", scaled(initialCooldown="299s", cooldown="5m"), ["autoscaling.initialCooldown"]),
    ("KE-06", scaled(initialCooldown="1s", cooldown="5m", minReplicas=1), []),
    ("KE-10", scaled(OF_CPU), ["autoscaling.minReplicas"]),
    ("KE-10", scaled(OF_CPU, minReplicas=1), []),
    ("KE-10", scaled(OF_CPU, LIST), []),
    *(
        ("KE-12", scaled(**{name: value}), [f"autoscaling.{name}"] if value else [])
        for name, value in (("paused", True), ("pausedReplicas", 3), ("pausedScaleIn", True), ("paused", False))
    ),
    ("KE-13", scaled(fallback={"replicas": 0}), ["autoscaling.fallback.replicas"]),
    ("KE-13", scaled(fallback={"replicas": 1}), []),
    (
        "KE-10a",
        scaled({**LIST, "name": "a"}, {**LIST, "name": "b"}, {**LIST, "name": "b"}),
        ["autoscaling.triggers[1].name"],
    ),
    ("KE-10a", scaled(LIST, LIST), []),
    # What each transport needs so that KEDA counts it.
    *(
        ("KE-24", scaled(transport={**STREAM, **more}), where)
        for more, where in (
            ({"ca": {"secret": "s", "key": "k"}}, ["transport.ca"]),
            ({"ca": {"secret": "s", "key": "k"}, "tls": True}, []),
            ({"tls": True}, []),
        )
    ),
    ("KE-30a", scaled(transport={**STREAM, "deleteAfterAck": False}), ["transport.deleteAfterAck"]),
    ("KE-30a", scaled(LIST, transport={**STREAM, "deleteAfterAck": False}), []),
    ("KE-30a", scaled(transport=STREAM), []),
    *(
        ("KE-36a", scaled(*triggers, transport={**DOCTRINE, "platform": platform, "timeZone": zone}), where)
        for platform, zone, triggers, where in (
            ("mysql", "Europe/Paris", (), ["transport.timeZone"]),
            ("mysql", "UTC", (), []),
            *(("mysql", zone, (), []) for zone in ("Etc/UTC", "utc", "GMT", "Etc/GMT+0", "+00:00")),
            *(("mysql", zone, (), ["transport.timeZone"]) for zone in ("Etc/GMT+1", "+02:00", "UTC+1")),
            ("mysql", "Europe/Paris", (LIST,), []),
            ("postgresql", "Europe/Paris", (), []),
        )
    ),
    *(
        ("KE-44", {**scaled(*triggers, transport={**STREAM, "recover": recover}, minReplicas=1), **worker}, where)
        for recover, triggers, worker, where in (
            (False, (), {}, ["transport.recover"]),
            (True, (), {}, []),
            (False, (LIST,), {}, []),
            (False, (LIST,), {"worker": COMMAND}, []),
        )
    ),
    # What KEDA takes of RabbitMQ.
    *(
        ("KE-37", scaled(mode(name), minReplicas=1), [])
        for name in (
            *("QueueLength", "MessageRate", "DeliverGetRate", "PublishedToDeliveredRatio"),
            "ExpectedQueueConsumptionTime",
        )
    ),
    ("KE-37", scaled(mode("Length"), minReplicas=1), [f"{FIRST}.mode"]),
    ("KE-37", scaled(mode("MessageRate", "amqp://r"), minReplicas=1), [f"{FIRST}.mode"]),
    ("KE-37", scaled(mode("QueueLength", "amqp://r"), minReplicas=1), []),
    ("KE-37", scaled(queue_length(), minReplicas=1), []),
    ("KE-37", scaled({"type": "redis", "metadata": {"mode": "Length", "listName": "a"}}, minReplicas=1), []),
    ("KE-40", scaled({"type": "rediss", "metadata": {}}, minReplicas=1), ["autoscaling.triggers[0].type"]),
    ("KE-40", scaled(prometheus(), minReplicas=1), []),
]


@pytest.mark.parametrize(("rule", "consumer", "where"), OF_CONSUMERS)
def test_of_a_consumer(rule: str, consumer: dict[str, Any], where: list[str]) -> None:
    assert places(rule, judged(consumer)) == where


def claims(timeout: str, longest: str, *, recover: bool = False) -> dict[str, Any]:
    transport = {**STREAM, "redeliverTimeout": timeout, "recover": recover}
    return {"transport": transport, "shutdown": {"longestMessage": longest, "nodeScaleDown": "protect"}}


def on(version: str, **cluster: Any) -> dict[str, Any]:
    return {"cluster": {**EXISTING, "kubernetesVersion": version, **cluster}}


def of_pools(**pools: dict[str, Any]) -> dict[str, Any]:
    return {**OF_CLUSTER, "cluster": {**MADE, "nodePools": pools}}


def asks(cpu: str, memory: str) -> dict[str, Any]:
    return {"resources": {"cpu": {"request": cpu}, "memory": {"request": memory}}}


TOLERANT = {"autoscaling": by(BACKLOG, behavior={"scaleDown": {"tolerance": "0.2"}})}
ON_SPOT, QUICK = {"placement": {"spot": True}}, {"longestMessage": "5s"}
ANY_SPOT = {"key": "cloud.google.com/gke-spot", "operator": "Exists"}
EQUAL = {"operator": "Equal", "value": "true"}
TEAM = {"key": "team", "value": "a"}
OF_TEAM, TAINTED, SSD = TEAM, {"taints": [TEAM]}, {"labels": {"disk": "ssd"}}
LARGE = {"machineType": "e2-standard-16", **TAINTED}
CLASS = {"cloud.google.com/compute-class": "Performance"}
BY_CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
ON_CPU = {"kind": "keda", "minReplicas": 1, "maxReplicas": 5, "triggers": [BY_CPU]}
ROLES = "serviceAccount.googleRoles"
Stacked = tuple[str, dict[str, Any] | None, dict[str, Any], list[str]]
OF_STACKS: list[Stacked] = [
    # What there is to deploy, and on which version.
    ("K-01", None, {}, ["consumers"]),
    ("K-01", {}, {}, []),
    ("K-01", None, {"imageRepository": {}, "google": GOOGLE}, []),
    ("K-01", None, OF_CLUSTER, []),
    *(
        ("K-02", {}, on(version), where)
        for version, where in (
            ("1.24", ["cluster.kubernetesVersion"]),
            ("1.25", []),
            ("1.37", []),
            ("1.38", ["cluster.kubernetesVersion"]),
        )
    ),
    ("V-13", TOLERANT, on("1.34"), ["autoscaling.behavior.scaleDown.tolerance"]),
    ("V-13", TOLERANT, on("1.35"), []),
    ("V-13", {"autoscaling": by(BACKLOG, behavior={"scaleDown": {}})}, on("1.34"), []),
    ("V-14a", {"autoscaling": by(BACKLOG, least=0)}, on("1.36"), ["autoscaling.minReplicas"]),
    *(
        ("V-14b", {"autoscaling": scaling}, on(version), where if version == "1.26" else [])
        for scaling, where in (
            (by(BY_CONTAINER), ["autoscaling.metrics[0].kind"]),
            (by(CPU), []),
            (
                scaled(load("cpu", "60", containerName="consumer"), minReplicas=1)["autoscaling"],
                ["autoscaling.triggers[0].metadata.containerName"],
            ),
        )
        for version in ("1.26", "1.27")
    ),
    ("V-14a", {"autoscaling": by(BACKLOG, least=0)}, on("1.37"), []),
    ("V-14a", {"autoscaling": by(BACKLOG, least=1)}, on("1.36"), []),
    ("V-14a", scaled(transport=STREAM), on("1.36"), []),
    ("M-01", SIDECAR, on("1.28"), ["pod.sidecars"]),
    ("M-01", SIDECAR, on("1.29"), []),
    ("M-01", {}, on("1.28"), []),
    # A name that every namespace holds, of which the consumer as a whole is told.
    *(
        ("N-01", None, {"consumers": {name: CONSUMER}}, where)
        for name, where in (
            ("default", [""]),
            ("default-deny", [""]),
            ("defaults", []),
        )
    ),
    # What is made in Google Cloud, each alone.
    *(
        ("G-01", consumer, {**stack, "google": google}, where if google is None else [])
        for consumer, stack, where in (
            (None, {"cluster": MADE}, ["cluster.kind"]),
            (REDIS, {"broker": {**VALKEY, "network": SHARED_NETWORK}}, ["broker.kind"]),
            (None, {"imageRepository": {}}, ["imageRepository"]),
            ({"serviceAccount": {"googleRoles": ["roles/pubsub.subscriber"]}}, {}, ["serviceAccount"]),
            ({"serviceAccount": {}}, {}, []),
        )
        for google in (None, GOOGLE)
    ),
    *(
        ("G-02", {"serviceAccount": {"googleRoles": [role]}}, {"google": GOOGLE}, [f"{ROLES}[0]"] * is_wrong)
        for role, is_wrong in (
            ("roles/owner", True),
            ("roles/editor", True),
            ("roles/viewer", True),
            ("pubsub.subscriber", True),
            ("roles/pubsub.viewer", False),
            ("projects/acme-shop/roles/mine", False),
            ("organizations/17/roles/mine", False),
        )
    ),
    # Whose cluster it is, and what protects it.
    *(
        (rule, consumer, {**OF_CLUSTER, "cluster": cluster, "name": name, "protect": protect}, where)
        for rule, consumer, cluster, name, protect, where in (
            ("G-04", {}, MADE, "production", False, ["protect"]),
            ("G-04", {}, MADE, "production", True, []),
            ("G-04", {}, MADE, "products", False, []),
            ("G-04", {}, MADE, "eu-live", False, ["protect"]),
            ("G-04", {}, EXISTING, "production", False, []),
            ("G-04a", {}, MADE, "production", True, ["cluster.kind"]),
            ("G-04a", {}, MADE, "production", False, []),
            ("G-04a", None, MADE, "production", True, []),
            ("G-04a", {}, MADE, "dev", True, []),
        )
    ),
    # What is in the region of the stack.
    *(
        ("G-06", None, {**OF_CLUSTER, "cluster": {**MADE, "zones": zones}}, where)
        for zones, where in (
            (["europe-west1-b", "europe-west1-c"], []),
            (["europe-west1-b", "europe-west4-b"], ["cluster.zones[1]"]),
        )
    ),
    *(
        ("G-07", {}, {**OF_CLUSTER, **settings}, [where] if location == "europe-west4" else [])
        for location in ("europe-west1", "europe-west4", "europe", "global")
        for settings, where in (
            ({"cluster": {**MADE, "secretEncryptionKey": KEY.format(location)}}, "cluster.secretEncryptionKey"),
            (
                {"cluster": {**MADE, "nodePools": {"a": {"diskEncryptionKey": KEY.format(location)}}}},
                "cluster.nodePools.a.diskEncryptionKey",
            ),
            ({"broker": {**VALKEY, "encryptionKey": KEY.format(location)}}, "broker.encryptionKey"),
        )
    ),
    # Autopilot's proportion of memory to CPU: 1 to 6.5 GiB for each core.
    *(
        ("V-07", asks("1", memory), {**OF_CLUSTER, "cluster": cluster}, where)
        for memory, cluster, where in (
            ("6656Mi", AUTOPILOT, []),
            ("6657Mi", AUTOPILOT, ["resources.cpu.request"]),
            ("6657Mi", MADE, []),
            ("1Gi", AUTOPILOT, []),
            ("1023Mi", AUTOPILOT, ["resources.memory.request"]),
        )
    ),
    # What nobody wrote, and no target is a percentage of, is no reason to warn.
    *(
        (rule, {"resources": resources, **more}, {**OF_CLUSTER, "cluster": cluster}, where)
        for resources, more, cluster, warned, told in (
            ({}, {}, AUTOPILOT, [], ["resources"]),
            ({}, {}, MADE, [], []),
            ({"memory": {"request": "6657Mi", "limit": "20Gi"}}, {}, AUTOPILOT, [], ["resources"]),
            ({"memory": {"request": "600Mi"}}, {}, AUTOPILOT, [], []),
            ({"cpu": {"request": "100m"}}, {}, AUTOPILOT, ["resources.cpu.request"], []),
            ({}, {"autoscaling": ON_CPU}, {**AUTOPILOT, "keda": "existing"}, ["resources.cpu.request"], []),
        )
        for rule, where in (("V-07", warned), ("V-07a", told))
    ),
    # What no machine has, where the nodes are not made here.
    *(
        ("G-10", {**asks(cpu, memory), **more}, {**OF_CLUSTER, "cluster": cluster}, where)
        for cpu, memory, more, cluster, where in (
            ("500", "1Gi", {}, {"kind": "existing"}, ["resources.cpu.request"]),
            ("416", "1Gi", {}, {"kind": "existing"}, []),
            ("416001m", "1Gi", {}, {"kind": "existing"}, ["resources.cpu.request"]),
            ("1", "11776Gi", {}, {"kind": "existing"}, []),
            ("1", "11777Gi", {}, {"kind": "existing"}, ["resources.memory.request"]),
            ("500", "12000Gi", {}, {"kind": "existing"}, ["resources.cpu.request", "resources.memory.request"]),
            ("30", "110Gi", {}, AUTOPILOT, []),
            ("31", "110Gi", {}, AUTOPILOT, ["resources.cpu.request"]),
            ("30", "111Gi", {}, AUTOPILOT, ["resources.memory.request"]),
            ("31", "111Gi", {"placement": {"nodeSelector": CLASS}}, AUTOPILOT, []),
        )
    ),
    # Spot machines: that there are some, that their notice is known, and that they are asked for by the setting.
    *(
        ("V-08a", {**spot, "shutdown": QUICK}, {**OF_CLUSTER, "cluster": cluster}, where)
        for spot, cluster, where in (
            (ON_SPOT, {**MADE, "nodePools": {"a": {}}}, ["placement.spot"]),
            (ON_SPOT, {**MADE, "nodePools": {"a": {}, "b": {"spot": True}}}, []),
            ({}, {**MADE, "nodePools": {"a": {}}}, []),
            (ON_SPOT, AUTOPILOT, []),
        )
    ),
    # A selector that leaves such nodes out, a toleration of something else, and pools of which none is such.
    *(
        ("V-08c", {"placement": placement}, stack, where)
        for placement, stack, where in (
            ({"tolerations": [ANY_SPOT]}, {}, ["placement.tolerations[0]"]),
            ({"tolerations": [{**ANY_SPOT, "effect": "NoExecute"}]}, {}, []),
            ({"tolerations": [ANY_SPOT | {"operator": "Equal", "value": "false"}]}, {}, []),
            ({"tolerations": [OF_TEAM, ANY_SPOT | EQUAL]}, {}, ["placement.tolerations[1]"]),
            ({"tolerations": [ANY_SPOT], "nodeSelector": {"cloud.google.com/gke-spot": "false"}}, {}, []),
            ({"tolerations": [ANY_SPOT]}, of_pools(a={}), []),
            ({"tolerations": [ANY_SPOT]}, of_pools(a={}, b={"spot": True}), ["placement.tolerations[0]"]),
            ({"tolerations": [ANY_SPOT], "nodeSelector": {"disk": "ssd"}}, of_pools(a=SSD, b={"spot": True}), []),
            ({"tolerations": [OF_TEAM]}, {}, []),
            (
                {"tolerations": [ANY_SPOT | {"key": "karpenter.sh/capacity-type"}]},
                {},
                ["placement.tolerations[0]"],
            ),
        )
    ),
    ("V-08c", {**ON_SPOT, "placement": {"spot": True, "tolerations": [ANY_SPOT]}, "shutdown": QUICK}, {}, []),
    # Some pool takes the pods: by its taints and its labels.
    *(
        ("G-03a", {"placement": placement, "shutdown": QUICK}, of_pools(**pools), ["placement"] * is_nowhere)
        for placement, pools, is_nowhere in (
            ({}, {"a": {}}, False),
            ({}, {"a": TAINTED}, True),
            ({}, {"a": TAINTED, "b": {}}, False),
            ({}, {"a": {"taints": [{**TEAM, "effect": "PreferNoSchedule"}]}}, False),
            ({}, {"a": TAINTED, "b": {"spot": True}}, True),
            ({"tolerations": [ANY_SPOT]}, {"a": TAINTED, "b": {"spot": True}}, False),
            ({"tolerations": [OF_TEAM]}, {"a": TAINTED}, False),
            ({"tolerations": [OF_TEAM | {"value": "b"}]}, {"a": TAINTED}, True),
            ({"tolerations": [{"key": "team", "operator": "Exists"}]}, {"a": TAINTED}, False),
            ({"tolerations": [OF_TEAM | {"effect": "NoSchedule"}]}, {"a": TAINTED}, False),
            ({"tolerations": [OF_TEAM | {"effect": "NoExecute"}]}, {"a": TAINTED}, True),
            ({"nodeSelector": {"disk": "ssd"}}, {"a": {}}, True),
            ({"nodeSelector": {"disk": "ssd"}}, {"a": {}, "b": SSD}, False),
            ({"nodeSelector": {"disk": "hdd"}}, {"a": SSD}, True),
            ({"nodeSelector": {"acme.com/disk": "ssd"}}, {"a": {}}, False),
            ({"nodeSelector": {"acme.com/disk": "ssd"}}, {"a": {"labels": {"acme.com/disk": "hdd"}}}, True),
            ({"nodeSelector": {"ebbtide.dev/node-pool": "b"}}, {"a": {}}, True),
            ({"nodeSelector": {"ebbtide.dev/node-pool": "a"}}, {"a": {}}, False),
            ({"spot": True}, {"a": {}, "b": {"spot": True}}, False),
            ({"spot": True}, {"a": {}, "b": {"spot": True, **TAINTED}}, True),
            # Of this V-08a speaks.
            ({"spot": True}, {"a": {}}, False),
        )
    ),
    ("G-03a", {"placement": {"nodeSelector": {"disk": "ssd"}}}, {}, []),
    # Only a pool that takes the pods has to have room for one.
    *(
        ("G-03", {**asks("1", "20Gi"), "placement": {"tolerations": tolerated}}, of_pools(a={}, b=LARGE), where)
        for tolerated, where in (([], ["resources"]), ([OF_TEAM], []))
    ),
    *(
        ("V-08b", {}, on(version, platform="gkeStandard", spotNotice=notice), where)
        for version, notice, where in (
            ("1.34", "2m", ["cluster.spotNotice"]),
            ("1.34", "30s", []),
            ("1.35", "2m", []),
        )
    ),
    *(
        ("V-06a", {**spot, "shutdown": {**QUICK, **down}}, {**OF_CLUSTER, "cluster": cluster}, where)
        for spot, down, cluster, where in (
            (ON_SPOT, {"nodeScaleDown": "protect"}, AUTOPILOT, ["shutdown.nodeScaleDown"]),
            (ON_SPOT, {}, AUTOPILOT, []),
            ({}, {"nodeScaleDown": "protect"}, AUTOPILOT, []),
            (ON_SPOT, {"nodeScaleDown": "protect"}, {**MADE, "nodePools": {"a": {}, "b": {"spot": True}}}, []),
        )
    ),
    # What a broker is started with.
    *(
        ("BR-02d", REDIS, {**OF_CLUSTER, "broker": {**VALKEY, "engineConfigs": {name: value}}}, where)
        for name, value, where in (
            *((name, "64", []) for name in ("maxclients", "maxmemory", "maxmemory-clients")),
            ("maxmemory-policy", "noeviction", []),
            ("notify-keyspace-events", "Ex", []),
            ("appendonly", "no", ["broker.engineConfigs.appendonly"]),
        )
    ),
    *(
        ("BR-02e", None, {**OF_CLUSTER, "broker": {**POSTGRES, "flags": {"synchronous_commit": value}}}, where)
        for value, where in (
            *((value, ["broker.flags.synchronous_commit"]) for value in ("off", "false", "no", "0", "Off")),
            *((value, []) for value in ("on", "local", "remote_write")),
        )
    ),
    *(
        ("BR-10", None, {**OF_CLUSTER, "broker": {**POSTGRES, **broker}}, where)
        for broker, where in (
            *(({"tier": tier}, []) for tier in ("db-f1-micro", "db-g1-small", "db-custom-2-7680")),
            *(
                ({"tier": tier, "edition": "ENTERPRISE_PLUS"}, ["broker.tier"])
                for tier in ("db-f1-micro", "db-g1-small", "db-custom-2-7680")
            ),
            ({"tier": "db-perf-optimized-N-2", "edition": "ENTERPRISE_PLUS"}, []),
            ({"tier": "db-perf-optimized-N-2"}, ["broker.tier"]),
            ({"pointInTimeDays": 7}, []),
            ({"pointInTimeDays": 8}, ["broker.pointInTimeDays"]),
            ({"pointInTimeDays": 8, "tier": "db-perf-optimized-N-2", "edition": "ENTERPRISE_PLUS"}, []),
        )
    ),
    *(
        (rule, None, {**OF_CLUSTER, "name": name, "broker": {**VALKEY, **broker}}, where)
        for rule, name, broker, where in (
            ("BR-02c", "shop", {"replicas": 0}, ["broker.replicas"]),
            ("BR-02c", "shop", {"replicas": 1}, []),
            ("BR-02c", "dev", {"replicas": 0}, []),
            ("BR-02c", "shop", {"nodeType": "SHARED_CORE_NANO"}, ["broker.nodeType"]),
            ("BR-02b", "shop", {"persistence": "AOF", "appendFsync": "ALWAYS"}, []),
            ("BR-02b", "shop", {"persistence": "RDB", "appendFsync": "ALWAYS"}, ["broker.appendFsync"]),
            ("BR-02b", "shop", {"persistence": "RDB", "snapshotPeriod": "ONE_HOUR"}, []),
            ("BR-02b", "shop", {"persistence": "AOF", "snapshotPeriod": "ONE_HOUR"}, ["broker.snapshotPeriod"]),
            ("BR-02a", "shop", {"persistence": "RDB"}, ["broker.persistence"]),
            ("BR-02a", "shop", {"appendFsync": "EVERY_SEC"}, ["broker.appendFsync"]),
            ("BR-02a", "shop", {}, []),
        )
    ),
    # Whose broker the workers are told of.
    ("N-02", REDIS, {**OF_CLUSTER, "broker": VALKEY}, []),
    ("N-02", {**REDIS, "transport": STREAM}, {**OF_CLUSTER, "broker": VALKEY}, ["network.egress"]),
    # Whether KEDA is there, where somebody scales by it.
    *(
        (rule, consumer, stack, where)
        for rule, consumer, stack, where in (
            ("KE-43", scaled(), OF_CLUSTER, ["autoscaling.kind"]),
            ("KE-43", scaled(), {**OF_CLUSTER, "cluster": {**MADE, "keda": "existing"}}, []),
            ("KE-43", {}, OF_CLUSTER, []),
            ("KE-43", scaled(), {}, []),
            ("KE-43a", scaled(), {}, ["cluster.keda"]),
            ("KE-43a", {}, {}, []),
            ("KE-43a", scaled(), {"cluster": {**EXISTING, "keda": "existing"}}, []),
        )
    ),
]


@pytest.mark.parametrize(("rule", "consumer", "stack", "where"), OF_STACKS)
def test_of_a_stack(rule: str, consumer: dict[str, Any] | None, stack: dict[str, Any], where: list[str]) -> None:
    assert places(rule, judged(consumer, **stack)) == where


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        ("2026-11-28 00:00:00 +0000 UTC", "2026-11-28"),
        ("2026-11-28 10:30:00 +0000 UTC", "2026-11-28T10:30:00Z"),
        ("2026-11-28 00:00:00 +0100 CET", "2026-11-28T00:00:00+01:00"),
        ("2026-11-28 10:30:00 -0530 -0530", "2026-11-28T10:30:00-05:30"),
    ],
)
def test_a_date_without_quotes_is_to_be_written_as_it_was(moment: str, written: str) -> None:
    (finding,) = [one for one in judged({"environment": {"SINCE": moment}}) if one.rule == "E-02"]
    assert finding.remedy == f'write it in quotes, as it is meant: "{written}"'


@pytest.mark.parametrize(
    ("cpu", "memory", "remedy"),
    [("1", "6657Mi", "write 1010m (which is then paid for)"), ("1500m", "1Gi", "write at least 1536Mi,")],
)
def test_what_autopilot_would_make_of_a_request_is_said(cpu: str, memory: str, remedy: str) -> None:
    findings = judged(asks(cpu, memory), **{**OF_CLUSTER, "cluster": AUTOPILOT})
    (finding,) = [one for one in findings if one.rule == "V-07"]
    assert finding.remedy.startswith(remedy)


def memory(**values: Any) -> dict[str, Any]:
    return {"resources": {"memory": values}}


def limited(cpu: str, memory: str) -> dict[str, Any]:
    return {"resources": {"cpu": {"request": cpu, "limit": cpu}, "memory": {"request": memory, "limit": memory}}}


LIGHT = {"worker": {**CONSUMER["worker"], "memoryLimit": "150M"}}
MEASURED = {"measured": {"shared": "100Mi", "process": "100Mi"}}
AS_LIMIT = "with at least as much for its limit"
FIFTY = {"pod": {"sidecars": {"a": {**PROXY, "resources": {"cpu": "50m", "memory": "64Mi"}}}}}
BUFFERED = {"kind": "sqs", "queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", "region": "eu-west-1"}
ONE, LATE = "set buffer_size: 1 in the transport's options and bufferSize: 1 here", "in both places, after which"
FETCHES = {"worker": {**MESSENGER, "arguments": ["--fetch-size=3"]}}


@pytest.mark.parametrize(
    ("rule", "consumer", "where", "remedy"),
    [
        # Without a request it is the limit that keeps it low, and a request above the limit is refused.
        ("V-28", LIGHT | memory(limit="8Gi"), "limit", "10500Mi is safe with a limit above it or none, and"),
        (
            "V-28",
            LIGHT | memory(limit="8Gi", request="8Gi"),
            "request",
            "10500Mi is safe with a limit above it or none",
        ),
        ("V-28", LIGHT | memory(limit="20Gi", request="8Gi"), "request", "measure a busy pod; 10500Mi is safe, and"),
        ("V-28", memory(limit="4Gi", **MEASURED), "limit", "leave the limit out, or measure again"),
        ("V-28", memory(limit="4Gi", request="4Gi", **MEASURED), "request", "leave request and limit out, or"),
        ("V-28", memory(request="4Gi", **MEASURED), "request", "leave it out, or measure again"),
        ("V-07", limited("500m", "6500Mi"), "request", f"write 980m, {AS_LIMIT} (which is then paid for)"),
        ("V-07", limited("500m", "6500Mi") | FIFTY, "request", f"write 940m, {AS_LIMIT} (which is then paid for)"),
        ("V-07", limited("1500m", "1Gi"), "request", f"write at least 1536Mi, {AS_LIMIT}, which is then paid for"),
        ("V-07", limited("1500m", "1Gi") | FIFTY, "request", f"write at least 1524Mi, {AS_LIMIT}, which is then paid"),
        # What a worker takes at once is waited for together: who waits as long has a killed message back as late.
        ("V-34", {"transport": BUFFERED}, "visibilityTimeout", f"{ONE}, or write 10m30s {LATE} a killed message"),
        ("V-34", {"transport": BUFFERED, **FETCHES}, "visibilityTimeout", "take --fetch-size out of arguments, or"),
        (
            "V-34a",
            {"transport": {**BUFFERED, "visibilityTimeout": "630s"}},
            "transport",
            f"{ONE}, and then bring its timeouts down to 2m in all",
        ),
        (
            "V-34a",
            {"transport": {**BUFFERED, "visibilityTimeout": "630s"}, **FETCHES},
            "transport",
            "take --fetch-size out of arguments, and then bring its timeouts down to 2m in all",
        ),
        (
            "V-34a",
            {"transport": {**BUFFERED, "visibilityTimeout": "630s", "bufferSize": 1}},
            "transport",
            "bring its timeouts down to 2m in all",
        ),
        # The image claims after at most a day.
        *(
            (rule, {**claims("26h", longest, recover=recover), "autoscaling": keda()}, "recover", remedy)
            for rule, longest, recover, remedy in (
                ("KE-44", "60s", False, "write recover: true, and a redeliverTimeout of at most 24h in both places"),
                ("V-34c", "60s", False, "write recover: true, and a redeliverTimeout of at most 24h in both places"),
                ("V-34e", "60s", True, "leave it out, and let the transport's own redeliver_timeout work, or write a"),
                ("KE-44", "25h", False, "accept this: the image claims messages after at most a day"),
                ("V-34c", "25h", False, "accept this: the image claims messages after at most a day"),
            )
        ),
        ("KE-44", {**claims("24h", "60s"), "autoscaling": keda()}, "recover", "write recover: true"),
    ],
)
def test_what_is_to_be_written_instead_is_taken(rule: str, consumer: dict[str, Any], where: str, remedy: str) -> None:
    """And not refused, or sent back, by another rule."""
    findings = judged(consumer, **({**OF_CLUSTER, "cluster": AUTOPILOT} if rule == "V-07" else {}))
    (finding,) = [one for one in findings if one.rule == rule]
    assert finding.path[-1] == where
    assert remedy in finding.remedy
