"""Rules about the server that a stack's broker is: what it keeps, what it is started with, which machine it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.broker import EVICTION, MAX_CONNECTIONS
from ebbtide.settings.models.brokered import is_protected
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import stack_rule
from ebbtide.settings.values.units import format_duration

if TYPE_CHECKING:
    from ebbtide.settings.models.cloud_sql import CloudSqlPostgres
    from ebbtide.settings.models.memorystore import MemorystoreValkey

# Cloud SQL, instance settings: what a custom machine may have.
_LEAST_MEBIBYTES = 3840
_MEBIBYTES_STEP = 256
_MOST_CPUS = 96
_MEBIBYTES_PER_CPU = (0.9 * 1024, 6.5 * 1024)
_LONGEST_POINT_IN_TIME_DAYS = 7
# Half of the least that Google's own defaults leave (400 connections on 7.5 GiB).
_LEAST_MEBIBYTES_PER_CONNECTION = 9.5
# Memorystore for Valkey, supported instance configurations (read in 2026). A newer one may be missing.
_CONFIGURATIONS = ("maxclients", "maxmemory", "maxmemory-clients", EVICTION, "notify-keyspace-events")
# And how PostgreSQL reads a boolean.
_COMMIT, _NOT_SYNCED = "synchronous_commit", frozenset({"off", "false", "no", "0"})
_SHARED_OR_CUSTOM = re.compile(r"db-(f1-micro|g1-small|custom-.*)")


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
    "BR-02e",
    Level.WARNING,
    remedy="Leave the flag out.",
    source="PostgreSQL, synchronous_commit: with off the disk is up to three times wal_writer_delay behind.",
)
def check_postgresql_loses_nothing(stack: StackSettings) -> Iterator[Finding]:
    """What a database has acknowledged is on disk."""
    broker = _cloud_sql(stack)
    if broker is not None and broker.flags.get(_COMMIT, "on").lower() in _NOT_SYNCED:
        text = f"may lose what was acknowledged just before the machine fails (got {broker.flags[_COMMIT]!r})"
        yield Finding(("broker", "flags", _COMMIT), text, "leave it out: on is PostgreSQL's default")


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
    "BR-02d",
    Level.WARNING,
    remedy="Leave out what Memorystore does not let anybody set.",
    source="Memorystore for Valkey, supported instance configurations.",
)
def check_configurations(stack: StackSettings) -> Iterator[Finding]:
    """What Valkey is started with is what Memorystore lets one set: it refuses the rest while it makes the broker."""
    broker = _valkey(stack)
    for name in broker.engine_configs if broker is not None else ():
        if name not in _CONFIGURATIONS:
            text = f"is no configuration in which this ebbtide knows Memorystore (got {name!r})"
            yield Finding(("broker", "engineConfigs", name), text, f"use one of {', '.join(_CONFIGURATIONS)}")


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
    if broker.tier.startswith("db-custom-") and not _is_sold(broker.cpus, broker.memory_mebibytes):
        yield Finding(
            ("broker", "tier"),
            f"is no size that Cloud SQL has (got {broker.tier}): 1 or an even number of CPUs up to 96, and 0.9 to "
            f"6.5 GiB for each in steps of 256 MiB, at least {_LEAST_MEBIBYTES} MiB",
            "write for example db-custom-2-7680",
        )
    if broker.point_in_time_days > _LONGEST_POINT_IN_TIME_DAYS and broker.edition == "ENTERPRISE":
        text = f"is more than the {_LONGEST_POINT_IN_TIME_DAYS} days of ENTERPRISE (got {broker.point_in_time_days})"
        yield Finding(("broker", "pointInTimeDays"), text, "write at most 7, or edition: ENTERPRISE_PLUS")


def _is_sold(cpus: int | None, memory: int | None) -> bool:
    if not cpus or not memory:
        return False
    least, most = (each * cpus for each in _MEBIBYTES_PER_CPU)
    is_even = cpus == 1 or cpus % 2 == 0
    is_a_step = memory % _MEBIBYTES_STEP == 0 and memory >= _LEAST_MEBIBYTES
    return is_even and cpus <= _MOST_CPUS and is_a_step and least <= memory <= most


@stack_rule(
    "BR-13c",
    Level.ERROR,
    remedy="Write it under maxConnections, and not among the flags.",
    source="ebbtide: a fact stands in one place; a flag would win, and connections were counted against the setting.",
)
def check_connections_are_said_once(stack: StackSettings) -> Iterator[Finding]:
    """How many connections a database takes is said where they are counted (BR-13)."""
    broker = _cloud_sql(stack)
    if broker is not None and MAX_CONNECTIONS in broker.flags:
        text = f"is a setting of its own, against which connections are counted (got {broker.flags[MAX_CONNECTIONS]!r})"
        remedy = f"write maxConnections: {broker.flags[MAX_CONNECTIONS]}"
        yield Finding(("broker", "flags", MAX_CONNECTIONS), text, remedy)


@stack_rule(
    "BR-13b",
    Level.WARNING,
    remedy="Write a larger tier, or fewer connections.",
    source="Cloud SQL's own defaults of max_connections leave 19 MiB and more for each; each is a process.",
)
def check_memory_of_connections(stack: StackSettings) -> Iterator[Finding]:
    """A database has the memory for as many connections as it takes: a full fleet must not end it for memory."""
    broker = _cloud_sql(stack)
    if broker is None or broker.max_connections is None or broker.memory_mebibytes is None:
        return
    each = broker.memory_mebibytes / broker.max_connections
    if each < _LEAST_MEBIBYTES_PER_CONNECTION:
        yield Finding(
            ("broker", "maxConnections"),
            f"leaves {each:.1f} MiB of {broker.tier} for each connection (got {broker.max_connections:,}): with all of "
            "them the server may run out of memory, and restarts",
            "write fewer, or a larger tier",
        )
