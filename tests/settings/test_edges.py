"""A rule speaks where it must, at the place that is wrong, and is silent right beside it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests import quick_yaml
from tests.manifests.google.cases import GOOGLE, REDIS
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import Finding, format_path
from ebbtide.settings.models.demand import Trigger
from ebbtide.settings.models.shutdown import FINISH_ALLOWANCE_SECONDS
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack
from ebbtide.settings.rules.keda_scalers import METADATA, scalers, unknown_parameters, wrong_values

EXISTING = {"kind": "existing"}
STREAM = {"kind": "redis", "stream": "mail", "address": "r:6379", "redeliverTimeout": "90s", "recover": True}
RABBITMQ = {"kind": "rabbitmq", "address": "r:15672", "queue": "q"} | {
    name: {"secret": "broker-v1", "key": name} for name in ("username", "password")
}
LIST = {"type": "redis", "metadata": {"address": "r:6379", "listName": "jobs"}}
COMMAND = {"kind": "command", "command": ["/app/worker"]}
CELERY = {"kind": "celery", "app": "shop", "queues": ["mail", "fast"], "processes": 2}
CELERY_REDIS = {"kind": "celeryRedis", "address": "r:6379", "queue": "mail"}
VALKEY = {"kind": "memorystoreValkey"}


def keda(*triggers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"kind": "keda", "maxReplicas": 5, **({"triggers": list(triggers)} if triggers else {}), **changes}


def judged(consumer: dict[str, Any] | None, **stack: Any) -> list[Finding]:
    """Everything that is said of a stack, whether it is refused or not."""
    consumers = {} if consumer is None else {"mail": {**CONSUMER, **consumer}}
    try:
        given = {"name": "dev", "cluster": EXISTING, "consumers": consumers, **stack}
        return check_stack(StackSettings.model_validate(given))
    except ValidationError as error:
        return [finding for each in error.errors() for finding in each["ctx"]["findings"]]


def places(rule: str, findings: list[Finding]) -> list[str]:
    """Where a rule speaks; of a consumer, within it."""
    return [format_path(one.path).removeprefix("consumers.mail.") for one in findings if one.rule == rule]


PROXY = {"image": "registry.example/a:1", "started": {"port": 80}}
Edge = tuple[str, dict[str, Any], list[str]]


def prometheus(**metadata: str) -> dict[str, Any]:
    given = {"serverAddress": "http://prometheus:9090", "query": "sum(waiting)", "threshold": "1", **metadata}
    return {"type": "prometheus", "metadata": given}


def queue_length(**metadata: str) -> dict[str, Any]:
    return {
        "type": "rabbitmq",
        "metadata": {"host": "http://r:15672/", "queueName": "q", "protocol": "http", **metadata},
    }


def delayed(key: str, kind: str = "redis") -> dict[str, Any]:
    return {"type": kind, "metadata": {"address": "r:6379", "listName": key}}


def with_length(value: str) -> dict[str, Any]:
    return {**LIST, "metadata": {**LIST["metadata"], "listLength": value}}


def load(kind: str, metric_type: str | None, value: str) -> dict[str, Any]:
    return {"type": kind, "metricType": metric_type, "metadata": {"value": value}}


def cron(start: str, end: str, zone: str = "Europe/Berlin") -> dict[str, Any]:
    given = {"timezone": zone, "start": start, "end": end, "desiredReplicas": "3"}
    return {"type": "cron", "metadata": given}


KEY = {"secret": "broker-v1", "key": "password"}
HELD = {"targetQueryValue": "1"}
ASKED = {"query": "SELECT count(*) FROM t", **HELD}
AT_DATABASE = {"host": "db", "port": "5432", "userName": "u", "dbName": "d", "sslmode": "require"}
QUEUE = {"host": "http://r:15672/", "queueName": "q"}
SUMO = {"host": "https://a", "queryType": "logs", "threshold": "5", "timerange": "5m"}
SQS_QUEUE = {"queueURL": "https://sqs.eu-west-1.amazonaws.com/1/mail", "awsRegion": "eu-west-1"}
IGNORED, LENGTH = "autoscaling.triggers[0].metadata.ignoreNullValues", "autoscaling.triggers[0].metadata.queueLength"


def reaching(*egress: dict[str, Any], address: str = "10.20.0.7:6379") -> dict[str, Any]:
    return {"transport": {**STREAM, "address": address}, "network": {"egress": list(egress)}}


FIRST = "autoscaling.triggers[0].metadata"
COUNTS_WAITING = {
    "worker": {"kind": "sidekiq", "queues": ["mail"], "processes": 1},
    "transport": {"kind": "sidekiqRedis", "address": "r:6379", "queue": "mail"},
}
FOLLOWED = {
    "type": "redis-streams",
    "metadata": {"address": "r:6379", "stream": "s", "consumerGroup": "g", "lagCount": "5"},
}
DOCTRINE = {"kind": "doctrine", "platform": "postgresql", "redeliverTimeout": "90s", "address": "db:5432"} | {
    "database": "app",
    "username": "app",
    "password": {"secret": "db-v1", "key": "password"},
}
BROKERS = {"namespace": "brokers", "ports": [6379]}
SECRET = "ghp_" + "A1b2C3d4E5f6" * 3
MESSENGER = {"kind": "symfonyMessenger", "receivers": ["mail"]}
SCHEDULE = {"kind": "symfonyMessenger", "receivers": ["scheduler_a"]}
IDLE_FIRST = {"shutdown": {"idleFirst": {"apiServer": "10.0.0.2/32"}}}
BY_LENGTH = {
    "kind": "hpa",
    "maxReplicas": 5,
    "metrics": [{"kind": "external", "metric": "backlog", "targetAverageValue": 30}],
}
COSTS = {"controller.kubernetes.io/pod-deletion-cost": "1"}
SQS = {"kind": "sqs", "visibilityTimeout": "90s"}
SQS_DSN = "https://sqs.eu-west-1.amazonaws.com/1/mail"
DSN = "environment.MESSENGER_TRANSPORT_DSN"
IN_WORKERS = "pod.patch.spec.template.spec.containers[0]"


MOUNT = f"{IN_WORKERS}.volumeMounts[0].mountPath"
MOUNTS_A = {"containers": [{"name": "consumer", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}]}
EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
MESHED = "sidecar.istio.io/inject"


def in_metadata(**metadata: Any) -> dict[str, Any]:
    return {"pod": {"patch": {"spec": {"template": {"metadata": metadata}}}}}


def in_pod(**field: Any) -> dict[str, Any]:
    return {"pod": {"patch": {"spec": {"template": {"spec": field}}}}}


def in_workers(**field: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "consumer", **field}]}}}}


EDGES: list[Edge] = [
    # Where the transport has its broker, the workers come to it, as far as addresses and ports tell.
    ("N-02a", reaching({"cidr": "10.20.0.0/24", "ports": [443, 6379]}), []),
    ("N-02a", reaching({"cidr": "10.20.0.0/24", "ports": [6380]}), ["network.egress"]),
    ("N-02a", reaching({"cidr": "10.30.0.0/24", "ports": [6379]}), ["network.egress"]),
    ("N-02a", reaching({"cidr": "10.30.0.0/24", "ports": [6379]}, {"cidr": "10.20.0.7/32", "ports": [6379]}), []),
    ("N-02a", reaching({"cidr": "10.30.0.0/24", "ports": [6379]}, BROKERS), []),
    ("N-02a", reaching(BROKERS, address="redis.brokers:6379"), []),
    ("N-02a", reaching(BROKERS, address="redis.brokers:6380"), ["network.egress"]),
    ("N-02a", reaching({"cidr": "fd00::/64", "ports": [6379]}, address="[fd00::7]:6379"), []),
    ("N-02a", reaching({"cidr": "fd00::/64", "ports": [6379]}), ["network.egress"]),
    ("N-02a", {"transport": RABBITMQ, "network": {"egress": [{"cidr": "10.0.0.0/24", "ports": [5672]}]}}, []),
    ("N-02a", {"transport": STREAM}, []),
    # RabbitMQ has a port for AMQP, and another one for KEDA.
    *(
        (rule, {"transport": {**RABBITMQ, "address": f"r:{port}", "tls": tls}, "autoscaling": keda()}, where)
        for rule, port, tls, where in (
            ("V-59b", 5672, False, ["transport.address"]),
            ("V-59b", 5671, True, ["transport.address"]),
            ("V-59b", 15671, False, ["transport.tls"]),
            ("V-59b", 15671, True, []),
            ("V-59b", 15672, False, []),
            ("V-59b", 80, False, []),
        )
    ),
    ("V-59b", {"transport": {"kind": "rabbitmq"}, "autoscaling": keda()}, []),
    ("V-59b", {"transport": {**STREAM, "address": "r:5672"}, "autoscaling": keda()}, []),
    # Nobody asks where no KEDA does, or where it has triggers of the user's own.
    ("V-59b", {"transport": {**RABBITMQ, "address": "r:5672"}}, []),
    ("V-59b", {"transport": {**RABBITMQ, "address": "r:5672"}, "autoscaling": keda(LIST, minReplicas=1)}, []),
    *(
        ("N-02b", {"transport": transport, "network": {"egress": egress}}, where)
        for transport, egress, where in (
            (RABBITMQ, [{"namespace": "r", "ports": [15672]}], ["network.egress"]),
            (
                RABBITMQ,
                [{"namespace": "r", "ports": [15672]}, {"namespace": "db", "ports": [5432]}],
                ["network.egress"],
            ),
            (RABBITMQ, [{"namespace": "r", "ports": [15672]}, {"namespace": "r", "ports": [5672]}], []),
            (RABBITMQ, [{"namespace": "r", "ports": [5671, 15672]}], []),
            (RABBITMQ, [{"namespace": "r", "ports": [35672]}], []),
            (RABBITMQ, [], []),
            ({"kind": "rabbitmq"}, [{"namespace": "r", "ports": [15672]}], []),
            (STREAM, [{"namespace": "r", "ports": [6379]}], []),
        )
    ),
    # An absent series counts as an empty queue, unless it is said that it does not.
    ("KE-35", {"autoscaling": keda(prometheus(ignoreNullValues="false"))}, []),
    ("KE-35", {"autoscaling": keda(prometheus(ignoreNullValues="true"))}, [IGNORED]),
    ("KE-35", {"autoscaling": keda(prometheus())}, [IGNORED]),
    ("KE-35", {"autoscaling": keda(prometheus(ignoreNullValues="False"))}, []),
    # Others do so too, some of them only where they are told to.
    *(
        ("KE-35", {"autoscaling": keda({"type": kind, "metadata": ignores}, minReplicas=1)}, where)
        for kind, ignores, where in (
            ("loki", {}, [IGNORED]),
            ("loki", {"ignoreNullValues": "0"}, []),
            ("aws-cloudwatch", {}, [IGNORED]),
            ("elasticsearch", {}, []),
            ("elasticsearch", {"ignoreNullValues": "true"}, [IGNORED]),
            ("redis", {"ignoreNullValues": "true"}, []),
            ("no-such", {"ignoreNullValues": "true"}, []),
        )
    ),
    # KEDA takes a queue's length alone, or mode and value.
    ("KE-37", {"autoscaling": keda(queue_length(queueLength="1")), "transport": RABBITMQ}, []),
    ("KE-37", {"autoscaling": keda(queue_length(queueLength="1", value="1")), "transport": RABBITMQ}, [LENGTH]),
    # What is only about zero.
    ("KE-03", {"autoscaling": keda(minReplicas=0, pollingInterval="5s"), "transport": STREAM}, []),
    ("KE-03", {"autoscaling": keda(minReplicas=2, cooldown="5m"), "transport": STREAM}, ["autoscaling.cooldown"]),
    ("KE-05", {"autoscaling": keda(LIST, minReplicas=0), "transport": RABBITMQ}, ["autoscaling.minReplicas"]),
    ("KE-05", {"autoscaling": keda(LIST, minReplicas=1), "transport": RABBITMQ}, []),
    # Retries of Symfony's wait for a running consumer; another worker has none.
    ("KE-33", {"autoscaling": keda(LIST, minReplicas=0), "transport": STREAM}, ["autoscaling.minReplicas"]),
    ("KE-33", {"autoscaling": keda(LIST, minReplicas=1), "transport": STREAM}, []),
    ("KE-33", {"autoscaling": keda(LIST, minReplicas=0), "transport": STREAM, "worker": COMMAND}, []),
    # Of every stream, and of servers that only triggers of one's own can count.
    *(
        (
            "KE-33",
            {"autoscaling": keda(*(delayed(key, kind) for key in keys)), "transport": {**STREAM, "stream": streams}},
            where,
        )
        for kind, streams, keys, where in (
            ("redis", ["mail"], ["mail__queue"], []),
            ("redis-cluster", ["mail"], ["mail__queue"], []),
            ("redis-sentinel", ["mail"], ["mail__queue"], []),
            ("redis", ["mail"], ["low__queue"], ["autoscaling.minReplicas"]),
            ("redis", ["mail", "low"], ["mail__queue"], ["autoscaling.minReplicas"]),
            ("redis", ["mail", "low"], ["mail__queue", "low__queue"], []),
        )
    ),
    ("KE-33", {"autoscaling": keda(delayed("a__queue")), "transport": {"kind": "redis"}}, []),
    # KEDA reads a number as JSON does, and cuts off what is around it.
    *(
        ("KE-02", {"autoscaling": keda(with_length(value), minReplicas=1), "transport": RABBITMQ}, where)
        for value, is_wrong in (
            *((value, True) for value in ("05", "2.5", "5.0", "1e3", "9223372036854775808", "\u0665", "+5", "0x5")),
            *((value, False) for value in ("5", " 5 ", "0", "-5", "9223372036854775807", "")),
        )
        for where in [[f"{FIRST}.listLength"] if is_wrong else []]
    ),
    *(
        (
            "KE-02",
            {"autoscaling": keda(prometheus(threshold=value, ignoreNullValues="false"), minReplicas=1)},
            [f"{FIRST}.threshold"] if is_wrong else [],
        )
        for value, is_wrong in (
            *((value, False) for value in ("1e3", "1.5E-2", "-1", "0.5", "7")),
            *((value, True) for value in ("1e", ".5", "1.", "007", "\u0665", "NaN")),
        )
    ),
    # What a load is held against.
    *(
        (
            rule,
            {"autoscaling": keda(load(kind, metric_type, value), LIST, minReplicas=1), "transport": RABBITMQ},
            [f"autoscaling.triggers[0].{place}"] if said == rule else [],
        )
        for kind, metric_type, value, said, place in (
            ("cpu", None, "60", "KE-48", "metricType"),
            ("memory", None, "60", "KE-48", "metricType"),
            ("cpu", "Value", "60", "KE-48", "metricType"),
            ("cpu", "Utilization", "60", "", ""),
            ("cpu", "Utilization", "60%", "KE-02", "metadata.value"),
            ("cpu", "Utilization", "6.5", "KE-02", "metadata.value"),
            ("memory", "Utilization", "6Gi", "KE-02", "metadata.value"),
            ("cpu", "AverageValue", "1500m", "", ""),
            ("memory", "AverageValue", "2Gi", "", ""),
            ("cpu", "AverageValue", "half a core", "KE-02", "metadata.value"),
        )
        for rule in ("KE-02", "KE-16", "KE-48")
    ),
    *(
        ("KE-48", {"autoscaling": keda({**LIST, "metricType": kind}, minReplicas=1), "transport": RABBITMQ}, where)
        for kind, where in (
            ("Utilization", ["autoscaling.triggers[0].metricType"]),
            ("AverageValue", []),
            ("Value", []),
            (None, []),
        )
    ),
    # When a trigger begins and ends.
    *(
        ("KE-02", {"autoscaling": keda(LIST, cron(start, end), minReplicas=1), "transport": RABBITMQ}, where)
        for start, end, wrong in (
            ("0 8 * * *", "0 18 * * *", []),
            ("*/15 8-18,20 1,15 JAN-jun mon-FRI", "0 22/1 ? * 0", []),
            ("TZ=Asia/Tokyo 0 8 * * *", "CRON_TZ=Asia/Tokyo 0 9 * * *", []),
            ("TZ=Asia/Tokio 0 8 * * *", "CRON_TZ=Local 0 9 * * *", ["start"]),
            ("0 8 * * *", "0 8 * * *", ["end"]),
            ("8:00", "0 18 * * *", ["start"]),
            ("0 0 8 * * *", "0 18 * *", ["start", "end"]),
            ("60 8 * * *", "0 24 * * *", ["start", "end"]),
            ("0 8 0 * *", "0 8 * 13 *", ["start", "end"]),
            ("0 8 * * 7", "0 8 * * mo", ["start", "end"]),
            ("0 18-8 * * *", "*/0 8 * * *", ["start", "end"]),
            ("@daily", "0 8/2/2 * * *", ["start", "end"]),
        )
        for where in [[f"autoscaling.triggers[1].metadata.{name}" for name in wrong]]
    ),
    *(
        (
            "KE-02",
            {"autoscaling": keda(LIST, cron("0 8 * * *", "0 9 * * *", zone), minReplicas=1), "transport": RABBITMQ},
            where,
        )
        for zone, where in (
            *((zone, []) for zone in ("UTC", "Etc/GMT+2", "America/Argentina/Buenos_Aires", "GMT0", "Local")),
            *(
                (zone, ["autoscaling.triggers[1].metadata.timezone"])
                for zone in (
                    "+02:00",
                    "/usr/share/zoneinfo/UTC",
                    "Europe/../UTC",
                    "Europe Berlin",
                    "2",
                    "Europe/Berlim",
                )
            ),
        )
    ),
    # What only the scaler's own code asks for.
    *(
        (
            "KE-42",
            {"autoscaling": keda({**trigger, "metadata": given}, minReplicas=1), "transport": RABBITMQ},
            [f"autoscaling.triggers[0].{name}" for name in lacking],
        )
        for trigger, given, lacking in (
            ({"type": "redis"}, {"listName": "a"}, ["metadata.address"]),
            ({"type": "redis"}, {"listName": "a", "host": "r"}, ["metadata.address"]),
            ({"type": "redis"}, {"listName": "a", "host": "r", "port": "6379"}, []),
            ({"type": "redis"}, {"listName": "a", "hostsFromEnv": "H", "portsFromEnv": "P"}, []),
            ({"type": "redis"}, {"listName": "a", "addresses": "r:6379"}, []),
            ({"type": "redis-cluster-streams"}, {"stream": "a"}, ["metadata.address"]),
            ({"type": "redis"}, {"listName": " ", "address": "r:6379"}, ["metadata.listName"]),
            ({"type": "redis"}, {"listNameFromEnv": "A", "address": "r:6379"}, ["metadata.listName"]),
            ({"type": "redis", "secrets": {"listName": KEY}}, {"address": "r:6379"}, ["metadata.listName"]),
            ({"type": "redis", "secrets": {"address": KEY}}, {"listName": "a"}, []),
            ({"type": "redis", "authentication": {"name": "theirs"}}, {}, ["metadata.listName"]),
            ({"type": "redis", "authentication": {"name": "theirs"}}, {"listName": "a"}, []),
            (
                {"type": "postgresql"},
                ASKED,
                [f"metadata.{name}" for name in ("host", "port", "userName", "dbName", "sslmode")],
            ),
            ({"type": "postgresql"}, {**ASKED, **AT_DATABASE}, []),
            ({"type": "postgresql"}, {**ASKED, **AT_DATABASE, "port": ""}, ["metadata.port"]),
            ({"type": "postgresql"}, {"query": "SELECT 1", **AT_DATABASE}, ["metadata.targetQueryValue"]),
            ({"type": "postgresql"}, {**ASKED, "connectionFromEnv": "DSN"}, []),
            ({"type": "postgresql", "secrets": {"connection": KEY}}, ASKED, []),
            ({"type": "postgresql"}, {**ASKED, **AT_DATABASE, "host": "", "connection": "a"}, ["metadata.host"]),
            ({"type": "mysql"}, {"query": "SELECT 1", "queryValue": "1", "host": "db"}, ["metadata.port"]),
            ({"type": "mssql"}, {"query": "SELECT 1", "targetValue": "1"}, ["metadata.host"]),
            ({"type": "sumologic", "secrets": {"accessID": KEY}}, SUMO, ["secrets.accessKey"]),
        )
    ),
    (
        "KE-42",
        {
            "autoscaling": keda(
                {"type": "postgresql", "name": "a", "metadata": {"query": "SELECT 1", **AT_DATABASE}},
                scalingModifiers={"formula": "a", "target": 5},
                minReplicas=1,
            )
        },
        [],
    ),
    # From where KEDA reads it; a scaler of somebody else's is given all there is.
    *(
        (
            "KE-41",
            {"autoscaling": keda({**LIST, **trigger}, LIST, minReplicas=1), "transport": RABBITMQ},
            [f"autoscaling.triggers[0].{name}" for name in passed_over],
        )
        for trigger, passed_over in (
            ({"metadata": {**LIST["metadata"], "tls": "enable"}}, ["metadata.tls"]),
            ({"secrets": {"tls": KEY, "password": KEY}}, []),
            ({"secrets": {"pasword": KEY}}, ["secrets.pasword"]),
            ({"secrets": {"databaseIndex": KEY}}, ["secrets.databaseIndex"]),
            ({"metadata": {**LIST["metadata"], "databaseIndexFromEnv": "D"}}, ["metadata.databaseIndexFromEnv"]),
            ({"metadata": {**LIST["metadata"], "passwordFromEnv": "P", "username": "u"}}, []),
            (
                {"type": "rabbitmq", "metadata": {**QUEUE, "username": "u"}, "secrets": {"password": KEY}},
                ["metadata.username"],
            ),
            ({"type": "rabbitmq", "metadata": QUEUE, "secrets": {"password": KEY, "username": KEY}}, []),
            ({"type": "external", "metadata": {"scalerAddress": "a:1", "own": "1", "ownFromEnv": "A"}}, []),
            ({"type": "external-push", "metadata": {"scalerAddress": "a:1", "own": "1"}}, []),
            (
                {
                    "type": "sumologic",
                    "metadata": {**SUMO, "query.A": "a", "metric.A": "b"},
                    "secrets": {"accessID": KEY, "accessKey": KEY},
                },
                ["metadata.metric.A"],
            ),
            ({"type": "aws-sqs-queue", "metadata": SQS_QUEUE, "secrets": {"awsRoleArn": KEY, "other": KEY}}, []),
        )
    ),
    *(
        ("KE-02", {"autoscaling": keda({**LIST, **trigger}, LIST, minReplicas=1), "transport": RABBITMQ}, where)
        for trigger, where in (
            ({"metadata": {**LIST["metadata"], "enableTLS": "yes"}}, [f"{FIRST}.enableTLS"]),
            ({"metadata": {**LIST["metadata"], "enableTLS": "True"}}, []),
            ({"metadata": {**LIST["metadata"], "tls": "yes"}}, []),
            ({"type": "rabbitmq", "metadata": {**QUEUE, "protocol": "https"}}, [f"{FIRST}.protocol"]),
            ({"type": "rabbitmq", "metadata": {**QUEUE, "operation": "mean"}}, [f"{FIRST}.operation"]),
            ({"type": "rabbitmq", "metadata": {**QUEUE, "operation": "max"}}, []),
        )
    ),
    # One way to log in.
    *(
        ("KE-49", {"autoscaling": keda({**LIST, **ways}, minReplicas=1), "transport": RABBITMQ}, where)
        for ways, where in (
            ({"secrets": {"password": KEY}, "authentication": {"name": "a"}}, ["autoscaling.triggers[0].secrets"]),
            ({"secrets": {"password": KEY}}, []),
            ({"authentication": {"name": "a"}}, []),
        )
    ),
    # While it is paused KEDA ends nothing.
    *(
        (rule, {"autoscaling": keda(LIST, initialCooldown="1s", **pause), "transport": RABBITMQ}, where)
        for pause, is_said in (
            ({}, True),
            ({"paused": True}, False),
            ({"pausedReplicas": 3}, False),
            ({"pausedScaleIn": True}, False),
        )
        for rule, field in (("KE-05", "minReplicas"), ("KE-06", "initialCooldown"))
        for where in [[f"autoscaling.{field}"] if is_said else []]
    ),
    # A number that is kept for the HPA is as old as the last poll.
    *(
        (
            "KE-03",
            {"autoscaling": keda({**LIST, "useCachedMetrics": kept}, minReplicas=1, **times), "transport": RABBITMQ},
            where,
        )
        for kept, times, where in (
            (True, {"pollingInterval": "5m"}, []),
            (False, {"pollingInterval": "5m"}, ["autoscaling.pollingInterval"]),
            (True, {"cooldown": "6m"}, ["autoscaling.cooldown"]),
        )
    ),
    # A fallback never acts where a failure is never counted.
    *(
        ("KE-14", {"autoscaling": keda(trigger, fallback={"replicas": 3}), "transport": RABBITMQ}, where)
        for trigger, where in (
            (LIST, ["autoscaling.fallback"]),
            *(
                ({"type": kind, "metadata": {"query": "select 1", name: "1"}, "authentication": {"name": "mine"}}, at)
                for kind, name, at in (
                    ("postgresql", "targetQueryValue", ["autoscaling.fallback"]),
                    ("mysql", "queryValue", ["autoscaling.fallback"]),
                    ("mssql", "targetValue", []),
                )
            ),
        )
    ),
    # A target for each pod, and one of all pods.
    *(
        ("KE-16", {"autoscaling": keda({**LIST, "metricType": kind}), "transport": RABBITMQ}, where)
        for kind, where in (("AverageValue", []), ("Value", ["autoscaling.triggers[0].metricType"]))
    ),
    # What another trigger calls the same says nothing of what this one counts.
    *(
        (
            "KE-30b",
            {
                "autoscaling": keda({**LIST, "metadata": {**LIST["metadata"], name: value}}, minReplicas=1),
                "transport": RABBITMQ,
            },
            [],
        )
        for name, value in (
            ("excludeUnacknowledged", "true"),
            ("scaleOnInFlight", "false"),
            ("protocol", "amqp"),
            ("consumerGroup", "g"),
        )
    ),
    # Those that KEDA is to lose, and their neighbours.
    *(
        ("KE-39", {"autoscaling": keda({"type": kind, "metadata": metadata}), "transport": RABBITMQ}, where)
        for kind, metadata, where in (
            ("gcp-pubsub", {"subscriptionName": "s"}, ["autoscaling.triggers[0].type"]),
            ("gcp-stackdriver", {"projectId": "p", "filter": "f"}, ["autoscaling.triggers[0].type"]),
            ("gcp-cloudtasks", {"projectID": "p", "queueName": "q"}, ["autoscaling.triggers[0].type"]),
            ("gcp-storage", {"bucketName": "b"}, []),
        )
    ),
    # A request up to its limit.
    *(
        ("R-01", {"resources": {name: {"request": request, "limit": limit}}}, [f"resources.{name}.request"] * above)
        for name, less, more in (("cpu", "1", "1001m"), ("memory", "64Gi", "65537Mi"))
        for request, limit, above in ((less, less, False), (less, more, False), (more, less, True))
    ),
    # A worker that is deaf for as long as RabbitMQ waits for a heartbeat, and one that is not.
    *(
        (
            "V-56",
            {
                "worker": {**CELERY, "processes": 1, "pool": pool},
                "transport": {**RABBITMQ, "queue": ["mail", "fast"]},
                "shutdown": {"longestMessage": longest},
            },
            where,
        )
        for pool, longest, where in (
            ("solo", "59s", []),
            ("solo", "60s", ["worker.pool"]),
            ("prefork", "10m", []),
        )
    ),
    # Symfony 5.4 writes the time of PHP's zone, which somebody has to say.
    *(
        ("KE-36", {"autoscaling": keda(*triggers), "transport": {**DOCTRINE, "symfony": line, **zone}}, where)
        for line, zone, triggers, where in (
            ("5.4", {}, (), ["transport.timeZone"]),
            ("5.4", {"timeZone": "UTC"}, (), []),
            ("6.4", {}, (), []),
            ("5.4", {}, (LIST,), []),
        )
    ),
    # Where the lag is followed another rule speaks.
    ("KE-30b", {"autoscaling": keda(FOLLOWED, minReplicas=1), "transport": STREAM}, []),
    ("KE-32", {"autoscaling": keda(FOLLOWED, minReplicas=1), "transport": STREAM}, [f"{FIRST}.lagCount"]),
    ("KE-32", {"autoscaling": keda(FOLLOWED, minReplicas=1)}, [f"{FIRST}.lagCount"]),
    # Another program's stream may be trimmed, and its length then never falls.
    ("KE-32", {"autoscaling": keda(FOLLOWED, minReplicas=1), "worker": COMMAND}, []),
    ("KE-32", {"autoscaling": keda(FOLLOWED, minReplicas=1), "transport": RABBITMQ}, []),
    (
        "KE-32",
        {"autoscaling": keda(FOLLOWED, minReplicas=1), "transport": {**STREAM, "deleteAfterAck": False}},
        [],
    ),
    # Several receivers may read one stream under one name.
    *(
        ("KE-30c", {"worker": {**MESSENGER, "receivers": receivers}, "autoscaling": keda(), "transport": STREAM}, where)
        for receivers, where in ((["mail", "mail"], []), (["mail", "sms"], ["transport.stream"]))
    ),
    # Memory does not fall with the load; anything else may.
    *(
        ("V-16a", {"autoscaling": {"kind": "hpa", "maxReplicas": 5, "metrics": [metric]}}, where)
        for metric, where in (
            ({"kind": "memory", "targetAverageValue": "1Gi"}, ["autoscaling.metrics[0]"]),
            ({"kind": "cpu", "targetAverageValue": "1"}, []),
            ({"kind": "external", "metric": "backlog", "targetAverageValue": 3}, []),
        )
    ),
    # A transport, and what needs none.
    ("V-34b", {}, ["transport"]),
    ("V-34b", {"transport": STREAM}, []),
    ("V-34b", {"worker": {"kind": "symfonyMessenger", "receivers": ["scheduler_a"]}}, ["transport"]),
    ("V-34b", {"worker": {"kind": "celeryBeat", "app": "shop"}, "autoscaling": {"kind": "singleton"}}, []),
    # What is counted wakes pods only where somebody counts.
    ("V-59", {"worker": CELERY, "transport": CELERY_REDIS, "autoscaling": keda()}, ["transport.queue"]),
    ("V-59", {"worker": CELERY, "transport": CELERY_REDIS}, []),
    # The prefix of Celery's keys is no part of a queue's name: the hash of what is in hand has it too.
    *(
        (
            "V-59",
            {
                "worker": {"kind": "celery", "app": "shop"},
                "transport": {**CELERY_REDIS, "queue": queue, "unackedKey": unacked},
                "autoscaling": keda(),
            },
            ["transport.queue"] * said,
        )
        for queue, unacked, said in (
            ("celery", "unacked", 0),
            ("shop_celery", "shop_unacked", 0),
            ("shop_celery", "unacked", 2),
            ("celery", "mine", 0),
            ("other_celery", "shop_unacked", 2),
        )
    ),
    # Celery told to take one signal for another.
    (
        "V-25",
        {"worker": {**COMMAND, "command": ["celery", "worker"]}, "environment": {"REMAP_SIGTERM": "SIGQUIT"}},
        ["environment.REMAP_SIGTERM"],
    ),
    ("V-25", {"worker": COMMAND, "environment": {"REMAP_SIGTERM": "SIGQUIT"}}, []),
    # What lies inside of another volume, of the workers and of what stands beside them.
    *(
        ("M-02", {"pod": pod, "writableDirectories": ["/srv/a"]}, where)
        for pod, where in (
            ({"files": [{"path": "/srv/b", "configMap": "c"}]}, []),
            ({"files": [{"path": "/srv/a/b", "configMap": "c"}]}, ["pod.files[0]"]),
            (
                {"sidecars": {"a": {**PROXY, "files": [{"path": f"/srv{at}", "configMap": "c"} for at in ("", "/b")]}}},
                ["pod.sidecars.a.files[1]"],
            ),
            (
                {"initContainers": {"a": {"image": "registry.example/a:1", "writableDirectories": ["/a", "/a/b"]}}},
                ["pod.initContainers.a.writableDirectories[1]"],
            ),
        )
    ),
    ("M-03", {"pod": {"sidecars": {"a": PROXY}}}, []),
    ("M-03", {"pod": {"sidecars": {"a": {"image": "registry.example/a:1"}}}}, ["pod.sidecars.a"]),
    ("V-25", {"worker": {**COMMAND, "command": ["rq", "worker"]}, "environment": {"REMAP_SIGTERM": "SIGQUIT"}}, []),
    # What pods write of themselves, nobody else writes; and only who tells when it is busy can be asked to.
    ("V-47", IDLE_FIRST, []),
    ("V-47", {**IDLE_FIRST, "worker": COMMAND}, ["shutdown.idleFirst"]),
    ("V-47", {"worker": COMMAND}, []),
    ("V-48", IDLE_FIRST, []),
    ("V-48", {**IDLE_FIRST, "annotations": COSTS}, ["annotations.controller.kubernetes.io/pod-deletion-cost"]),
    ("V-48", {"annotations": COSTS}, []),
    # A directory is mounted once.
    ("W-01", {"writableDirectories": ["/srv/a", "/srv/b"]}, []),
    ("W-01", {"writableDirectories": ["/srv/a", "/srv/b", "/srv/a"]}, ["writableDirectories[2]"]),
    ("W-01", {"writableDirectories": ["/tmp"]}, ["writableDirectories[0]"]),
    # What a patch may not change in the workers' container.
    *(
        (
            "M-04",
            {"pod": {"patch": in_workers(resources={part: {name: "1"}})}},
            [f"{IN_WORKERS}.resources.{part}.{name}"],
        )
        for part in ("requests", "limits")
        for name in ("cpu", "memory", "ephemeral-storage")
    ),
    *(
        ("M-04", {"pod": {"patch": in_workers(volumeMounts=[{"mountPath": path, "name": "a"}])}}, where)
        for path, where in (
            ("/tmp/a", [f"{IN_WORKERS}.volumeMounts[0].{name}" for name in ("mountPath", "name")]),
            ("/srv/a", []),
        )
    ),
    # One inside of the system, and one that only looks so.
    *(
        ("M-04", {"pod": {"patch": in_workers(volumeMounts=[{"mountPath": path}])}}, [MOUNT] * is_refused)
        for path, is_refused in (
            *((path, True) for path in ("/usr", "/usr/bin", "/etc", "/./usr/./lib/", "/", "/opt/ebbtide/.")),
            *((path, False) for path in ("/users", "/etc/app", "/app")),
        )
    ),
    # What a patch mounts is a volume of the patch, or of the pod.
    *(
        ("M-04b", in_pod(**spec, volumes=volumes), where)
        for spec, volumes, where in (
            (MOUNTS_A, [], [f"{IN_WORKERS}.volumeMounts[0].name"]),
            (MOUNTS_A, [{"name": "b", "emptyDir": {}}], [f"{IN_WORKERS}.volumeMounts[0].name"]),
            (MOUNTS_A, [{"name": "a", "emptyDir": {}}], []),
            *(
                ({"containers": [{"name": "consumer", "volumeMounts": [{"name": name, "mountPath": "/a"}]}]}, [], [])
                for name in ("tmp", "writable-0", "files-1", "volume-0", "proxy-files-0", "broker", "api-server")
            ),
            (
                {"initContainers": [{"name": "i", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}]},
                [],
                ["pod.patch.spec.template.spec.initContainers[0].volumeMounts[0].name"],
            ),
        )
    ),
    # What stands in the place of the program, however it is written.
    *(
        ("W-02", {"worker": {**MESSENGER, "workingDirectory": start}, "pod": pod}, where)
        for start, pod, where in (
            ("/app", {"files": [{"path": "/app", "configMap": "c"}]}, ["pod.files[0]"]),
            ("/app/", {"files": [{"path": "/./app/.", "configMap": "c"}]}, ["pod.files[0]"]),
            ("/srv/app", {"volumes": [{"path": "/srv", "persistentVolumeClaim": "c"}]}, ["pod.volumes[0]"]),
            ("/app", {"volumes": [{"path": "/app/var", "persistentVolumeClaim": "c"}]}, []),
            ("/app", {"volumes": [{"path": "/ap", "persistentVolumeClaim": "c"}]}, []),
            ("/app", {"patch": in_workers(volumeMounts=[{"mountPath": "/app"}])}, [MOUNT]),
            ("/app", {"patch": in_workers(volumeMounts=[{"mountPath": "/app/var"}])}, []),
        )
    ),
    *(
        ("W-01", {"worker": {**MESSENGER, "workingDirectory": start}, "writableDirectories": [path]}, where)
        for start, path, where in (
            ("/app", "/app/.", ["writableDirectories[0]"]),
            ("/app/", "/app/", ["writableDirectories[0]"]),
            ("/app", "/app/./var", []),
            ("/app", "/./tmp", ["writableDirectories[0]"]),
        )
    ),
    # Who consumes every transport consumes more than is named, unless that is all.
    *(
        ("KE-30c", {"worker": {**MESSENGER, **words}, "autoscaling": keda(), "transport": STREAM}, where)
        for words, where in (
            ({"receivers": [], "arguments": ["--all", "--exclude-receivers=failed"]}, ["transport.stream"]),
            ({"receivers": ["a", "a"]}, []),
        )
    ),
    # An option of the DSN's that says otherwise than the transport.
    ("V-34g", {"transport": SQS, "environment": {"MESSENGER_TRANSPORT_DSN": f"{SQS_DSN}?buffer_size=9"}}, []),
    *(
        ("V-34g", {"transport": SQS, "environment": {"MESSENGER_TRANSPORT_DSN": f"{SQS_DSN}?{option}"}}, [DSN])
        for option in ("buffer_size=10", "visibility_timeout=10")
    ),
    # Hours from Greenwich are counted the other way by PostgreSQL; a name of the kind has the sign that it means.
    *(
        ("KE-36b", {"autoscaling": keda(*triggers), "transport": {**DOCTRINE, "timeZone": zone, **more}}, where)
        for zone, more, triggers, where in (
            *((zone, {}, (), ["transport.timeZone"]) for zone in ("+02:00", "-0500", "UTC+2", "GMT-1", "+2")),
            *((zone, {}, (), ["transport.timeZone"]) for zone in ("Etc/GMT+20", "Foo/Bar-3", "Europe/Berlin+2")),
            *((zone, {}, (), []) for zone in ("+00:00", "UTC", "GMT+0", "Etc/GMT+2", "Europe/Paris")),
            ("+02:00", {"platform": "mysql"}, (), []),
            ("+02:00", {}, (LIST,), []),
        )
    ),
    # Nobody knows such a zone; PostgreSQL takes small letters and abbreviations too.
    *(
        ("KE-36c", {"autoscaling": keda(*triggers), "transport": {**DOCTRINE, "timeZone": zone, **more}}, where)
        for zone, more, triggers, where in (
            *((zone, {}, (), ["transport.timeZone"]) for zone in ("Europe/Berlim", "Berlin/Europe")),
            *((zone, {}, (), []) for zone in ("Europe/Berlin", "europe/berlin", "US/Eastern", "CEST", "MSK")),
            *((zone, {}, (), []) for zone in ("posix/Europe/Berlin", ":Europe/Berlin", "Etc/GMT+20", "Foo/Bar-3")),
            ("Europe/Berlim", {"platform": "mysql"}, (), []),
            ("Europe/Berlim", {}, (LIST,), []),
        )
    ),
    # What consumes every transport consumes schedules too, unless it leaves them out.
    *(
        (
            "V-39",
            {"worker": {**MESSENGER, "receivers": [], "arguments": ["-v", *words]}, "autoscaling": scaling},
            where,
        )
        for words, scaling, where in (
            (["--all"], {"kind": "fixed", "replicas": 2}, ["worker.arguments[1]"]),
            (["--all"], {"kind": "singleton"}, []),
            (["--all", "--exclude-receivers=failed"], {"kind": "fixed", "replicas": 2}, ["worker.arguments[1]"]),
            (["--all", "--exclude-receivers=scheduler_a"], {"kind": "fixed", "replicas": 2}, []),
        )
    ),
    # A schedule is generated once: by one worker, of which none overlaps the next.
    *(
        ("V-39", {"worker": {**SCHEDULE, "processes": processes}, "autoscaling": scaling}, where)
        for processes, scaling, where in (
            (1, {"kind": "singleton"}, []),
            (1, {"kind": "fixed", "replicas": 1}, ["worker.receivers[0]"]),
            (1, {"kind": "fixed", "replicas": 2}, ["worker.receivers[0]"]),
            (2, {"kind": "fixed", "replicas": 1}, ["worker.receivers[0]"]),
        )
    ),
    ("V-52", {"worker": {**MESSENGER, "arguments": ["-v", "--concurrency=4"]}}, ["worker.arguments[1]"]),
    ("V-52", {"worker": {**CELERY, "arguments": ["--concurrency=4"]}}, []),
    # A secret is named once, where it is written.
    ("S-01", {"worker": {**COMMAND, "command": ["/app/worker", SECRET]}}, ["worker.command[1]"]),
    # What changes which program runs, from the settings and from a Secret.
    ("E-04", {"environment": {"LD_PRELOAD": "/a.so"}}, ["environment.LD_PRELOAD"]),
    ("E-04", {"secretEnvironment": {"LD_PRELOAD": {"secret": "s", "key": "k"}}}, ["secretEnvironment.LD_PRELOAD"]),
    # Which networks the workers reach: none by which they reach a broker, and those that are nearly all.
    ("N-02", {"transport": STREAM}, ["network.egress"]),
    ("N-04", {"network": {"egress": [{"cidr": "64.0.0.0/6", "ports": [443]}]}}, ["network.egress[0].cidr"]),
    ("N-04", {"network": {"egress": [{"cidr": "64.0.0.0/7", "ports": [443]}]}}, []),
    # Whether a node may evict a pod is said once, or twice the same.
    *(
        ("V-05a", {"annotations": {EVICT: value} if value else {}, "shutdown": {"nodeScaleDown": said}}, where)
        for value, said, where in (
            ("false", "evict", [f"annotations.{EVICT}"]),
            ("true", "evict", []),
            ("false", "protect", []),
            ("true", "protect", [f"annotations.{EVICT}"]),
            ("", "protect", []),
        )
    ),
    # Who asks for a proxy is named where it is written: the label before the annotation, and the patch after both.
    *(
        ("M-08", consumer, [where])
        for consumer, where in (
            ({"labels": {MESHED: "true"}, "annotations": {MESHED: "true"}}, f"labels.{MESHED}"),
            (
                {"labels": {MESHED: "false"}, **in_metadata(labels={MESHED: "true"})},
                f"pod.patch.spec.template.metadata.labels.{MESHED}",
            ),
            # One mesh's own annotation makes no sidecar of another one's proxy.
            (
                {
                    "labels": {MESHED: "true"},
                    "annotations": {"config.beta.linkerd.io/proxy-enable-native-sidecar": "true"},
                },
                f"labels.{MESHED}",
            ),
        )
    ),
    *(
        ("M-08", {"labels": {asks: "true"}, "annotations": {native: "true"}}, [])
        for asks, native in (
            (MESHED, "sidecar.istio.io/nativeSidecar"),
            ("linkerd.io/inject", "config.alpha.linkerd.io/proxy-enable-native-sidecar"),
        )
    ),
    # Whose owner only reads what is written on a pod, and whose may act on it.
    *(
        ("M-08a", {"annotations": {key: "a"}}, [])
        for key in (
            *("app.kubernetes.io/x", "helm.sh/chart", "prometheus.io/port", "tags.datadoghq.com/env", "team"),
            *("ad.datadoghq.com/w.logs", "co.elastic.logs/json", "fluentbit.io/parser", "karpenter.sh/do-not-disrupt"),
            *("kubectl.kubernetes.io/restartedAt", "controller.kubernetes.io/pod-deletion-cost"),
        )
    ),
    ("M-08a", {"annotations": {"datadoghq.com/a": "b"}}, ["annotations.datadoghq.com/a"]),
    (
        "M-08a",
        in_metadata(annotations={"acme.com/a": "b"}),
        ["pod.patch.spec.template.metadata.annotations.acme.com/a"],
    ),
    ("M-08a", in_metadata(annotations={"acme.com/a": None}), []),
    # What selects a node is no label of the pod.
    ("M-08a", in_pod(nodeSelector={"acme.com/disk": "ssd"}), []),
    # What a patch may write, with nobody asking further, and what stands right beside it.
    *(
        ("M-04a", patch, where)
        for patch, where in (
            (in_pod(affinity={"podAffinity": {}}), []),
            (in_pod(affinity={"podAntiAffinity": {}}), []),
            (in_pod(affinity={"nodeAffinity": {}}), ["pod.patch.spec.template.spec.affinity.nodeAffinity"]),
            (in_metadata(annotations={"a": "b"}), []),
            (in_metadata(finalizers=["acme.com/a"]), ["pod.patch.spec.template.metadata.finalizers"]),
        )
    ),
    # A target is what the number of messages is divided by, whatever a trigger calls it.
    *(
        (
            "KE-46",
            {"autoscaling": keda({"type": kind, "metadata": {name: value}}, minReplicas=1), "transport": RABBITMQ},
            [f"{FIRST}.{name}"] if value == "0" else [],
        )
        for kind, names in {
            "cron": ("desiredReplicas",),
            "redis": ("listLength",),
            "redis-streams": ("lagCount", "pendingEntriesCount", "streamLength"),
            "apache-kafka": ("lagThreshold",),
            "azure-servicebus": ("messageCount",),
            "mysql": ("queryValue",),
            "aws-sqs-queue": ("queueLength",),
            "gcp-pubsub": ("subscriptionSize",),
            "postgresql": ("targetQueryValue",),
            "activemq": ("targetQueueSize",),
            "mssql": ("targetValue",),
            "prometheus": ("threshold",),
            "rabbitmq": ("value",),
        }.items()
        for name in names
        for value in ("0", "1")
    ),
    # Only where KEDA asks for one number in SQL it reads what it is answered.
    *(
        (
            "KE-45",
            {
                "autoscaling": keda(
                    {"type": kind, "metadata": metadata, "authentication": {"name": "mine"}}, minReplicas=1
                ),
                "transport": RABBITMQ,
            },
            [f"{FIRST}.query"] if is_said else [],
        )
        for kind, metadata, is_said in (
            ("postgresql", {**HELD, "query": "SELECT id FROM t"}, True),
            ("mysql", {"queryValue": "1", "query": "SELECT id FROM t"}, True),
            ("mssql", {"targetValue": "1", "query": "SELECT id FROM t"}, False),
            ("postgresql", HELD, False),
            # Of no table there is always one row.
            ("postgresql", {**HELD, "query": "SELECT 1"}, False),
            ("postgresql", {**HELD, "query": "SELECT max(1)"}, False),
            ("postgresql", {**HELD, "query": "SELECT id FROM  (SELECT count(*) AS id FROM t) AS one"}, False),
        )
    ),
]


@pytest.mark.parametrize(("rule", "consumer", "where"), EDGES)
def test_a_rule_speaks_at_the_place_that_is_wrong_and_is_silent_right_beside_it(rule, consumer, where):
    assert places(rule, judged(consumer)) == where


def reads(timeout: str, longest: str) -> dict[str, Any]:
    """A consumer of the stream that others read too."""
    return {
        **CONSUMER,
        "transport": {**STREAM, "redeliverTimeout": timeout, "recover": False},
        "shutdown": {"longestMessage": longest},
    }


MADE = {"kind": "gkeStandard"}
POSTGRES = {"kind": "cloudSqlPostgres"}
OTHERS = {"kind": "existing", "protocol": "redis", "address": "10.20.0.7:6379", "secret": "broker-v1"}
SHARED_NETWORK = {"network": "projects/acme-shop/global/networks/queues", "addresses": "10.9.0.0/28"}
READS_NOTHING = {**REDIS, "transport": None}
INSTALLED = {**MADE, "keda": {"version": "2.20.2"}}
OF_CLUSTER = {"cluster": MADE, "google": GOOGLE}
# An HPA takes 0 from then on.
TO_ZERO = {"cluster": {**EXISTING, "kubernetesVersion": "1.37"}}
OF_STACKS = [
    # Without watches KEDA reads every Secret; with consumers it watches theirs.
    ("KE-22", None, {**OF_CLUSTER, "cluster": INSTALLED}, ["cluster.keda.watches"]),
    ("KE-22", None, {**OF_CLUSTER, "cluster": {**MADE, "keda": {"watches": ["consumers"]}}}, []),
    ("KE-22", None, {**OF_CLUSTER, "cluster": {**MADE, "keda": "existing"}}, []),
    ("KE-22", {}, {**OF_CLUSTER, "cluster": INSTALLED}, []),
    # A secret in what is said of the stack, and one in what is said of a consumer, which is S-01's.
    ("S-01a", {}, {"accept": {"V-16": "measured"}}, []),
    ("S-01a", {}, {"accept": {"V-16": f"measured with {SECRET}"}}, ["accept.V-16"]),
    ("S-01a", {"environment": {"A": SECRET}}, {}, []),
    ("S-01", {"environment": {"A": SECRET}}, {}, ["environment.A"]),
    # Of two that share a queue each waits for the longest message of the other.
    *(
        ("V-34f", None, {"consumers": {"slow": reads("600s", "60s"), "fast": reads(f"{given}s", "10s")}}, said)
        for given, said in (
            (60 + FINISH_ALLOWANCE_SECONDS, []),
            (59 + FINISH_ALLOWANCE_SECONDS, ["consumers.fast.transport.redeliverTimeout"]),
        )
    ),
    # Only the broker that the stack makes has its Secret in the stack's own namespace.
    *(
        ("N-06", {**REDIS, **where}, {**OF_CLUSTER, "broker": broker}, said)
        for broker, where, said in (
            (VALKEY, {"namespace": {"name": "elsewhere"}}, ["namespace"]),
            (VALKEY, {}, []),
            (
                {"kind": "existing", "protocol": "redis", "address": "10.20.0.7:6379", "secret": "broker-v1"},
                {"namespace": {"name": "elsewhere"}},
                [],
            ),
        )
    ),
    # Of the Secret that the stack makes for its broker every key is known.
    *(
        (
            "BR-43",
            {**REDIS, "secretEnvironment": {"A": {"secret": secret, "key": key}}},
            {**OF_CLUSTER, "broker": VALKEY},
            where,
        )
        for secret, key, where in (
            ("broker-v1", "dsn", []),
            ("broker-v1", "host", ["secretEnvironment.A"]),
            ("mail-v1", "host", []),
        )
    ),
    # Only the nodes of a cluster that the stack makes have rights of its own.
    *(
        ("G-05", {"image": f"europe-west1-docker.pkg.dev/{project}/mail/worker:1"}, where, said)
        for project, where, said in (
            ("another", OF_CLUSTER, ["image"]),
            (GOOGLE["project"], OF_CLUSTER, []),
            ("another", {"google": GOOGLE}, []),
        )
    ),
    # On Redis a message that is delayed needs a pod to come due.
    *(
        ("V-36", {"transport": STREAM, "autoscaling": {**BY_LENGTH, "minReplicas": least}}, TO_ZERO, said)
        for least, said in ((0, ["autoscaling.minReplicas"]), (1, []))
    ),
    # Whom a broker has room for: all that read from it, and while they are updated both fleets.
    *(
        (rule, REDIS, {**OF_CLUSTER, "broker": {**OTHERS, "maxConnections": most}}, ["broker.maxConnections"] * said)
        for rule, most, said in (
            ("BR-13", 17, True),
            ("BR-13", 18, False),
            ("BR-13a", 17, False),
            ("BR-13a", 18, True),
            ("BR-13a", 33, True),
            ("BR-13a", 34, False),
        )
    ),
    # Who reads from the stack's broker: what has an address of its own, or that no broker of a stack is, does not.
    *(
        (rule, {**READS_NOTHING, **reads}, {**OF_CLUSTER, "broker": broker}, where)
        for rule, broker, reads, where in (
            ("BR-40", VALKEY, {"transport": DOCTRINE}, []),
            ("BR-40", VALKEY, {"transport": {"kind": "rabbitmq"}}, ["transport.kind"]),
            ("BR-40", VALKEY, {"transport": SQS}, []),
            ("BR-40", VALKEY, {}, []),
            ("BR-41", VALKEY, {"transport": STREAM, "environment": {"MESSENGER_TRANSPORT_DSN": "redis://r"}}, []),
            ("BR-41", VALKEY, {"environment": {"MESSENGER_TRANSPORT_DSN": "redis://r"}}, []),
            ("BR-42", VALKEY, {}, ["transport"]),
            ("BR-42", VALKEY, {"transport": SQS}, []),
            ("BR-42", None, {}, []),
        )
    ),
    # A broker's Secret is synced where the cluster can, and by an account whose name nobody else has.
    *(
        ("BR-44", REDIS, {**OF_CLUSTER, **cluster, "broker": {**VALKEY, **broker}}, ["broker.secret.sync"] * said)
        for cluster, broker, said in (
            ({"cluster": {**MADE, "kubernetesVersion": "1.33"}}, {}, True),
            ({"cluster": {**MADE, "kubernetesVersion": "1.34"}}, {}, False),
            ({"cluster": {**MADE, "kubernetesVersion": "1.33"}}, {"secret": {"sync": False}}, False),
            ({"cluster": EXISTING}, {"network": SHARED_NETWORK}, False),
            ({"cluster": EXISTING}, {"network": SHARED_NETWORK, "secret": {"sync": True}}, True),
            ({"cluster": {**EXISTING, "platform": "gkeStandard", "kubernetesVersion": "1.34"}}, {}, False),
        )
    ),
    *(
        (
            "BR-43",
            None,
            {**OF_CLUSTER, "broker": {**VALKEY, "secret": {"sync": sync}}, "consumers": {name: REDIS}},
            [f"consumers.{name}"] * said,
        )
        for name, sync, said in (("broker-secret", True, True), ("broker-secret", False, False), ("mail", True, False))
    ),
    ("BR-43", REDIS, {**OF_CLUSTER, "broker": {**VALKEY, "provides": {"A": "url"}}}, ["broker.provides.A"]),
    ("BR-43", REDIS, {**OF_CLUSTER, "broker": {**VALKEY, "provides": {"A": "dsn"}}}, []),
    # Where a broker is: in the network of the stack's own cluster, or in one that is named.
    *(
        ("BR-45", REDIS, {**OF_CLUSTER, "cluster": cluster, "broker": {**broker, **network}}, where)
        for cluster, broker, network, where in (
            (MADE, VALKEY, {}, []),
            (MADE, VALKEY, {"network": SHARED_NETWORK}, ["broker.network"]),
            (EXISTING, VALKEY, {}, ["broker.network"]),
            (EXISTING, VALKEY, {"network": SHARED_NETWORK}, []),
            (EXISTING, VALKEY, {"network": {**SHARED_NETWORK, "addresses": "10.9.0.0/29"}}, []),
            (
                EXISTING,
                VALKEY,
                {"network": {**SHARED_NETWORK, "addresses": "10.9.0.0/30"}},
                ["broker.network.addresses"],
            ),
            (EXISTING, VALKEY, {"network": {**SHARED_NETWORK, "connectionPolicy": "existing"}}, []),
            (EXISTING, POSTGRES, {"network": SHARED_NETWORK}, []),
            (
                EXISTING,
                POSTGRES,
                {"network": {**SHARED_NETWORK, "connectionPolicy": "existing"}},
                ["broker.network.connectionPolicy"],
            ),
        )
    ),
    # What is opened for a broker that exists has its address in it.
    *(
        ("BR-51", REDIS, {"broker": {**OTHERS, "address": address, "reachedAt": opened}}, ["broker.reachedAt"] * said)
        for address, opened, said in (
            ("10.20.0.7:6379", {"cidr": "10.20.0.8/32", "ports": [6379]}, True),
            ("10.20.0.7:6379", {"cidr": "10.20.0.0/24", "ports": [6380]}, True),
            ("10.20.0.7:6379", {"cidr": "10.20.0.0/24", "ports": [6380, 6379]}, False),
            ("redis.example.com:6379", {"cidr": "10.20.0.0/24", "ports": [6380]}, False),
            ("10.20.0.7:6379", {"namespace": "brokers", "ports": [6380]}, False),
        )
    ),
    ("BR-51", REDIS, {"broker": OTHERS}, []),
    # Only of what Google makes the region counts, and only what could be protected is said not to be.
    *(
        ("BR-46", REDIS, {**OF_CLUSTER, "google": {**GOOGLE, "region": region}, "broker": broker}, where)
        for region, broker, where in (
            ("mars-north1", VALKEY, ["google.region"]),
            ("europe-west1", VALKEY, []),
            ("mars-north1", OTHERS, []),
        )
    ),
    *(
        ("BR-48", REDIS, {**OF_CLUSTER, "name": name, "broker": broker}, where)
        for name, broker, where in (
            ("shop", {**VALKEY, "protect": False}, ["broker.protect"]),
            ("dev", {**VALKEY, "protect": False}, []),
            ("dev", VALKEY, []),
            ("shop", OTHERS, []),
        )
    ),
    # A pod's deletion cost is confined from Kubernetes 1.30 on.
    *(
        ("V-46", IDLE_FIRST, {"cluster": {**EXISTING, "kubernetesVersion": version}}, said)
        for version, said in (("1.29", ["shutdown.idleFirst"]), ("1.30", []))
    ),
]


@pytest.mark.parametrize(("rule", "consumer", "stack", "where"), OF_STACKS)
def test_a_rule_about_a_stack_does_so_too(rule, consumer, stack, where):
    assert places(rule, judged(consumer, **stack)) == where


def test_a_secret_in_a_stack_is_not_repeated():
    found = judged({"environment": {"A": SECRET}}, accept={"V-16": SECRET})
    assert found
    assert all(SECRET not in str(finding) for finding in found)


@pytest.mark.parametrize(
    ("triggers", "transport", "remedy"),
    [
        (
            (LIST,),
            {**RABBITMQ, "queue": ["mail", "fast"]},
            "leave triggers out and let the transport give them, or write minReplicas: 1",
        ),
        # Which would give none.
        ((LIST,), None, "write minReplicas: 1"),
        ((LIST,), {"kind": "rabbitmq"}, "write minReplicas: 1"),
        ((), None, "write minReplicas: 1"),
    ],
)
def test_who_counts_only_what_waits_is_told_what_counts_more(triggers, transport, remedy):
    consumer = {"worker": CELERY, "transport": transport} if triggers else COUNTS_WAITING
    found = judged({**consumer, "autoscaling": keda(*triggers, minReplicas=0)})
    assert [one.remedy for one in found if one.rule == "KE-05"] == [remedy]


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_a_percentage_of_nothing_is_named_by_what_is_missing(resource):
    metrics = [{"kind": resource, "targetUtilization": 60}]
    (finding,) = [
        one
        for one in judged({"autoscaling": {"kind": "hpa", "maxReplicas": 5, "metrics": metrics}})
        if one.rule == "V-15"
    ]
    assert f"percentage of the {resource} request" in finding.message
    written = quick_yaml.load("{" + finding.remedy.removeprefix("write ").rpartition(", or ")[0] + "}")
    assert list(written["resources"]) == [resource]
    assert "V-15" not in {
        one.rule for one in judged({"autoscaling": {"kind": "hpa", "maxReplicas": 5, "metrics": metrics}, **written})
    }
    assert written["resources"][resource]["request"].endswith("m" if resource == "cpu" else "Mi")


@pytest.mark.parametrize(
    ("script", "ways"),
    [
        ("worker; true", ["list the worker's own command and arguments", "exec"]),
        ("exec timeout -k 1 60 worker", []),
    ],
)
def test_a_script_that_keeps_the_signal_is_refused_with_every_way_out(script, ways):
    consumer = {"worker": {"kind": "command", "command": ["sh", "-c", script]}}
    (finding,) = [one for one in judged(consumer) if one.rule == "V-21"]
    assert all(way in finding.remedy for way in ways)
    assert ("list the worker's own" in finding.remedy) == bool(ways)


@pytest.mark.parametrize("type_", sorted(scalers()))
def test_what_is_to_be_written_in_place_of_a_value_is_taken(type_):
    """Of every parameter of KEDA's that takes not any text."""
    for name, form in scalers()[type_].items():
        if not form.takes or METADATA not in form.read_from:
            continue
        (wrong,) = wrong_values(Trigger(type=type_, metadata={name: "~"}))
        assert wrong.parameter == name
        written = wrong.example.strip('"')
        assert not list(wrong_values(Trigger(type=type_, metadata={name: written}))), (name, written)


@pytest.mark.parametrize("type_", sorted(scalers()))
def test_a_parameter_is_known_by_its_name_and_from_the_environment(type_):
    for name in scalers()[type_]:
        plain = name.removesuffix("FromEnv")
        for spelt in {name, f"{plain}FromEnv"}:
            assert list(unknown_parameters(Trigger(type=type_, metadata={spelt: "1"}))) == [], spelt
        unknown = [] if type_.startswith("external") else [("metadata", f"~{name}")]
        assert list(unknown_parameters(Trigger(type=type_, metadata={f"~{name}": "1"}))) == unknown
