"""A broker that would lose messages, or that its consumers cannot use, is refused in one line before anything is
made."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ValidationError
from tests.manifests.google.cases import CONSUMER, GOOGLE, REDIS, TABLE

from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.settings.models.brokered import connections_of, endpoint_range, is_protected, made_broker, maintenance_of
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.broker import _REGIONS

STANDARD = {"kind": "gkeStandard"}
VALKEY, POSTGRES = {"kind": "memorystoreValkey"}, {"kind": "cloudSqlPostgres"}
EXISTING = {"kind": "existing", "protocol": "redis", "address": "10.20.0.7:6379", "secret": "broker-v1"}
SHARED = {"network": "projects/acme-shop/global/networks/queues", "addresses": "10.9.0.0/28"}


def stack(broker: dict[str, Any], consumer: dict[str, Any] = REDIS, **more: Any) -> StackSettings:
    base = {"name": "shop", "google": GOOGLE, "cluster": STANDARD, "broker": broker, "consumers": {"events": consumer}}
    return StackSettings.model_validate({**base, **more})


def refused(broker: dict[str, Any], consumer: dict[str, Any] = REDIS, **more: Any) -> list[Finding]:
    with pytest.raises(ValidationError) as caught:
        stack(broker, consumer, **more)
    return [finding for error in caught.value.errors() for finding in error["ctx"]["findings"]]


def found(settings: StackSettings, rule: str) -> list[Finding]:
    return [finding for finding in run_rules(rules_on(StackSettings), settings) if finding.rule == rule]


MYSQL = {**TABLE, "transport": {**TABLE["transport"], "platform": "mysql"}}
BIG = {**CONSUMER, "autoscaling": {"kind": "fixed", "replicas": 40}}
MANY = {**BIG, "transport": REDIS["transport"], "worker": {**CONSUMER["worker"], "processes": 400}}


@pytest.mark.parametrize(
    ("broker", "consumer", "more", "rule", "parts"),
    [
        ({**VALKEY, "persistence": "DISABLED"}, REDIS, {}, "BR-02", ["broker.persistence", "nothing on disk"]),
        (
            {**VALKEY, "engineConfigs": {"maxmemory-policy": "volatile-lru"}},
            REDIS,
            {},
            "BR-02",
            ["maxmemory-policy", "'volatile-lru'", "drops messages"],
        ),
        ({**VALKEY, "persistence": "RDB", "appendFsync": "ALWAYS"}, REDIS, {}, "BR-02b", ["appendFsync", "AOF"]),
        ({**VALKEY, "snapshotPeriod": "ONE_HOUR"}, REDIS, {}, "BR-02b", ["snapshotPeriod", "RDB"]),
        ({**POSTGRES, "edition": "ENTERPRISE_PLUS"}, TABLE, {}, "BR-10", ["db-custom-2-7680", "ENTERPRISE_PLUS"]),
        ({**POSTGRES, "tier": "db-perf-optimized-N-2"}, TABLE, {}, "BR-10", ["edition: ENTERPRISE_PLUS"]),
        ({**POSTGRES, "tier": "db-custom-3-7680"}, TABLE, {}, "BR-10", ["no size that Cloud SQL has"]),
        ({**POSTGRES, "tier": "db-custom-2-7000"}, TABLE, {}, "BR-10", ["steps of 256 MiB"]),
        ({**POSTGRES, "pointInTimeDays": 14}, TABLE, {}, "BR-10", ["7 days of ENTERPRISE"]),
        (VALKEY, MANY, {}, "BR-13", ["broker.nodeType: takes 16,000 connections", "16,002", "would be refused"]),
        (
            {**VALKEY, "engineConfigs": {"maxclients": "15"}},
            REDIS,
            {},
            "BR-13",
            ["broker.engineConfigs.maxclients: takes 15 connections", "18"],
        ),
        ({**EXISTING, "maxConnections": 10}, REDIS, {}, "BR-13", ["broker.maxConnections: takes 10 connections", "18"]),
        (POSTGRES, REDIS, {}, "BR-40", ["transport.kind", "speaks redis", "broker postgresql"]),
        (VALKEY, {**CONSUMER, "transport": {"kind": "rabbitmq"}}, {}, "BR-40", ["speaks amqp"]),
        (POSTGRES, MYSQL, {}, "BR-40", ["transport.kind", "speaks mysql", "broker postgresql (got doctrine)"]),
        (
            VALKEY,
            {**REDIS, "secretEnvironment": {"MESSENGER_TRANSPORT_DSN": {"secret": "own", "key": "dsn"}}},
            {},
            "BR-41",
            ["secretEnvironment.MESSENGER_TRANSPORT_DSN", "another broker"],
        ),
        (
            POSTGRES,
            {**TABLE, "environment": {"DATABASE_URL": "postgresql://elsewhere"}},
            {},
            "BR-41",
            ["environment.DATABASE_URL", "another broker"],
        ),
        ({**VALKEY, "provides": {"REDIS_URL": "url"}}, REDIS, {}, "BR-43", ["'url'", "dsn, address"]),
        (
            VALKEY,
            {**REDIS, "secretEnvironment": {"TOKEN": {"secret": "broker-v1", "key": "token"}}},
            {},
            "BR-43",
            ["'token' of broker-v1", "rename your Secret"],
        ),
        (VALKEY, REDIS, {"cluster": {**STANDARD, "kubernetesVersion": "1.33"}}, "BR-44", ["1.34", "1.33"]),
        (
            {**VALKEY, "network": SHARED, "secret": {"sync": True}},
            REDIS,
            {"cluster": {"kind": "existing"}},
            "BR-44",
            ["secret sync", "platform"],
        ),
        (VALKEY, REDIS, {"cluster": {"kind": "existing", "platform": "gkeStandard"}}, "BR-45", ["broker.network"]),
        ({**VALKEY, "network": SHARED}, REDIS, {}, "BR-45", ["broker.network", "remove it"]),
        (
            {**VALKEY, "network": {**SHARED, "addresses": "10.9.0.0/30"}},
            REDIS,
            {"cluster": {"kind": "existing"}},
            "BR-45",
            ["10.9.0.0/30", "/28"],
        ),
        (
            {**POSTGRES, "flags": {"max_connections": "100"}},
            TABLE,
            {},
            "BR-13c",
            ["broker.flags.max_connections", "write maxConnections: 100"],
        ),
        (
            {**POSTGRES, "network": {**SHARED, "connectionPolicy": "existing"}},
            TABLE,
            {"cluster": {"kind": "existing"}},
            "BR-45",
            ["broker.network.connectionPolicy", "cloudSqlPostgres", "remove it"],
        ),
        (VALKEY, REDIS, {"google": None, "cluster": {"kind": "existing"}}, "G-01", ["broker.kind", "gcp:project"]),
    ],
)
def test_what_would_lose_messages_or_could_not_work_is_refused(broker, consumer, more, rule, parts):
    findings = [finding for finding in refused(broker, consumer, **more) if finding.rule == rule]
    assert findings, f"no {rule}"
    text = str(findings[0])
    assert "\n" not in text
    assert all(part in text for part in parts), text


@pytest.mark.parametrize(
    ("size", "exists"),
    [
        ("1-3584", False),
        ("1-3840", True),
        ("1-6656", True),
        ("1-6912", False),
        ("2-3840", True),
        ("2-13312", True),
        ("2-13568", False),
        ("2-7808", False),
        ("3-7680", False),
        ("6-5376", False),
        ("6-5632", True),
        ("96-98304", True),
        # 0.9 GiB are 921.6 MiB.
        ("10-9216", True),
        ("50-46080", True),
        ("50-45824", False),
        ("98-100352", False),
        ("0-3840", False),
        ("2", False),
    ],
)
def test_a_custom_machine_has_a_size_that_cloud_sql_sells(size, exists):
    """By its CPUs: one or an even number up to 96; by its memory: 0.9 to 6.5 GiB for each, in steps, 3.75 at least."""
    broker = {**POSTGRES, "tier": f"db-custom-{size}"}
    if exists:
        assert stack(broker, TABLE)
    else:
        assert [one.path for one in refused(broker, TABLE) if one.rule == "BR-10"] == [("broker", "tier")]


def test_of_other_secrets_than_the_brokers_nobody_knows_the_keys():
    own = {"secretEnvironment": {"TOKEN": {"secret": "mail-v1", "key": "token"}}}
    assert stack(VALKEY, {**REDIS, **own})


def test_a_broker_alone_needs_no_secret_in_the_cluster_yet():
    assert stack(VALKEY, cluster={**STANDARD, "kubernetesVersion": "1.33"}, consumers={})


@pytest.mark.parametrize(
    ("broker", "parts"),
    [
        ({**VALKEY, "version": "VALKEY_6_2"}, ["'VALKEY_7_2', 'VALKEY_8_0' or 'VALKEY_9_0'"]),
        ({**POSTGRES, "version": "POSTGRES_19"}, ["'POSTGRES_18'"]),
        ({**EXISTING, "address": "broker.example.com:6379"}, ["reachedAt", "no network policy can open it"]),
        ({**EXISTING, "address": "10.20.0.7:99999"}, ["no port of TCP"]),
    ],
)
def test_what_google_does_not_have_is_refused_by_its_type(broker, parts):
    with pytest.raises(ValidationError) as caught:
        stack(broker)
    (error,) = caught.value.errors()
    text = error["msg"] + str(error.get("ctx", {}).get("remedy", "")) + str(error.get("ctx", {}).get("expected", ""))
    assert all(part in text for part in parts), error


@pytest.mark.parametrize(
    ("broker", "more", "rule", "parts"),
    [
        ({**VALKEY, "appendFsync": "EVERY_SEC"}, {}, "BR-02a", ["last 1s"]),
        ({**VALKEY, "persistence": "RDB"}, {}, "BR-02a", ["last 1h"]),
        ({**POSTGRES, "flags": {"synchronous_commit": "off"}}, {}, "BR-02e", ["flags.synchronous_commit", "'off'"]),
        ({**POSTGRES, "flags": {"synchronous_commit": "OFF"}}, {}, "BR-02e", ["flags.synchronous_commit", "'OFF'"]),
        ({**VALKEY, "replicas": 0}, {}, "BR-02c", ["replicas", "comes back from its disk"]),
        ({**VALKEY, "nodeType": "SHARED_CORE_NANO"}, {}, "BR-02c", ["no SLA"]),
        ({**EXISTING, "maxConnections": 30}, {}, "BR-13a", ["30 connections", "34"]),
        (VALKEY, {"google": {**GOOGLE, "region": "mars-north1"}}, "BR-46", ["mars-north1"]),
        ({**VALKEY, "maintenance": {"day": "MO", "hour": 3}}, {}, "BR-47", ["MO at 3:00"]),
        ({**VALKEY, "protect": False}, {}, "BR-48", ["off in stack shop"]),
        ({**VALKEY, "engineConfigs": {"appendonly": "no"}}, {}, "BR-02d", ["'appendonly'", "maxmemory-policy"]),
    ],
)
def test_what_keeps_less_than_it_could_is_said(broker, more, rule, parts):
    consumer = TABLE if broker["kind"] == "cloudSqlPostgres" else REDIS
    (finding,) = found(stack(broker, consumer, **more), rule)
    assert finding.level is Level.WARNING
    assert all(part in str(finding) for part in parts), str(finding)


@pytest.mark.parametrize(("most", "is_said"), [(None, False), (808, False), (809, True), (200_000, True)])
def test_a_database_has_the_memory_for_the_connections_that_it_takes(most: int | None, is_said: bool):
    findings = found(stack({**POSTGRES, "maxConnections": most}, TABLE), "BR-13b")
    assert [finding.level for finding in findings] == [Level.WARNING] * is_said
    assert all("MiB of db-custom-2-7680 for each connection" in str(finding) for finding in findings)


def test_a_consumer_that_says_nothing_of_its_transport_is_told_no_address():
    (finding,) = found(stack(VALKEY, CONSUMER), "BR-42")
    assert "consumers.events.transport" in str(finding)


@pytest.mark.parametrize("broker", [VALKEY, {**EXISTING, "maxConnections": 1000}])
def test_the_defaults_are_silent(broker):
    findings = run_rules(rules_on(StackSettings), stack(broker))
    assert [str(one) for one in findings if one.rule.startswith("BR-")] == []


@pytest.mark.parametrize(
    ("name", "written", "protected"),
    [
        ("shop", None, True),
        ("production", None, True),
        ("dev", None, False),
        ("dev-anna", None, False),
        ("review-17", None, False),
        ("developers", None, True),
        ("shop", False, False),
        ("dev", True, True),
    ],
)
def test_a_broker_is_protected_everywhere_but_in_development(name, written, protected):
    settings = stack({**VALKEY, "protect": written}, name=name)
    assert is_protected(settings, made_broker(settings)) is protected


def test_its_window_ends_before_nodes_are_upgraded():
    for start, days, when in (
        ("02:00", ["TU", "MO"], ("MO", 1)),
        ("00:00", ["MO", "TU", "WE", "TH"], ("SU", 23)),
        ("22:30", ["SA", "SU"], ("SA", 21)),
    ):
        settings = stack(VALKEY, cluster={**STANDARD, "maintenance": {"start": start, "days": days, "duration": "12h"}})
        window = maintenance_of(settings, made_broker(settings))
        assert (window.day, window.hour) == when


@pytest.mark.parametrize(
    ("start", "day", "hour", "at_once"),
    [
        ("02:00", "MO", 2, True),
        ("02:00", "MO", 1, False),
        ("02:00", "MO", 13, True),
        ("02:00", "MO", 14, False),
        ("02:05", "MO", 14, True),
        ("02:00", "WE", 3, False),
        # The hour of the broker is not over when the nodes' window opens.
        ("02:05", "MO", 2, True),
        ("02:05", "MO", 1, False),
        # Over midnight the window is open on the next day, which is none on which it opens.
        ("22:30", "TU", 21, False),
        ("22:30", "TU", 22, True),
        ("22:30", "TU", 9, True),
        ("22:30", "WE", 9, True),
        ("22:30", "WE", 10, True),
        ("22:30", "WE", 11, False),
        ("22:30", "MO", 9, False),
    ],
)
def test_broker_and_nodes_that_are_maintained_at_once_are_said(start, day, hour, at_once):
    window = {"start": start, "days": ["MO", "TU"], "duration": "12h"}
    broker = {**VALKEY, "maintenance": {"day": day, "hour": hour}}
    findings = found(stack(broker, cluster={**STANDARD, "maintenance": window}), "BR-47")
    assert [one.path for one in findings] == ([("broker", "maintenance")] if at_once else [])


@pytest.mark.parametrize("start", ["22:30", "02:00"])
def test_a_week_begins_where_it_ends(start):
    """On Sunday evening for Monday's small hours, and on Monday for what opens then."""
    window = {"start": start, "days": ["SU"], "duration": "12h"}
    at = {day: {**VALKEY, "maintenance": {"day": day, "hour": 3}} for day in ("SU", "MO")}
    said = [day for day, one in at.items() if found(stack(one, cluster={**STANDARD, "maintenance": window}), "BR-47")]
    assert said == (["MO"] if start == "22:30" else ["SU"])


