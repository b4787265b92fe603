"""Rules about the stack's broker: what it keeps, who reads from it, and whether it takes all their connections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.broker import EVICTION, MadeBroker
from ebbtide.settings.models.brokered import (
    SECRET_SYNC_MINOR,
    connections_of,
    endpoint_range,
    is_protected,
    is_synced,
    made_broker,
    maintenance_of,
)
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.units import format_duration

if TYPE_CHECKING:
    from ebbtide.settings.models.cloud_sql import CloudSqlPostgres
    from ebbtide.settings.models.memorystore import MemorystoreValkey

# Cloud SQL, instance settings: what a custom machine may have.
_LEAST_MEBIBYTES = 3840
_MEBIBYTES_STEP = 256
_MEBIBYTES_PER_CPU = (922, 6656)
_LONGEST_POINT_IN_TIME_DAYS = 7
_SHARED_OR_CUSTOM = re.compile(r"db-(f1-micro|g1-small|custom-.*)")
# Where Memorystore for Valkey and Cloud SQL are (their pages of locations, 2026). A newer one may be missing.
_REGIONS = frozenset(
    (
        *("africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3"),
        *("asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1"),
        *("australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1"),
        *("europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8"),
        *("europe-west9", "europe-west10", "europe-west12", "me-central1", "me-central2", "me-west1"),
        *("northamerica-northeast1", "northamerica-northeast2", "northamerica-south1", "southamerica-east1"),
        *("southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1"),
        *("us-west2", "us-west3", "us-west4"),
    )
)


def _valkey(stack: StackSettings) -> MemorystoreValkey | None:
    valkey: MemorystoreValkey | None = of_kind(stack.broker, "memorystoreValkey")
    return valkey


def _cloud_sql(stack: StackSettings) -> CloudSqlPostgres | None:
    postgres: CloudSqlPostgres | None = of_kind(stack.broker, "cloudSqlPostgres")
    return postgres


@stack_rule(
    "BR-02",
    Level.ERROR,
    remedy="Leave persistence and maxmemory-policy out: AOF and noeviction are the defaults here.",
    source="Memorystore for Valkey: by default nothing is on disk, and a full instance evicts (volatile-lru).",
)
def check_valkey_keeps(stack: StackSettings) -> Iterator[Finding]:
    """A broker keeps what it has taken. Without persistence a restart empties it, and with eviction a full one drops
    messages without a word; one that refuses is noticed by whoever sends."""
    broker = _valkey(stack)
    if broker is None:
        return
    if broker.persistence == "DISABLED":
        text = "keeps nothing on disk: a restart or a failed node loses every waiting message"
        yield Finding(("broker", "persistence"), text, "leave it out: AOF is the default here")
    policy = broker.configs[EVICTION]
    if policy != "noeviction":
        text = f"is {policy!r}: a full broker drops messages without a word"
        yield Finding(("broker", "engineConfigs", EVICTION), text, "leave it out: noeviction is the default here")


@stack_rule(
    "BR-02a",
    Level.WARNING,
    remedy="Leave persistence and appendFsync out.",
    source="Memorystore for Valkey, persistence: AOF is synced always, every second or about every 30 s; RDB hourly.",
)
def check_valkey_loses_little(stack: StackSettings) -> Iterator[Finding]:
    """What a broker has acknowledged is on disk. Between two syncs of AOF, or two snapshots of RDB, it is not."""
    broker = _valkey(stack)
    seconds = broker.loses_seconds if broker else None
    if broker is not None and seconds:
        setting = "appendFsync" if broker.persistence == "AOF" else "persistence"
        yield Finding(
            ("broker", setting),
            f"may lose what was acknowledged in the last {format_duration(seconds)} when a node fails",
            "leave it out: with AOF and ALWAYS every message is on disk before it is acknowledged",
        )


@stack_rule(
    "BR-02b",
    Level.ERROR,
    remedy="Keep the one that belongs to the persistence you want.",
    source="Memorystore for Valkey: RDB and AOF exclude each other.",
)
def check_persistence_fits(stack: StackSettings) -> Iterator[Finding]:
    """How often is synced is said of AOF, and how often a snapshot is taken of RDB."""
    broker = _valkey(stack)
    if broker is None:
        return
    if broker.append_fsync is not None and broker.persistence != "AOF":
        text = f"belongs to AOF (got persistence: {broker.persistence})"
        yield Finding(("broker", "appendFsync"), text, "remove it, or write persistence: AOF")
    if broker.snapshot_period is not None and broker.persistence != "RDB":
        text = f"belongs to RDB (got persistence: {broker.persistence})"
        yield Finding(("broker", "snapshotPeriod"), text, "remove it, or write persistence: RDB")


@stack_rule(
    "BR-02c",
    Level.WARNING,
    remedy="Write replicas: 1 and a node type with an SLA.",
    source="Memorystore for Valkey: shared-core-nano has no SLA; a node without a replica is restored from disk.",
)
def check_valkey_is_for_production(stack: StackSettings) -> Iterator[Finding]:
    """A broker that is protected has a copy that takes over, and a node that Google vouches for."""
    broker = _valkey(stack)
    if broker is None or not is_protected(stack, broker):
        return
    if broker.replicas == 0:
        text = "is 0: while a failed node comes back from its disk, nobody consumes and nobody can send"
        yield Finding(("broker", "replicas"), text, "write 1, or protect: false for development")
    if broker.node_type == "SHARED_CORE_NANO":
        text = "has no SLA and a share of a CPU (got SHARED_CORE_NANO)"
        yield Finding(("broker", "nodeType"), text, "write STANDARD_SMALL, or protect: false for development")


@stack_rule(
    "BR-10",
    Level.ERROR,
    remedy="Write a tier of the edition: db-custom-... for ENTERPRISE, db-perf-optimized-N-... for ENTERPRISE_PLUS.",
    source="Cloud SQL, editions and custom machine types.",
)
def check_edition_and_tier(stack: StackSettings) -> Iterator[Finding]:
    """The machine is one of the edition, of a size that exists: Google says so only while it makes the instance."""
    broker = _cloud_sql(stack)
    if broker is None:
        return
    small = bool(_SHARED_OR_CUSTOM.fullmatch(broker.tier))
    if broker.edition == "ENTERPRISE_PLUS" and small:
        text = f"is no machine of ENTERPRISE_PLUS (got {broker.tier})"
        yield Finding(("broker", "tier"), text, "write for example db-perf-optimized-N-2, or edition: ENTERPRISE")
    elif broker.edition == "ENTERPRISE" and not small:
        text = f"is no machine of ENTERPRISE (got {broker.tier})"
        yield Finding(("broker", "tier"), text, "write for example db-custom-2-7680, or edition: ENTERPRISE_PLUS")
    cpus, memory = broker.cpus, broker.memory_mebibytes
    if broker.tier.startswith("db-custom-"):
        least, most = _MEBIBYTES_PER_CPU
        even = cpus is not None and (cpus == 1 or cpus % 2 == 0) and cpus <= 96
        fits = cpus and memory and memory % _MEBIBYTES_STEP == 0 and memory >= _LEAST_MEBIBYTES
        if not (even and fits and least * (cpus or 0) <= (memory or 0) <= most * (cpus or 0)):
            yield Finding(
                ("broker", "tier"),
                f"is no size that Cloud SQL has (got {broker.tier}): 1 or an even number of CPUs up to 96, and 0.9 to "
                f"6.5 GiB for each in steps of 256 MiB, at least {_LEAST_MEBIBYTES} MiB",
                "write for example db-custom-2-7680",
            )
    if broker.point_in_time_days > _LONGEST_POINT_IN_TIME_DAYS and broker.edition == "ENTERPRISE":
        text = f"is more than the {_LONGEST_POINT_IN_TIME_DAYS} days of ENTERPRISE (got {broker.point_in_time_days})"
        yield Finding(("broker", "pointInTimeDays"), text, "write at most 7, or edition: ENTERPRISE_PLUS")


@stack_rule(
    "BR-13",
    Level.ERROR,
    remedy="Write a larger node or machine, or fewer processes or pods.",
    source="Memorystore for Valkey, client limits by node type; PostgreSQL, max_connections.",
)
def check_connections(stack: StackSettings) -> Iterator[Finding]:
    """The broker takes the connections of all that reads from it: processes, the image's helper and KEDA's."""
    limit = stack.broker.connection_limit if stack.broker is not None else None
    steady, _ = connections_of(stack)
    if limit is not None and steady > limit:
        yield Finding(
            _size_setting(stack),
            f"takes {limit:,} connections, and the consumers need {steady:,} at their maximum: workers would be "
            "refused",
            "write a larger one, or fewer processes or pods",
        )


@stack_rule(
    "BR-13a",
    Level.WARNING,
    remedy="Write a larger node or machine, or update one consumer after the other.",
    source="Kubernetes counts no pod that is ending: pods that drain keep their connections beside the new ones.",
)
def check_connections_of_updates(stack: StackSettings) -> Iterator[Finding]:
    """The broker takes both fleets of a rolling update of all consumers at their maximum. The engine updates all of
    a stack at once."""
    limit = stack.broker.connection_limit if stack.broker is not None else None
    steady, peak = connections_of(stack)
    if limit is not None and steady <= limit < peak:
        yield Finding(
            _size_setting(stack),
            f"takes {limit:,} connections, and the consumers need {peak:,} while all of them are updated at their "
            "maximum: new pods would wait until old ones have drained",
            "write a larger one, or update them one after the other",
        )


def _size_setting(stack: StackSettings) -> Path:
    """Which setting decides how many connections there are."""
    return ("broker", "nodeType" if _valkey(stack) else "maxConnections")


@stack_rule(
    "BR-40",
    Level.ERROR,
    remedy="Write the transport of the stack's broker, or the consumer's own address.",
    source="A transport reads from the stack's broker unless it has an address of its own.",
)
def check_transport_fits(stack: StackSettings) -> Iterator[Finding]:
    """A consumer's transport speaks with the stack's broker, or names another."""
    if stack.broker is None:
        return
    for path, consumer in consumers_of(stack):
        transport = consumer.transport
        disagrees = transport is not None and transport.protocol not in {"", stack.broker.speaks}
        if transport is not None and disagrees and transport.own_address is None:
            yield Finding(
                (*path, "transport", "kind"),
                f"speaks {transport.protocol}, and the stack's broker {stack.broker.speaks} (got {transport.kind})",
                "write the kind that reads from it, or transport.address for a broker of its own",
            )


@stack_rule(
    "BR-41",
    Level.ERROR,
    remedy="Remove the variable, or give the transport an address of its own.",
    source="The stack's broker gives its variables to every consumer that reads from it.",
)
def check_one_broker(stack: StackSettings) -> Iterator[Finding]:
    """A consumer has one broker: its workers and what counts its messages look at the same."""
    for path, consumer in consumers_of(stack):
        broker = stack.broker_of(consumer)
        for name in broker.variables if broker is not None else ():
            for setting, given in (
                ("environment", consumer.environment),
                ("secretEnvironment", consumer.secret_environment),
            ):
                if name in given:
                    yield Finding(
                        (*path, setting, name),
                        "names another broker than the stack's, which sets it already",
                        "remove it, or write transport.address as well if it is another one",
                    )


@stack_rule(
    "BR-42",
    Level.WARNING,
    remedy="Describe the transport of each consumer, or remove the broker.",
    source="Only a transport says that a consumer reads from the broker.",
)
def check_somebody_reads(stack: StackSettings) -> Iterator[Finding]:
    """Every consumer of a stack with a broker says whether it reads from it: without a transport it is told no
    address, and no network policy opens one."""
    if stack.broker is None:
        return
    for path, consumer in consumers_of(stack):
        if consumer.transport is None:
            text = "is not given, so the consumer is told nothing of the stack's broker"
            yield Finding((*path, "transport"), text, "write for example transport: {kind: redis}")


@stack_rule(
    "BR-43",
    Level.ERROR,
    remedy="Name a key that the Secret has.",
    source="A pod whose Secret lacks a key does not start.",
)
def check_keys(stack: StackSettings) -> Iterator[Finding]:
    """What is read of the broker's Secret is in it. It belongs to the broker: no other Secret has its name."""
    broker = made_broker(stack)
    if broker is None:
        return
    known = ", ".join(broker.keys)
    for name, reference in broker.variables.items():
        if reference.key not in broker.keys:
            text = f"reads {reference.key!r}, which the broker's Secret does not have"
            yield Finding(("broker", "provides", name), text, f"use one of {known}")
    for path, consumer in consumers_of(stack):
        for name, reference in consumer.secret_environment.items():
            if reference.secret == broker.secret_name and reference.key not in broker.keys:
                yield Finding(
                    (*path, "secretEnvironment", name),
                    f"reads {reference.key!r} of {reference.secret}, which the stack makes for its broker with {known}",
                    f"use one of {known}, or rename your Secret, or the broker's (broker.secret.name)",
                )
        if is_synced(stack, broker) and consumer.name == "broker-secret":
            text = "has the name of the service account that reads the broker's secrets"
            yield Finding(path, text, "give it another name")


