"""What a rule about settings says, word for word (tests/golden/settings.txt): places, figures, what to write instead.

Of every case of the tables, and of some more, in which a message has other words or figures.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.manifests.google.cases import GOOGLE, REDIS
from tests.settings import test_boundaries as boundaries
from tests.settings import test_edges as edges
from tests.settings.conftest import CONSUMER
from tests.settings.test_boundaries import AUTOPILOT, CPU, OF_CPU, ON_SPOT, by, on, scaled
from tests.settings.test_edges import (
    BY_LENGTH,
    CELERY,
    COMMAND,
    DOCTRINE,
    LIST,
    MADE,
    MESSENGER,
    OF_CLUSTER,
    RABBITMQ,
    SECRET,
    SQS,
    STREAM,
    VALKEY,
    judged,
    queue_length,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "settings.txt"
BULLMQ = {"kind": "bullmq", "command": ["node", "worker.js"]}
JOBS = {"kind": "bullmqRedis", "address": "r:6379", "queue": "mail"}
PROMISED = {"goal": {"within": "7s"}}
LOOKS = {"observability": {"kind": "managedPrometheus"}}
BOTH = {"a": CONSUMER, "b": {**CONSUMER, "namespace": {"name": "shop", "create": False}}}
A, B = ({**LIST, "name": name} for name in "ab")


def formula(text: str, *triggers: dict[str, Any]) -> dict[str, Any]:
    return scaled(*(triggers or (A, B)), scalingModifiers={"formula": text, "target": 3}, minReplicas=1)


def told(worker: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"worker": worker, **changes}


def sidekiq(*arguments: str, longest: str = "90s") -> dict[str, Any]:
    return {"worker": {**COMMAND, "command": ["sidekiq", *arguments]}, "shutdown": {"longestMessage": longest}}


def pools(**pool: Any) -> dict[str, Any]:
    return {**OF_CLUSTER, "cluster": {**MADE, "nodePools": {"a": pool}}}


MORE: list[tuple[str, dict[str, Any] | None, dict[str, Any]]] = [
    *(
        ("H-02", {"autoscaling": {**BY_LENGTH, "behavior": {direction: rules}}}, on("1.35"))
        for direction in ("scaleUp", "scaleDown")
        for rules in ({"selectPolicy": "Disabled"}, {"tolerance": "1.5"})
    ),
    *(("V-15a", {"autoscaling": by({**CPU, "targetAverageValue": target})}, {}) for target in ("22m", "71")),
    ("V-15a", {"autoscaling": by({**CPU, "targetAverageValue": "5"}), "resources": {"cpu": {"limit": "4"}}}, {}),
    ("V-16", {"autoscaling": by(CPU), "resources": {"cpu": {"request": "490m"}}}, {}),
    ("V-24", told({**COMMAND, "drain": "stopFile"}), {}),
    ("V-24a", told({**MESSENGER, "drain": "stopFile", "timeLimit": "168h"}), {}),
    ("V-28b", {"resources": {"memory": {"limit": "1Gi"}}}, {}),
    ("V-28", {"resources": {"memory": {"measured": {"shared": "1Gi", "process": "20Mi"}, "request": "1Gi"}}}, {}),
    (
        "V-28c",
        told(
            {**MESSENGER, "start": "fork"}, resources={"memory": {"measured": {"shared": "100Mi", "process": "20Mi"}}}
        ),
        {},
    ),
    ("V-32", told({**COMMAND, "command": ["php", "bin/console", "messenger:stop-workers"]}), {}),
    # What stands between PID 1 and the worker.
    ("V-21", told({**COMMAND, "command": ["sh", "-c", "worker; true"]}), {}),
    ("V-21a", told({**COMMAND, "command": ["/app/start.sh"]}), {}),
    *(("V-25a", sidekiq(*words), {}) for words in ((), ("-t60",), ("-C", "a.yml"), ("--timeout=$T",))),
    # What the broker does with what it is not told of.
    ("V-34", {"transport": {**STREAM, "redeliverTimeout": "30s"}}, {}),
    ("V-34", {"transport": {**SQS, "bufferSize": 9}}, {}),
    ("V-34a", {"transport": {"kind": "redis"}}, {}),
    ("V-34c", {"transport": {**STREAM, "recover": False}}, {}),
    ("V-34e", {"transport": {**STREAM, "redeliverTimeout": "25h"}}, {}),
    ("V-34d", {"worker": COMMAND, "transport": STREAM}, {}),
    ("V-34h", {"transport": {**DOCTRINE, "address": "pgbouncer:5432"}}, {}),
    ("V-51", {"transport": {**RABBITMQ, "maxRetries": 0}}, {}),
    ("V-51a", {"transport": RABBITMQ}, {}),
    ("V-51b", told({**MESSENGER, "receivers": ["failed"]}), {}),
    ("V-51b", told({**MESSENGER, "receivers": [], "arguments": ["--all"]}), {}),
    ("V-57", told({"kind": "sidekiq", "queues": ["mail"]}), {}),
    *(("V-57a", told(BULLMQ, transport={**JOBS, "maxStalledCount": kills}), {}) for kills in (0, 2)),
    ("V-58", told({"kind": "laravelQueue"}), {}),
    *(
        ("V-59", {**told({**CELERY, "queues": consumed}, transport={**RABBITMQ, "queue": counted}), **scaled()}, {})
        for consumed, counted in ((["a", "b"], ["b", "c"]), (["a"], ["b"]))
    ),
    *(
        ("V-59a", {**scaled(transport=STREAM), "environment": {"MESSENGER_TRANSPORT_DSN": dsn}}, {})
        for dsn in ("redis://r:6379/other", "redis://[r/mail", "redis://q/mail")
    ),
    # What a trigger of the user's own has, and lacks.
    *(
        ("KE-02", scaled({**LIST, "metadata": {**LIST["metadata"], name: "~"}}, minReplicas=1), {})
        for name in ("listLength", "unsafeSsl")
    ),
    ("KE-02", scaled({"type": "apache-kafka", "metadata": {"offsetResetPolicy": "~"}}, minReplicas=1), {}),
    ("KE-05", scaled(LIST, cooldown="1m"), {}),
    ("KE-14", scaled(fallback={"replicas": 3}, transport=DOCTRINE), {}),
    ("KE-14", scaled(fallback={"replicas": 3, "behavior": "static"}), {}),
    ("KE-14a", scaled(OF_CPU, minReplicas=1, fallback={"replicas": 3}), {}),
    *(("KE-15", formula(text, *one), {}) for text, *one in (("a + c",), ("a",), ("c", LIST))),
    ("KE-15", scaled(scalingModifiers={"formula": "a", "target": 3}), {}),
    *(("KE-15a", formula(text), {}) for text in ("a / b", "a - b")),
    ("KE-15b", formula("median(a, b)"), {}),
    *(
        ("KE-30", scaled(transport=transport, **how) | changes, {})
        for transport, how, changes in (
            (None, {}, {}),
            ({"kind": "redis", "redeliverTimeout": "90s"}, {}, {}),
            ({**STREAM, "recover": False}, {}, {"worker": COMMAND}),
        )
    ),
    *(
        (
            "KE-30c",
            scaled(transport={**STREAM, "stream": streams}) | told({**MESSENGER, "receivers": ["a", *streams]}),
            {},
        )
        for streams in (["mail"], ["mail", "sms"])
    ),
    *(
        ("KE-41", scaled({**LIST, "metadata": {**LIST["metadata"], name: "1"}}, minReplicas=1), {})
        for name in ("listLenght", "zzz")
    ),
    ("KE-42", scaled({"type": "rabbitmq", "metadata": {"host": "http://r"}}, minReplicas=1), {}),
    ("KE-40", scaled({"type": "zzz", "metadata": {}}, minReplicas=1), {}),
    ("KE-47", scaled(pollingInterval="10m", cooldown="1s"), {}),
    ("KE-26", scaled(transport=STREAM), {"cluster": {"kind": "existing", "keda": "existing"}}),
    *(
        ("KE-01", {}, {"cluster": {"kind": "existing", "kubernetesVersion": version, "keda": {"version": keda}}})
        for version, keda in (("1.31", "2.17.0"), ("1.34", "2.18.0"), ("1.36", "2.20.0"), ("1.35", "2.99.0"))
    ),
    # What stands in plain text, wherever it is.
    ("S-01", {"labels": {"team": SECRET}}, {}),
    ("S-01", {"environment": {"TOKEN": SECRET}}, {}),
    ("S-01", scaled({**LIST, "metadata": {**LIST["metadata"], "password": SECRET}}, minReplicas=1), {}),
    # Options that a setting owns, that take from a drain, and that Symfony refuses.
    *(
        (rule, told({**MESSENGER, "arguments": arguments}, transport=STREAM), {})
        for rule, *arguments in (
            ("V-44", "--limit=10", "-m", "100"),
            ("V-44a", "--help"),
            ("V-44b", "--newer=1"),
            ("V-44c", "--queues=a"),
            ("V-44c", "--exclude-receivers=a"),
            ("V-44c", "--all"),
            ("V-44c", "more"),
            ("V-52", "--concurrency=4"),
        )
    ),
    # What a network policy lets the workers reach.
    *(
        ("N-02a", edges.reaching({"cidr": "10.30.0.0/24", "ports": [443]}, address=address), {})
        for address in (
            "10.20.0.7:6379",
            "[fd00::7]:6379",
            "redis:6379",
            "r.brokers:6379",
            "r.brokers.svc:6379",
            "a.b.c:6379",
        )
    ),
    # What a worker's own transport is called, of each.
    *(
        ("V-34b", {"worker": worker}, {})
        for worker in (CELERY, BULLMQ, COMMAND, {"kind": "laravelQueue", "queues": ["a"]}, {"kind": "sidekiq"})
    ),
    # Nodes: that a pod fits on one, and how long it waits.
    ("G-03", {"resources": {"cpu": {"request": "90"}, "memory": {"request": "900Gi"}}}, pools()),
    ("G-09", {"autoscaling": {"kind": "fixed", "replicas": 300}}, pools(maxNodes=2)),
    ("V-05", {"shutdown": {"longestMessage": "20m"}}, {}),
    ("V-05", {"shutdown": {"longestMessage": "2h", "nodeScaleDown": "protect"}}, OF_CLUSTER),
    ("V-05", told({**MESSENGER, "drain": "stopFile", "timeLimit": "1h"}), {}),
    (
        "V-06",
        {"shutdown": {"longestMessage": "168h", "nodeScaleDown": "protect"}},
        {**OF_CLUSTER, "cluster": AUTOPILOT},
    ),
    *(
        ("V-08", {**ON_SPOT, "shutdown": {"longestMessage": longest}}, stack)
        for longest, stack in (
            ("60s", {"cluster": {"kind": "existing", "platform": "gkeStandard"}}),
            ("60s", {**OF_CLUSTER, "cluster": AUTOPILOT}),
            ("200s", on("1.35", platform="gkeStandard", spotNotice="2m")),
        )
    ),
    *(
        ("V-08c", {"placement": {"nodeSelector": {label: value}}}, {})
        for label, value in (("cloud.google.com/gke-spot", "true"), ("karpenter.sh/capacity-type", "spot"))
    ),
    ("V-08d", {"placement": {"nodeSelector": {"cloud.google.com/compute-class": "cheap"}}}, {}),
    # Namespaces, and what watches.
    *(("N-03", {"namespace": name}, {}) for name in ("kube-system", "default", "keda")),
    ("N-05", {"namespace": {"name": "shop", "create": False}}, {"namespace": "shop", "consumers": BOTH}),
    ("N-07", {"namespace": {"name": "shop", "create": False}}, {}),
    ("O-04", PROMISED, {}),
    ("O-01", {}, LOOKS),
    ("O-03", {}, {**LOOKS, "google": GOOGLE}),
    ("O-05", {"worker": COMMAND}, {**LOOKS, "google": GOOGLE}),
    *(
        ("O-02", {}, {**OF_CLUSTER, **LOOKS, "cluster": {**MADE, "observability": {name: False}}})
        for name in ("managedPrometheus", "workloadLogs")
    ),
    *(
        ("KE-30b", scaled(trigger, minReplicas=1), {})
        for trigger in (
            queue_length(protocol="amqp"),
            queue_length(host="amqp://r"),
            queue_length(excludeUnacknowledged="true"),
            {"type": "redis-streams", "metadata": {"stream": "s", "consumerGroup": "g", "address": "r:6379"}},
            {"type": "aws-sqs-queue", "metadata": {"queueURL": "u", "awsRegion": "r", "scaleOnInFlight": "false"}},
        )
    ),
    # When a broker is maintained, and what of its Secret is read.
    ("BR-41", {**REDIS, "environment": {"MESSENGER_TRANSPORT_DSN": "redis://r"}}, {**OF_CLUSTER, "broker": VALKEY}),
    ("BR-47", REDIS, {**OF_CLUSTER, "broker": {**VALKEY, "maintenance": {"day": "MO", "hour": 3}}}),
    ("BR-13b", None, {**OF_CLUSTER, "broker": {**edges.POSTGRES, "maxConnections": 900}}),
    ("BR-13c", None, {**OF_CLUSTER, "broker": {**edges.POSTGRES, "flags": {"max_connections": "100"}}}),
]


@cache
def cases() -> dict[str, list[tuple[dict[str, Any] | None, dict[str, Any]]]]:
    """Every case by its rule."""
    found: dict[str, list[tuple[dict[str, Any] | None, dict[str, Any]]]] = {}
    for rule, consumer, _ in (*edges.EDGES, *boundaries.OF_CONSUMERS):
        found.setdefault(rule, []).append((consumer, {}))
    for rule, consumer, stack, *_ in (*edges.OF_STACKS, *boundaries.OF_STACKS, *MORE):
        found.setdefault(rule, []).append((consumer, stack))
    return found


def words(rule: str) -> str:
    """What it says in all of them, each once, under its id."""
    said = [str(one) for consumer, stack in cases()[rule] for one in judged(consumer, **stack) if one.rule == rule]
    return "\n".join((f"# {rule}", *dict.fromkeys(said), ""))


@pytest.mark.parametrize("rule", sorted(cases()))
def test_what_a_rule_says_is_as_it_was_read(rule: str, update_golden: bool) -> None:
    if update_golden:
        GOLDEN.write_text("\n".join(map(words, sorted(cases()))), encoding="utf-8")
    read = dict(zip(sorted(cases()), GOLDEN.read_text(encoding="utf-8").split("\n\n"), strict=True))
    found = words(rule).rstrip("\n")
    assert "\n" in found, "it says nothing in any case"
    assert found == read[rule].rstrip("\n"), "read the difference; then --update-golden"