def test_no_region_that_is_known_is_misspelt():
    """Who writes the right one would be warned. Google's are a part of the world, where in it, and a number."""
    world = "africa|asia|australia|europe|me|northamerica|southamerica|us"
    assert [
        one for one in _REGIONS if not re.fullmatch(f"({world})-(central|(north|south)?(east|west)?)\\d+", one)
    ] == []


@pytest.mark.parametrize("network", [{}, {"maxNodes": 20, "maxPodsPerNode": 8}, {"addresses": "10.0.0.0/11"}])
def test_its_addresses_overlap_with_none_of_the_clusters(network):
    settings = stack(VALKEY, cluster={**STANDARD, "network": network})
    own, ranges = ip_network(endpoint_range(settings, made_broker(settings))), settings.cluster.network.ranges
    assert not any(own.overlaps(used) for used in (ranges.nodes, ranges.pods, ranges.services))
    assert own.subnet_of(ip_network(settings.cluster.network.addresses))


def test_connections_are_counted_with_helper_keda_and_both_fleets():
    recovering = {**REDIS, "transport": {**REDIS["transport"], "recover": True}}
    assert connections_of(stack(VALKEY, REDIS)) == (2 * 8 + 2, 4 * 8 + 2)
    assert connections_of(stack(VALKEY, recovering)) == (2 * 9 + 2, 4 * 9 + 2)