@stack_rule(
    "BR-44",
    Level.ERROR,
    remedy="Upgrade the cluster, or write broker.secret.sync: false and copy the Secret by the documented command.",
    source="Secret Manager, synchronize secrets to Kubernetes Secrets: GKE 1.34 and later.",
)
def check_sync_exists(stack: StackSettings) -> Iterator[Finding]:
    """GKE's secret sync exists where it is asked for."""
    broker = made_broker(stack)
    if broker is None or not is_synced(stack, broker) or not stack.consumers:
        return
    if stack.cluster.platform == "other":
        text = "asks for GKE's secret sync, and the cluster does not say that it is one of GKE"
        yield Finding(("broker", "secret", "sync"), text, "write cluster.platform: gkeStandard, or sync: false")
    elif stack.kubernetes_minor < SECRET_SYNC_MINOR:
        yield Finding(
            ("broker", "secret", "sync"),
            f"asks for GKE's secret sync, which is there from 1.{SECRET_SYNC_MINOR} (the cluster has "
            f"{stack.cluster.kubernetes_version})",
            "write the newer version, or sync: false and copy the Secret by hand (docs/brokers.md)",
        )


@stack_rule(
    "BR-45",
    Level.ERROR,
    remedy="Write broker.network for a cluster that exists, and leave it out for one that the stack makes.",
    source="The broker is reached by an address in the cluster's network.",
)
def check_place(stack: StackSettings) -> Iterator[Finding]:
    """A broker that the stack makes has a place in the cluster's network."""
    broker = made_broker(stack)
    if broker is None:
        return
    if is_gke(stack.cluster) and broker.network is not None:
        text = "is given, and the stack makes the cluster's network: the broker is in that one"
        yield Finding(("broker", "network"), text, "remove it")
    elif not is_gke(stack.cluster) and broker.network is None:
        example = "{network: projects/.../global/networks/..., addresses: 10.1.2.0/28}"
        text = "is not given, and the stack does not make the cluster's network"
        yield Finding(("broker", "network"), text, f"write network: {example}")
    elif endpoint_range(stack, broker) is None:
        text = "has no room behind nodes, pods and Services for the broker's 16 addresses"
        yield Finding(("cluster", "network", "addresses"), text, "write a larger block, before the cluster is made")
    elif broker.network is not None and int(broker.network.addresses.rpartition("/")[2]) > 29:
        text = f"is smaller than the 8 addresses of a subnet (got {broker.network.addresses})"
        yield Finding(("broker", "network", "addresses"), text, "write a /28")


