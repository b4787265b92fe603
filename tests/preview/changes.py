"""Changes that teams make to their stacks, and what a reviewer must be told about each.

`base` and `head` are two versions of a stack's file: each is laid over the file as it is in this repository. None
removes a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CPU = {"kind": "cpu", "targetUtilization": 60}
MORE_CPU = {**CPU, "targetUtilization": 75}
BACKLOG = {"kind": "external", "metric": "githubevents_backlog", "targetAverageValue": 70}
QUICK = {"redeliverTimeout": "60s"}
KEDA = {"keda": {"version": "2.20.2"}}
AUTO = {"kind": "gkeAutopilot", **KEDA}
AUTOPILOT = {"cluster": AUTO}
KEY = "projects/acme/locations/europe-west1/keyRings/gke/cryptoKeys/gke"
SPOT_POOL = {
    "cluster": {"kubernetesVersion": "1.36", "nodePools": {"system": {}, "spot": {"spot": True, "spotNotice": "2m"}}}
}
SLOW_DOWN = {"scaleDown": {"stabilizationWindow": "10m"}}
NEVER_DOWN = {"scaleDown": {"selectPolicy": "Disabled"}}
FIXED = {"kind": "fixed", "replicas": 3}
OWN_DSN = {"secretEnvironment": {"MESSENGER_TRANSPORT_DSN": None}}
# What a broker of the stack tells its consumers is not said by them.
OF_STACK = {**OWN_DSN, "transport": {"address": None, "password": None}}
TABLE = {**OWN_DSN, "transport": {"kind": "doctrine", "redeliverTimeout": "240s"}}
SECOND = {
    "image": "europe-west1-docker.pkg.dev/acme-consumers/consumers/mail:1.0.0",
    "worker": {"kind": "symfonyMessenger", "receivers": ["mail"], "processes": 10},
    "shutdown": {"longestMessage": "30s"},
    "transport": {"kind": "rabbitmq"},
    "autoscaling": {"kind": "fixed", "replicas": 2},
}
# Two consumers with another variable each: both restart.
ALL_ANEW = {
    "consumers": {
        "githubevents": {"environment": {"RELEASE": "2"}},
        "mail": {**SECOND, "environment": {"RELEASE": "2"}},
    }
}


# Twelve of different sizes, deployed together, and one of them with less time to finish than before.
TWELVE = (
    "billing",
    "exports",
    "feeds",
    "images",
    "imports",
    "mail",
    "orders",
    "prices",
    "push",
    "search",
    "stock",
    "sync",
)


def fleet(version: str, **changes: Any) -> dict[str, Any]:
    """Twelve consumers beside githubevents, of one version; `changes` are of one of them, by name."""
    consumers = {
        name: {
            **SECOND,
            "image": f"europe-west1-docker.pkg.dev/acme-consumers/consumers/{name}:{version}",
            "worker": {"kind": "symfonyMessenger", "receivers": [name], "processes": 10},
            "autoscaling": {"kind": "fixed", "replicas": 1 + number},
        }
        for number, name in enumerate(TWELVE)
    }
    for name, change in changes.items():
        consumers[name] = {**consumers[name], **change}
    return {"consumers": consumers}


def consumer(**change: Any) -> dict[str, Any]:
    """A change of the consumer githubevents."""
    return {"consumers": {"githubevents": change}}


def scaling(**change: Any) -> dict[str, Any]:
    """A change of its autoscaler, which is an HPA in stack dev and KEDA in production."""
    return consumer(autoscaling=change)


TWO_RECEIVERS = consumer(worker={"receivers": ["githubevents", "mail"]}, transport={"stream": ["githubevents", "mail"]})
ON_THE_QUEUE = {
    "cluster": KEDA,
    **consumer(autoscaling={"kind": "keda", "maxReplicas": 5}, transport={"address": "10.80.0.3:6379"}),
}


def valkey(**change: Any) -> dict[str, Any]:
    """The stack with Memorystore for its broker."""
    return {"broker": {"kind": "memorystoreValkey", **change}, "consumers": {"githubevents": OF_STACK}}


def postgres(**change: Any) -> dict[str, Any]:
    """The stack with Cloud SQL for its broker."""
    return {
        "broker": {"kind": "cloudSqlPostgres", "tier": "db-custom-4-15360", **change},
        "consumers": {"githubevents": TABLE},
    }


def pool(**change: Any) -> dict[str, Any]:
    """A change of the nodes of production."""
    return {"cluster": {"nodePools": {"consumers": change}}}


@dataclass(frozen=True)
class Change:
    """One edit, the level of its worst risk, and the rules that must speak."""

    name: str
    level: str | None
    rules: tuple[str, ...]
    head: dict[str, Any]
    base: dict[str, Any] = field(default_factory=dict)
    stack: str = "production"


CHANGES = [
    Change("nothing", None, (), {}),
    # What restarts consumers.
    Change(
        "image by digest",
        "info",
        ("P-10", "P-11"),
        consumer(image="acme.example/consumers/githubevents@sha256:" + "b" * 64),
        consumer(image="acme.example/consumers/githubevents@sha256:" + "a" * 64),
    ),
    Change(
        "image by tag",
        "info",
        ("P-10", "P-11"),
        consumer(image="europe-west1-docker.pkg.dev/acme-consumers/consumers/githubevents:1.1.0"),
        stack="dev",
    ),
    Change(
        "digest gives way to a tag",
        "info",
        ("P-10", "P-11"),
        consumer(image="europe-west1-docker.pkg.dev/acme-production/consumers/githubevents:2.0.0"),
    ),
    Change(
        "same tag, other digest",
        "info",
        ("P-10", "P-11"),
        consumer(image="acme.example/app:1@sha256:" + "b" * 64),
        consumer(image="acme.example/app:1@sha256:" + "a" * 64),
    ),
    Change(
        "image from another registry",
        "info",
        ("P-10", "P-11"),
        consumer(image="ghcr.io/acme/githubevents:1.0.0"),
        stack="dev",
    ),
    Change("a variable changes", "info", ("P-10",), consumer(environment={"APP_ENV": "staging"})),
    Change("a variable is added", "info", ("P-10",), consumer(environment={"LOG_LEVEL": "debug"})),
    Change("more processes", "scaling", ("P-10", "P-23"), consumer(worker={"processes": 100})),
    Change("fewer processes", "scaling", ("P-10", "P-23"), consumer(worker={"processes": 20})),
    Change("another receiver", "scaling", ("P-10", "P-71"), TWO_RECEIVERS),
    Change("more memory", "info", ("P-10",), consumer(resources={"memory": {"request": "8Gi"}})),
    Change(
        "a larger CPU request under a target in per cent",
        "scaling",
        ("P-10", "P-23a"),
        consumer(resources={"cpu": {"request": "980m"}}),
        stack="dev",
    ),
    Change("a larger CPU request", "info", ("P-10",), consumer(resources={"cpu": {"request": "980m"}})),
    Change(
        "onto Spot nodes",
        "disruptive",
        ("P-10", "P-16"),
        {**AUTOPILOT, **consumer(placement={"spot": True}, shutdown={"longestMessage": "5s"}, transport=QUICK)},
        {**AUTOPILOT, **consumer(shutdown={"longestMessage": "5s"}, transport=QUICK)},
    ),
    Change(
        "onto Spot nodes with a longer notice",
        "disruptive",
        ("P-10", "P-16"),
        {**SPOT_POOL, **consumer(placement={"spot": True}, shutdown={"longestMessage": "5s"}, transport=QUICK)},
        {**SPOT_POOL, **consumer(shutdown={"longestMessage": "5s"}, transport=QUICK)},
    ),
    # The shutdown budget.
    Change("less time to finish", "danger", ("P-03", "P-10"), consumer(shutdown={"longestMessage": "60s"})),
    Change(
        "more time to finish",
        "info",
        ("P-10", "P-13"),
        consumer(shutdown={"longestMessage": "300s"}, transport={"redeliverTimeout": "340s"}),
    ),
    Change("drain by stop file", "info", ("P-10", "P-13"), consumer(worker={"drain": "stopFile", "timeLimit": "2m"})),
    Change("protected from node scale-down", "info", ("P-10",), consumer(shutdown={"nodeScaleDown": "protect"})),
    Change(
        "a receiver is dropped",
        "danger",
        ("P-08", "P-10"),
        {},
        TWO_RECEIVERS,
    ),
    Change(
        "less memory for each process",
        "danger",
        ("P-07", "P-10"),
        consumer(resources={"memory": {"limit": "7Gi"}}),
        consumer(resources={"memory": {"limit": "14Gi"}}),
    ),
    Change(
        "twelve consumers get a new version",
        "danger",
        ("P-03", "P-10", "P-11", "P-38"),
        fleet("1.1.0", push={"shutdown": {"longestMessage": "20s"}}),
        fleet("1.0.0"),
    ),
    Change("all consumers restart", "info", ("P-10", "P-38"), ALL_ANEW, {"consumers": {"mail": SECOND}}),
    # How it scales: the HPA of stack dev, then KEDA of production, then from one to the other.
    Change("a higher maximum", "scaling", ("P-22",), scaling(maxReplicas=10), stack="dev"),
    Change("a lower maximum", "disruptive", ("P-22",), scaling(maxReplicas=2), stack="dev"),
    Change("a higher minimum", "scaling", ("P-22",), scaling(minReplicas=2), stack="dev"),
    Change("another CPU target", "scaling", ("P-23",), scaling(metrics=[MORE_CPU]), stack="dev"),
    Change("backlog instead of CPU", "scaling", ("P-23",), scaling(metrics=[BACKLOG]), stack="dev"),
    Change("backlog beside CPU", "scaling", ("P-23",), scaling(metrics=[CPU, BACKLOG]), stack="dev"),
    Change("an empty behavior", "scaling", ("P-24",), scaling(behavior={}), stack="dev"),
    Change("a slower way down", "scaling", ("P-24",), scaling(behavior=SLOW_DOWN), scaling(behavior={}), "dev"),
    Change("no behavior any more", "scaling", ("P-24",), scaling(behavior=None), scaling(behavior=SLOW_DOWN), "dev"),
    Change("never scales down", "scaling", ("P-24",), scaling(behavior=NEVER_DOWN), stack="dev"),
    Change("fixed becomes HPA", "scaling", ("P-26",), {}, scaling(**FIXED), "dev"),
    Change(
        "fixed above the maximum becomes HPA", "disruptive", ("P-26",), {}, scaling(kind="fixed", replicas=8), "dev"
    ),
    Change(
        "one pod that is never there twice",
        "disruptive",
        ("P-10", "P-17"),
        consumer(worker={"processes": 1}, autoscaling={"kind": "singleton"}),
        consumer(worker={"processes": 1}, autoscaling={"kind": "fixed", "replicas": 1}),
    ),
    Change("HPA becomes fixed", "danger", ("P-20",), scaling(**FIXED), stack="dev"),
    Change("a larger fixed number", "scaling", ("P-21",), scaling(kind="fixed", replicas=6), scaling(**FIXED)),
    Change("a smaller fixed number", "disruptive", ("P-21",), scaling(kind="fixed", replicas=1), scaling(**FIXED)),
    Change("a higher maximum of KEDA", "scaling", ("P-22",), scaling(maxReplicas=10)),
    Change("a lower maximum of KEDA", "disruptive", ("P-22",), scaling(maxReplicas=2)),
    Change("more messages for each process", "scaling", ("P-71",), scaling(messagesPerWorker=5)),
    Change("a longer cooldown", "scaling", ("P-70",), scaling(cooldown="10m")),
    Change("KEDA is paused", "scaling", ("P-70",), scaling(paused=True)),
    Change("a newer KEDA", "scaling", ("P-73",), {"cluster": {"keda": {"version": "2.20.3"}}}),
    Change("the queue instead of CPU", "danger", ("P-72",), ON_THE_QUEUE, stack="dev"),
    Change("CPU instead of the queue", "danger", ("P-72",), {}, ON_THE_QUEUE, "dev"),
    Change("the queue instead of a fixed number", "scaling", ("P-26", "P-71"), {}, scaling(**FIXED)),
    Change("a fixed number instead of the queue", "danger", ("P-72",), scaling(**FIXED)),
    Change("fewer nodes", "disruptive", ("P-27",), pool(maxNodes=3)),
    Change("more nodes", "scaling", ("P-27",), pool(maxNodes=9)),
    # What nodes do.
    Change("another machine", "disruptive", ("P-12",), pool(machineType="e2-standard-8")),
    Change("a newer Kubernetes", "disruptive", ("P-12", "P-33"), {"cluster": {"kubernetesVersion": "1.35"}}),
    Change("nodes wait less for their pods", "danger", ("P-09",), pool(upgrade={"podGrace": "10m"})),
    Change("another disk key", "danger", ("P-01",), pool(diskEncryptionKey=KEY)),
    Change(
        "another disk key on Autopilot",
        "danger",
        ("P-01", "P-02"),
        {"cluster": {**AUTO, "diskEncryptionKey": KEY}},
        {"cluster": AUTO},
    ),
    Change("taints that nobody has judged", "notJudged", ("P-40",), pool(taints=[{"key": "a", "value": "b"}])),
    Change("no logs of pods", "info", ("P-50",), {"cluster": {"observability": {"workloadLogs": False}}}),
    # What comes and goes.
    Change("a new consumer", "info", ("P-14",), {"consumers": {"mail": SECOND}}),
    Change("a consumer is removed", "danger", ("P-02",), {}, {"consumers": {"mail": SECOND}}),
    Change(
        "a consumer is renamed",
        "disruptive",
        ("P-02", "P-14"),
        {"consumers": {"post": SECOND}},
        {"consumers": {"mail": SECOND}},
    ),
    Change("another namespace", "danger", ("P-01a", "P-02"), {"namespace": "queues"}),
    Change(
        "Autopilot instead of Standard",
        "danger",
        ("P-01",),
        {"cluster": {"kind": "gkeAutopilot"}},
        {"cluster": {"kind": "gkeStandard"}},
        "dev",
    ),
    Change("the repository is removed", "danger", ("P-01",), {"imageRepository": None}),
    # Safeguards.
    Change("no protection any more", "danger", ("P-04",), {"protect": False}),
    Change(
        "a secret is no longer read",
        "danger",
        ("P-05", "P-10"),
        consumer(secretEnvironment={"MESSENGER_TRANSPORT_DSN": None}),
    ),
    Change(
        "another broker by its address",
        "danger",
        ("P-08a", "P-10"),
        consumer(**OWN_DSN, environment={"MESSENGER_TRANSPORT_DSN": "redis://10.82.0.9:6379/githubevents"}),
        consumer(**OWN_DSN, environment={"MESSENGER_TRANSPORT_DSN": "redis://10.82.0.3:6379/githubevents"}),
    ),
    Change(
        "a new version of a secret",
        "info",
        ("P-08a", "P-10"),
        consumer(secretEnvironment={"MESSENGER_TRANSPORT_DSN": {"secret": "githubevents-broker-v2", "key": "dsn"}}),
    ),
    Change(
        "one more network",
        "info",
        ("P-30",),
        consumer(
            network={"egress": [{"cidr": "10.82.0.0/24", "ports": [6379]}, {"cidr": "10.90.0.0/24", "ports": [443]}]}
        ),
    ),
    Change(
        "one more port",
        "info",
        ("P-30",),
        consumer(network={"egress": [{"cidr": "10.82.0.0/24", "ports": [6379, 5432]}]}),
    ),
    Change(
        "the broker's port is closed",
        "danger",
        ("P-30", "P-34"),
        consumer(network={"egress": [{"cidr": "10.82.0.0/24", "ports": [443]}]}),
    ),
    Change(
        "everywhere", "danger", ("P-30", "P-34"), consumer(network={"egress": [{"cidr": "0.0.0.0/0", "ports": [443]}]})
    ),
    Change(
        "a role in the project",
        "info",
        ("P-31",),
        consumer(serviceAccount={"googleRoles": ["roles/pubsub.subscriber"]}),
    ),
    Change("an admin's role", "danger", ("P-31",), consumer(serviceAccount={"googleRoles": ["roles/storage.admin"]})),
    Change("a label", "info", ("P-10", "P-15"), consumer(labels={"team": "platform"})),
    Change("a label on which others act", "notJudged", ("P-40",), consumer(labels={"acme.com/team": "platform"})),
    # What happens to a broker, and to the messages in it.
    # KEDA's own way to the broker that it asked before is closed.
    Change("a broker is made", "danger", ("P-10", "P-30", "P-34"), valkey()),
    Change("the broker is removed", "danger", ("P-60", "P-62", "P-63"), {"broker": None}, valkey()),
    Change("the broker encrypts from now on", "danger", ("P-60",), valkey(tls=True), valkey()),
    Change("another encryption key of the broker", "danger", ("P-60",), valkey(encryptionKey=KEY), valkey()),
    Change(
        "another encryption key and another secret of the broker",
        "danger",
        ("P-60", "P-62"),
        valkey(encryptionKey=KEY, secret={"version": 2}),
        valkey(),
    ),
    Change("a smaller broker", "danger", ("P-61",), valkey(), valkey(nodeType="HIGHMEM_MEDIUM")),
    Change("a larger broker", "disruptive", ("P-61",), valkey(nodeType="HIGHMEM_MEDIUM"), valkey()),
    Change(
        "the broker keeps less",
        "danger",
        ("P-61",),
        valkey(persistence="RDB", replicas=0),
        valkey(),
    ),
    Change("a newer broker", "disruptive", ("P-61",), valkey(version="VALKEY_9_0"), valkey()),
    Change(
        "the broker's secret is rotated", "disruptive", ("P-62", "P-10"), postgres(secret={"version": 2}), postgres()
    ),
    Change("a smaller database", "danger", ("P-61",), postgres(tier="db-custom-2-13312"), postgres()),
    Change("another encryption key of the database", "danger", ("P-60",), postgres(encryptionKey=KEY), postgres()),
    Change("the database is no longer protected", "danger", ("P-04", "P-61"), postgres(protect=False), postgres()),
    Change(
        "the broker is maintained at another time",
        None,
        (),
        valkey(maintenance={"day": "SU", "hour": 4}),
        valkey(),
    ),
]