def test_what_the_broker_tells_a_transport_is_never_written():
    with pytest.raises(ValidationError, match="told by the stack's broker"):
        stack(VALKEY, {**REDIS, "transport": {**REDIS["transport"], "ofStack": {"says": []}}})


BY_KEDA = {**REDIS, "autoscaling": {"kind": "keda", "maxReplicas": 4}}
STREAM = {"kind": "redis", "stream": "events", "redeliverTimeout": "60s", "claimInterval": "15s"}
AT_RABBITMQ = {"kind": "rabbitmq", "queue": "events"}


@pytest.mark.parametrize(
    ("broker", "transport", "about"),
    [
        ({**VALKEY, "version": "VALKEY_6_0"}, STREAM, "version"),
        ({**POSTGRES, "version": 16}, TABLE["transport"], "version"),
        ({**VALKEY, "persistence": "aof"}, STREAM, "persistence"),
        ({"kind": "valkey"}, STREAM, "broker"),
        ([VALKEY, POSTGRES], STREAM, "broker"),
    ],
)
def test_a_broker_that_is_refused_is_the_only_thing_that_is_said(broker: Any, transport: Any, about: str) -> None:
    """Not also that KEDA is told no address, which is what the broker is for."""
    with pytest.raises(ValidationError) as caught:
        stack(broker, {**BY_KEDA, "transport": transport}, cluster={**STANDARD, "keda": {"version": "2.20.2"}})
    (error,) = caught.value.errors()
    assert about in error["loc"]