@stack_rule(
    "BR-46",
    Level.WARNING,
    remedy="Write a region of the service; if it is right, look for a newer ebbtide.",
    source="Memorystore for Valkey and Cloud SQL, locations.",
)
def check_region(stack: StackSettings) -> Iterator[Finding]:
    """The broker's region has the service."""
    if made_broker(stack) is not None and stack.google is not None and stack.google.region not in _REGIONS:
        text = f"is no region in which this ebbtide knows brokers (got {stack.google.region})"
        yield Finding(("google", "region"), text, "write for example europe-west1")


@stack_rule(
    "BR-47",
    Level.WARNING,
    remedy="Leave maintenance out: the hour before the cluster's window is the default.",
    source="A failover of the broker while nodes drain makes drains longer.",
)
def check_windows(stack: StackSettings) -> Iterator[Finding]:
    """Broker and cluster are not maintained at once: a worker that must finish while its node drains needs the
    broker to acknowledge."""
    broker = made_broker(stack)
    if broker is None or not is_gke(stack.cluster):
        return
    window, own = stack.cluster.maintenance, maintenance_of(stack, broker)
    hour, minute = map(int, window.start.split(":"))
    since = (own.hour * 60 - hour * 60 - minute) % (24 * 60)
    if own.day in window.days and since < window.duration // 60:
        text = f"is {own.day} at {own.hour}:00, when the cluster's nodes are upgraded too"
        yield Finding(("broker", "maintenance"), text, "leave it out, or write another hour")


@stack_rule(
    "BR-48",
    Level.WARNING,
    remedy="Leave protect out.",
    source="Pulumi's protect, deletionProtectionEnabled of Memorystore and Cloud SQL.",
)
def check_protected(stack: StackSettings) -> Iterator[Finding]:
    """A broker outside of development is protected: what replaces it empties it."""
    broker = made_broker(stack)
    unprotected = broker is not None and not is_protected(stack, broker)
    if (
        isinstance(broker, MadeBroker)
        and unprotected
        and is_protected(stack, broker.model_copy(update={"protect": None}))
    ):
        text = f"is off in stack {stack.name}: one wrong change empties the broker"
        yield Finding(("broker", "protect"), text, "leave it out: outside of development it is on")
