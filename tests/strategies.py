"""Settings that nobody thought of, as a stack's file would say them.

`valid_stacks()` draws settings that validate; `written_stacks()` the values behind them; `spoiled_stacks()` the same
with something wrong somewhere.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from pydantic import ValidationError

from ebbtide.settings.models.memorystore import CLIENT_LIMITS
from ebbtide.settings.models.stack import StackSettings

Written = dict[str, Any]
"""Values as they come out of YAML."""

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)
_NEWEST_MINOR = 37
# Printable: what a container's environment, an argument and YAML can all hold.
_TEXT = st.text(st.characters(exclude_categories=("C", "Z")), max_size=12)


def dns_labels(max_length: int = 12) -> st.SearchStrategy[str]:
    """Names of Kubernetes objects."""
    return st.from_regex(rf"[a-z]([-a-z0-9]{{0,{max_length - 2}}}[a-z0-9])?", fullmatch=True)


_LABEL_KEYS = st.builds(str.__add__, st.sampled_from(["", "acme.com/", "x.example/"]), dns_labels())
_LABELS = st.dictionaries(
    _LABEL_KEYS, st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[a-z0-9])?)?", fullmatch=True), max_size=3
)
_VARIABLES = st.from_regex(r"[A-DF-Z][A-Z0-9_]{0,8}", fullmatch=True)
_SECRETS = st.fixed_dictionaries({"secret": dns_labels(), "key": st.from_regex(r"[-._a-zA-Z0-9]{1,8}", fullmatch=True)})


def optional(
    required: dict[str, st.SearchStrategy[Any]], **others: st.SearchStrategy[Any]
) -> st.SearchStrategy[Written]:
    """A mapping with all of `required` and any of the others."""
    return st.fixed_dictionaries(required, optional=others)


def seconds(low: int, high: int) -> st.SearchStrategy[str]:
    """A duration as it is written."""
    return st.integers(low, high).map("{}s".format)


def _mebibytes(low: int, high: int, unit: str = "Mi") -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda number: f"{number}{unit}")


_WORKER = {"processes": st.integers(1, 400), "workingDirectory": st.sampled_from(["/app", "/srv/www"])}
_SYMFONY = optional(
    {"kind": st.just("symfonyMessenger"), "receivers": st.lists(dns_labels(), min_size=1, max_size=3)},
    **_WORKER,
    messageLimit=st.integers(1, 1000),
    timeLimit=seconds(0, 200),
    memoryLimit=_mebibytes(32, 512, "M"),
    phpMemoryLimit=_mebibytes(513, 1024, "M"),
    failureLimit=st.integers(1, 10),
    sleep=seconds(0, 5),
    drain=st.sampled_from(["signal", "stopFile"]),
    arguments=st.lists(st.sampled_from(["--queues=high", "--no-reset", "-vv"]), max_size=2, unique=True),
)
_COMMAND = optional(
    {
        "kind": st.just("command"),
        "command": st.builds(lambda program, rest: [program, *rest], dns_labels(), st.lists(_TEXT, max_size=3)),
    },
    **_WORKER,
    stopSignal=st.sampled_from(["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"]),
    memoryLimit=_mebibytes(16, 1024, "M"),
)


@st.composite
def _resources(draw: st.DrawFn) -> Written:
    cpu, memory = draw(st.integers(100, 4000)), draw(st.integers(64, 20_000))
    resources: Written = {"cpu": {"request": f"{cpu}m"}, "memory": {"request": f"{memory}Mi"}}
    if draw(st.booleans()):
        resources["cpu"]["limit"] = f"{cpu + draw(st.integers(0, 4000))}m"
    if draw(st.booleans()):
        resources["memory"]["limit"] = f"{memory + draw(st.integers(0, 20_000))}Mi"
    return resources


def _moving(resources: Written, processes: int) -> tuple[int, int, int]:
    """A CPU target lies between idle and busy workers of this consumer: the millicores that they can use, and the
    least and the most per cent of the request."""
    request = int(resources["cpu"]["request"][:-1])
    busy = min(processes * 1000, int(resources["cpu"].get("limit", "999999m")[:-1]))
    return busy, processes * 100 // request + 1, min(busy * 100 // request, 1000)


def _metrics(resources: Written, processes: int) -> st.SearchStrategy[Written]:
    """Metrics that could move."""
    busy, least, most = _moving(resources, processes)
    cpu: list[dict[str, st.SearchStrategy[Any]]] = []
    if busy > processes:
        cpu.append({"targetAverageValue": st.integers(processes, busy).map("{}m".format)})
    if least <= most:
        cpu.append({"targetUtilization": st.integers(least, most)})
    memory: list[dict[str, st.SearchStrategy[Any]]] = [
        {"targetUtilization": st.integers(1, 200)},
        {"targetAverageValue": _mebibytes(1, 8000)},
    ]
    kinds = [("cpu", target) for target in cpu] + [("containerCpu", target) for target in cpu]
    kinds += [("memory", target) for target in memory] + [("containerMemory", target) for target in memory]
    quantity = st.one_of(st.integers(1, 10_000), st.integers(1, 10_000).map("{}m".format), st.just("2k"))
    described = st.fixed_dictionaries(
        {"apiVersion": st.just("networking.k8s.io/v1"), "kind": st.just("Ingress"), "name": dns_labels()}
    )
    named = {"metric": dns_labels(), "selector": _LABELS}
    either = [{"targetValue": quantity}, {"targetAverageValue": quantity}]
    return st.one_of(
        *(st.fixed_dictionaries({"kind": st.just(kind), **target}) for kind, target in kinds),
        st.fixed_dictionaries({"kind": st.just("pods"), **named, "targetAverageValue": quantity}),
        *(st.fixed_dictionaries({"kind": st.just("external"), **named, **target}) for target in either),
        *(
            st.fixed_dictionaries({"kind": st.just("object"), **named, "describedObject": described, **target})
            for target in either
        ),
    )


def _rules(minor: int) -> st.SearchStrategy[Written]:
    policy = st.fixed_dictionaries(
        {"kind": st.sampled_from(["pods", "percent"]), "value": st.integers(1, 200), "period": seconds(1, 1800)}
    )
    tolerance = {"tolerance": st.integers(1, 999).map("{}m".format)} if minor >= 35 else {}
    return optional(
        {},
        stabilizationWindow=seconds(0, 3600),
        selectPolicy=st.sampled_from(["Max", "Min", "Disabled"]),
        policies=st.lists(policy, min_size=1, max_size=3),
        **tolerance,
    )


_OTHER_TRIGGERS = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("redis"),
            "metadata": st.fixed_dictionaries(
                {"address": st.just("redis.brokers:6379"), "listName": dns_labels(), "listLength": st.just("3")}
            ),
            "secrets": st.dictionaries(st.sampled_from(["password", "username"]), _SECRETS, max_size=2),
        }
    ),
    st.just(
        {
            "type": "cron",
            "metadata": {"start": "0 8 * * *", "end": "0 18 * * *", "timezone": "UTC", "desiredReplicas": "5"},
        }
    ),
    st.just({"type": "kafka", "metadata": {}, "authentication": {"name": "shared", "kind": "TriggerAuthentication"}}),
)


def _triggers(resources: Written, processes: int) -> st.SearchStrategy[Written]:
    _, least, most = _moving(resources, processes)
    if least > most:
        return _OTHER_TRIGGERS
    percent = st.fixed_dictionaries({"value": st.integers(least, most).map(str)})
    of_cpu = {"type": st.just("cpu"), "metricType": st.just("Utilization"), "metadata": percent}
    return _OTHER_TRIGGERS | st.fixed_dictionaries(of_cpu)


@st.composite
def _keda(draw: st.DrawFn, minor: int, resources: Written, processes: int) -> Written:
    """Above zero, where any trigger will do."""
    least = draw(st.integers(1, 20))
    scaling: Written = {
        "kind": "keda",
        "minReplicas": least,
        "maxReplicas": least + draw(st.integers(0, 50)),
        "triggers": draw(st.lists(_triggers(resources, processes), min_size=1, max_size=3)),
    }
    return scaling | draw(
        optional(
            {},
            behavior=optional({}, scaleUp=_rules(minor), scaleDown=_rules(minor)),
            fallback=optional({"replicas": st.integers(1, 9)}, failureThreshold=st.integers(1, 9)),
            paused=st.booleans(),
            pausedReplicas=st.integers(0, 9),
            takesOver=dns_labels(),
        )
    )


@st.composite
def _autoscaling(draw: st.DrawFn, minor: int, resources: Written, processes: int) -> Written:
    if processes == 1 and draw(st.integers(0, 3)) == 0:
        return {"kind": "singleton"}
    match draw(st.integers(0, 4)):
        case 0:
            return {"kind": "fixed", "replicas": draw(st.integers(0, 50))}
        case 1:
            return draw(_keda(minor, resources, processes))
    metrics = draw(st.lists(_metrics(resources, processes), min_size=1, max_size=3))
    from_zero = minor >= _NEWEST_MINOR and any(metric["kind"] in {"object", "external"} for metric in metrics)
    least = draw(st.integers(0 if from_zero else 1, 20))
    scaling: Written = {
        "kind": "hpa",
        "minReplicas": least,
        "maxReplicas": max(1, least) + draw(st.integers(0, 50)),
        "metrics": metrics,
    }
    if draw(st.booleans()):
        scaling["behavior"] = draw(optional({}, scaleUp=_rules(minor), scaleDown=_rules(minor)))
    return scaling


_DESTINATIONS = st.one_of(
    st.ip_addresses(v=4).map(lambda address: {"cidr": f"{address}/32"}),
    st.ip_addresses(v=6).map(lambda address: {"cidr": f"{address}/128"}),
    st.just({"cidr": "10.20.0.0/16"}),
    dns_labels().map(lambda namespace: {"namespace": namespace}),
    st.fixed_dictionaries({"namespace": dns_labels(), "pods": st.just({"app": "redis"})}),
    st.just({"pods": {"app": "redis"}}),
)
_EGRESS = st.builds(
    lambda destination, ports: {**destination, "ports": ports},
    _DESTINATIONS,
    st.lists(st.integers(1, 65535), min_size=1, max_size=3),
)
_TOLERATIONS = st.one_of(
    st.fixed_dictionaries({"key": _LABEL_KEYS, "operator": st.just("Exists")}),
    optional(
        {"key": _LABEL_KEYS},
        value=dns_labels(),
        effect=st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ),
)
_HOW = st.sampled_from(["prefer", "require", "off"])
_IMAGES = st.one_of(
    st.builds(
        "{}/{}:{}".format, st.just("registry.example"), dns_labels(), st.from_regex(r"v[0-9]{1,3}", fullmatch=True)
    ),
    st.builds("registry.example:5000/a/{}@{}".format, dns_labels(), _DIGEST),
    st.just("localhost/events:local"),
)


def _transports(longest: int) -> st.SearchStrategy[Written]:
    enough = seconds(longest + 10, longest + 7200)
    return st.one_of(
        optional(
            {"kind": st.just("redis"), "redeliverTimeout": enough}, claimInterval=seconds(1, 60), recover=st.booleans()
        ),
        st.fixed_dictionaries({"kind": st.just("doctrine"), "redeliverTimeout": enough}),
        st.fixed_dictionaries({"kind": st.just("rabbitmq"), "consumerTimeout": enough}),
        st.fixed_dictionaries({"kind": st.just("sqs"), "visibilityTimeout": enough}),
    )


def _addressed(longest: int, worker: str) -> st.SearchStrategy[Written]:
    """Transports that KEDA can count. Only Symfony reads streams and tables as they are counted."""
    enough = seconds(longest + 10, longest + 7200)
    address = st.sampled_from(["broker.brokers:6379", "10.20.0.7:15672", "[fd00::7]:5432"])
    names = st.one_of(dns_labels(), st.lists(dns_labels(), min_size=1, max_size=3, unique=True))
    of_anybody = (
        st.fixed_dictionaries(
            {"kind": st.just("rabbitmq"), "consumerTimeout": enough, "address": address, "queue": names}
            | {"username": _SECRETS, "password": _SECRETS, "tls": st.booleans()}
        ),
        st.fixed_dictionaries(
            {"kind": st.just("sqs"), "visibilityTimeout": enough, "bufferSize": st.just(1)}
            | {"region": st.just("eu-west-1"), "queue": dns_labels().map(_sqs_queue)}
        ),
    )
    if worker != "symfonyMessenger":
        return st.one_of(*of_anybody)
    return st.one_of(
        *of_anybody,
        optional(
            {"kind": st.just("redis"), "redeliverTimeout": enough, "address": address, "stream": names},
            password=_SECRETS,
            database=st.integers(0, 15),
        ),
        optional(
            {"kind": st.just("doctrine"), "redeliverTimeout": enough, "address": address, "queue": names}
            | {"platform": st.sampled_from(["postgresql", "mysql"])}
            | {"database": dns_labels(), "username": dns_labels()},
            password=_SECRETS,
        ),
    )


def _sqs_queue(name: str) -> str:
    return f"https://sqs.eu-west-1.amazonaws.com/123456789012/{name}"


@st.composite
def _consumers(draw: st.DrawFn, minor: int) -> Written:
    worker = draw(st.one_of(_SYMFONY, _COMMAND))
    resources = draw(_resources())
    # Within the ten minutes of a node's scale-down, also for a worker that is not told to stop.
    longest = draw(st.integers(1, 350))
    environment = draw(st.dictionaries(_VARIABLES, _TEXT, max_size=3))
    secrets = draw(st.dictionaries(_VARIABLES, _SECRETS, max_size=2))
    consumer: Written = {
        "image": draw(_IMAGES),
        "worker": {"timeLimit": "150s", **worker} if worker["kind"] == "symfonyMessenger" else worker,
        "resources": resources,
        "shutdown": {"longestMessage": f"{longest}s", "nodeScaleDown": draw(st.sampled_from(["evict", "protect"]))},
        "autoscaling": draw(_autoscaling(minor, resources, worker.get("processes", 1))),
        "environment": {name: value for name, value in environment.items() if name not in secrets},
        "secretEnvironment": secrets,
        "network": {"egress": draw(st.lists(_EGRESS, max_size=3))},
        "placement": {
            "nodeSelector": draw(_LABELS),
            "tolerations": draw(st.lists(_TOLERATIONS, max_size=2)),
            "spread": {"zones": draw(_HOW), "nodes": draw(_HOW)},
        },
        "labels": draw(_LABELS),
        "annotations": draw(st.dictionaries(_LABEL_KEYS, _TEXT, max_size=2)),
    }
    if draw(st.booleans()):
        consumer["transport"] = draw(_transports(longest))
    if consumer["autoscaling"]["kind"] == "keda" and draw(st.booleans()):
        # What the transport gives counts what is in hand, and so may go to zero.
        consumer["transport"] = draw(_addressed(longest, worker["kind"]))
        del consumer["autoscaling"]["triggers"]
        consumer["autoscaling"] |= draw(
            optional({"minReplicas": st.just(0)}, pollingInterval=seconds(1, 60), cooldown=seconds(0, 900))
        )
    if draw(st.booleans()):
        consumer["writableDirectories"] = draw(st.lists(dns_labels().map("/app/{}".format), max_size=3, unique=True))
    if draw(st.booleans()):
        consumer["disruptionBudget"] = {"maxUnavailable": draw(st.integers(1, 5))}
    if draw(st.booleans()):
        consumer["userId"] = draw(st.integers(1, 2**31 - 1))
    return consumer


_GKE = optional(
    {
        "keda": st.just({}),
        "network": optional(
            {"maxNodes": st.integers(1000, 2000)}, addresses=st.just("10.0.0.0/11"), natMinPorts=st.just(1024)
        ),
    },
    releaseChannel=st.sampled_from(["RAPID", "REGULAR", "STABLE", "EXTENDED"]),
    controlPlane=optional(
        {},
        dnsEndpoint=st.sampled_from(["everywhere", "insideGoogleCloud"]),
        authorizedNetworks=st.just([{"name": "office", "cidr": "203.0.113.0/24"}]),
    ),
    maintenance=optional({}, start=st.just("22:30"), days=st.lists(st.sampled_from(DAYS), min_size=3, unique=True)),
    observability=optional({}, workloadLogs=st.booleans(), datapathMetrics=st.booleans()),
    secretEncryptionKey=st.just("projects/acme-test/locations/europe-west1/keyRings/gke/cryptoKeys/secrets"),
    secretRotation=st.just("2m"),
    groupsDomain=st.just("acme.example"),
    binaryAuthorization=st.booleans(),
    securityPosture=st.booleans(),
    costAllocation=st.booleans(),
    hpaProfile=st.sampled_from(["PERFORMANCE", "NONE"]),
    upgradeTopic=st.just("projects/acme-test/topics/upgrades"),
    labels=st.dictionaries(dns_labels(), dns_labels(), max_size=2),
)
_NODE_POOLS = optional(
    {"machineType": st.just("n2-highmem-64"), "maxNodes": st.integers(100, 300)},
    minNodes=st.integers(0, 9),
    diskSizeGigabytes=st.integers(50, 500),
    diskType=st.sampled_from(["pd-standard", "pd-balanced", "pd-ssd"]),
    podProcessLimit=st.just(65_536),
    labels=_LABELS,
    upgrade=optional({}, maxSurge=st.integers(1, 20), podGrace=seconds(600, 86_400)),
)


@st.composite
def _clusters(draw: st.DrawFn, minor: int) -> Written:
    match draw(st.sampled_from(["existing", "existing", "gkeStandard", "gkeAutopilot"])):
        case "existing":
            platform = draw(st.sampled_from(["other", "gkeStandard", "gkeAutopilot"]))
            cluster: Written = {"kind": "existing", "platform": platform}
        case "gkeStandard":
            pools = draw(st.dictionaries(dns_labels(), _NODE_POOLS, min_size=1, max_size=2))
            zones = {"zones": ["europe-west1-b", "europe-west1-c"]} if draw(st.booleans()) else {}
            cluster = {"kind": "gkeStandard", "nodePools": pools, **zones, **draw(_GKE)}
        case _:
            cluster = {"kind": "gkeAutopilot", **draw(_GKE)}
    return {"kubernetesVersion": f"1.{minor}", **cluster}


@st.composite
def _brokers(draw: st.DrawFn, connections: int, *, in_own_network: bool) -> Written:
    """Any kind, large enough for so many connections. Beside a cluster that exists it says where it is."""
    match draw(st.sampled_from(["memorystoreValkey", "cloudSqlPostgres", "existing"])):
        case "memorystoreValkey":
            broker = draw(_valkeys(connections))
        case "cloudSqlPostgres":
            broker = draw(_databases(connections))
        case _:
            return draw(_EXISTING_BROKERS)
    if not in_own_network:
        broker["network"] = {"network": "projects/acme-test/global/networks/queues", "addresses": "10.9.0.0/28"}
    return broker | draw(
        optional(
            {},
            name=dns_labels(),
            protect=st.booleans(),
            maintenance=st.fixed_dictionaries({"day": st.sampled_from(DAYS), "hour": st.integers(0, 23)}),
            secret=optional({}, name=dns_labels(), version=st.integers(1, 100_000)),
            encryptionKey=st.just("projects/acme-test/locations/europe-west1/keyRings/q/cryptoKeys/broker"),
            provides=st.dictionaries(st.just("BROKER_ADDRESS"), st.sampled_from(["dsn", "address"]), min_size=1),
        )
    )


@st.composite
def _valkeys(draw: st.DrawFn, connections: int) -> Written:
    large_enough = [name for name, limit in CLIENT_LIMITS.items() if limit >= connections]
    persistence = draw(
        st.one_of(
            optional({"persistence": st.just("AOF")}, appendFsync=st.sampled_from(["ALWAYS", "EVERY_SEC", "NEVER"])),
            optional({"persistence": st.just("RDB")}, snapshotPeriod=st.sampled_from(["ONE_HOUR", "TWELVE_HOURS"])),
        )
    )
    return persistence | draw(
        optional(
            {"kind": st.just("memorystoreValkey"), "nodeType": st.sampled_from(large_enough or ["HIGHMEM_2XLARGE"])},
            version=st.sampled_from(["VALKEY_7_2", "VALKEY_8_0", "VALKEY_9_0"]),
            replicas=st.integers(0, 5),
            engineConfigs=st.dictionaries(st.just("notify-keyspace-events"), st.just("KEA"), max_size=1),
            tls=st.booleans(),
            backupsKeptDays=st.integers(1, 365),
        )
    )


@st.composite
def _databases(draw: st.DrawFn, connections: int) -> Written:
    edition = draw(
        st.one_of(
            st.just({"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-2"}),
            st.sampled_from(["db-custom-2-7680", "db-custom-1-3840", "db-f1-micro"]).map(lambda tier: {"tier": tier}),
        )
    )
    return edition | draw(
        optional(
            {"kind": st.just("cloudSqlPostgres"), "maxConnections": st.integers(max(25, connections + 10), 262_143)},
            version=st.sampled_from([f"POSTGRES_{number}" for number in range(13, 19)]),
            availability=st.sampled_from(["REGIONAL", "ZONAL"]),
            diskSizeGigabytes=st.integers(10, 65_536),
            backupsKept=st.integers(1, 365),
            pointInTimeDays=st.integers(1, 7),
            flags=st.dictionaries(st.sampled_from(["work_mem", "log_lock_waits"]), st.just("on"), max_size=2),
            database=st.just("queue"),
            user=st.just("reader"),
        )
    )


_EXISTING_BROKERS = st.builds(
    lambda spoken, rest: {"kind": "existing", **spoken, **rest},
    st.sampled_from(
        [
            {"protocol": "redis", "address": "10.20.0.7:6379"},
            {"protocol": "postgresql", "address": "database.brokers:5432"},
            {"protocol": "amqp", "address": "rabbitmq.brokers:5672"},
        ]
    ),
    optional({"secret": dns_labels()}, passwordKey=st.just("password")),
)
_SPOKEN = {"memorystoreValkey": "redis", "cloudSqlPostgres": "postgresql"}
_TRANSPORTS = {
    "redis": ("redis", "redeliverTimeout", "stream"),
    "postgresql": ("doctrine", "redeliverTimeout", "queue"),
    "amqp": ("rabbitmq", "consumerTimeout", "queue"),
}


def _connections(consumers: Written) -> int:
    """At most so many, of all consumers at their maximum, with the helper and what KEDA asks for."""
    found = 0
    for consumer in consumers.values():
        scaling = consumer["autoscaling"]
        pods = scaling.get("maxReplicas", scaling.get("replicas", 1))
        found += pods * (consumer["worker"].get("processes", 1) + 1) + 2
    return found


def _reads_from_it(consumer: Written, spoken: str) -> None:
    """What the consumer has of a transport is that of the stack's broker, unless it names another one."""
    transport = consumer.get("transport")
    kind, wait, names = _TRANSPORTS[spoken]
    if transport is None or transport["kind"] in {kind, "sqs"}:
        return
    if "address" in transport and transport["kind"] != "rabbitmq":
        return
    seconds = next(value for name, value in transport.items() if name in {"redeliverTimeout", "consumerTimeout"})
    consumer["transport"] = {"kind": kind, wait: seconds, names: "mail"}
    if consumer["autoscaling"]["kind"] == "keda" and consumer["worker"]["kind"] == "command":
        # Only Symfony's messages are counted there.
        consumer["autoscaling"] = {"kind": "fixed", "replicas": 2}