@pytest.mark.parametrize("transport", [TABLE["transport"], AT_RABBITMQ], ids=["doctrine", "rabbitmq"])
def test_a_transport_that_speaks_otherwise_than_the_broker_is_told_so_and_not_to_give_an_address(
    transport: Any,
) -> None:
    consumer = {**BY_KEDA, "transport": transport}
    findings = refused(VALKEY, consumer, cluster={**STANDARD, "keda": {"version": "2.20.2"}})
    assert [finding.rule for finding in findings if finding.level is Level.ERROR] == ["BR-40"]


def test_a_table_of_mysql_reads_from_a_broker_that_is_one():
    existing = {"kind": "existing", "protocol": "mysql", "address": "10.20.0.8:3306", "secret": "db-v1"}
    transport = {**MYSQL["transport"], "database": "shop", "username": "keda"}
    shop = stack({**existing, "passwordKey": "password"}, {**MYSQL, "transport": transport})
    (consumer,) = shop.consumers.values()
    assert shop.broker_of(consumer) is shop.broker
    (trigger,) = consumer.transport.demand(5, from_zero=True).triggers
    assert (trigger.type, trigger.metadata["host"], trigger.metadata["port"]) == ("mysql", "10.20.0.8", "3306")
    assert trigger.secrets["password"].secret == "db-v1"