def _told(draw: st.DrawFn, consumer: Written, broker: Written, spoken: str) -> None:
    """KEDA counts what waits at the stack's broker, without an address of its own."""
    counted = "triggers" not in consumer["autoscaling"] and consumer["autoscaling"]["kind"] == "keda"
    of_symfony = consumer["worker"]["kind"] == "symfonyMessenger" and spoken != "amqp"
    if counted and of_symfony and draw(st.booleans()):
        longest = int(consumer["shutdown"]["longestMessage"].removesuffix("s"))
        kind, wait, names = _TRANSPORTS[spoken]
        consumer["transport"] = {"kind": kind, wait: f"{longest + 10}s", names: draw(dns_labels())}
        if broker["kind"] == "existing" and spoken == "postgresql":
            consumer["transport"] |= {"database": "queue", "username": "reader"}


@st.composite
def written_stacks(draw: st.DrawFn, newest_minor: int = _NEWEST_MINOR) -> Written:
    """A stack as it is written, for Kubernetes 1.34 to 1.`newest_minor`. Nearly all of them validate."""
    minor = draw(st.integers(34, newest_minor))
    cluster = draw(_clusters(minor))
    names = draw(st.lists(dns_labels(20), min_size=1, max_size=3, unique=True))
    stack: Written = {
        "name": draw(dns_labels()),
        "namespace": draw(dns_labels()),
        "cluster": cluster,
        "google": {"project": "acme-test", "region": "europe-west1"},
        "consumers": {name: draw(_consumers(minor)) for name in names},
    }
    if draw(st.booleans()):
        account = {"googleServiceAccount": "events@acme-test.iam.gserviceaccount.com"}
        stack["consumers"][names[0]]["serviceAccount"] = draw(
            st.sampled_from([account, {"googleRoles": ["roles/pubsub.subscriber"]}])
        )
    if draw(st.booleans()):
        broker = draw(_brokers(_connections(stack["consumers"]), in_own_network=cluster["kind"] != "existing"))
        spoken = broker.get("protocol") or _SPOKEN[broker["kind"]]
        for consumer in stack["consumers"].values():
            _reads_from_it(consumer, spoken)
            _told(draw, consumer, broker, spoken)
        stack["broker"] = broker
    return stack


@st.composite
def valid_stacks(draw: st.DrawFn, newest_minor: int = _NEWEST_MINOR) -> StackSettings:
    """Settings that validate, for Kubernetes 1.34 to 1.`newest_minor`."""
    written = draw(written_stacks(newest_minor))
    try:
        return StackSettings.model_validate(written)
    except ValidationError:
        # Rare: two rules that meet by chance, such as a text that looks like a secret.
        assume(False)
        raise


_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.sampled_from(
        ["", "0", "-1", "0.490m", "1e3", "latest", "a" * 300, "../..", "{}", "$(X)", "\t", "NaN", "9" * 400]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in nested values."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


@st.composite
def spoiled_stacks(draw: st.DrawFn) -> Any:
    """A stack with up to three values replaced, removed, or joined by one that does not belong there."""
    stack: Any = copy.deepcopy(draw(written_stacks()))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(_places(stack)))
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                container[key] = draw(_JUNK)
            case "remove":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(st.one_of(st.text(max_size=8), st.sampled_from(["replicas", "Image", "kind"])))] = draw(
                    _JUNK
                )
            case _:
                container.append(draw(_JUNK)) if isinstance(container, list) else None
        if not _places(stack):
            break
    return stack


@st.composite
def changed_consumers(draw: st.DrawFn, minor: int = 36) -> tuple[Written, Written]:
    """A consumer before and after an edit: one to three of its settings, or one value inside of them. Most validate."""
    before, other = draw(_consumers(minor)), draw(_consumers(minor))
    after = copy.deepcopy(before)
    names = st.sampled_from(sorted(before.keys() | other.keys()))
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        old, new = after.get(name), other.get(name)
        alike = isinstance(old, dict) and isinstance(new, dict) and old.get("kind") == new.get("kind")
        if alike and draw(st.integers(0, 2)):
            _take(old, new, draw(st.sampled_from(sorted(old.keys() | new.keys() | {""}))))
        else:
            _take(after, other, name)
    return before, after


def _take(into: Written, of: Written, key: str) -> None:
    """Have what the other has under this key, which may be nothing."""
    into.pop(key, None)
    if key in of:
        into[key] = of[key]
