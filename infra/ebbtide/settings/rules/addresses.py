"""Rules about addresses of brokers among the variables: they say of a transport what the transport says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.redis import RedisTransport
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.values.addresses import is_number, spelt_alike

if TYPE_CHECKING:
    from ebbtide.settings.models.doctrine import DoctrineTransport

_OF_A_TRANSPORT = re.compile(r"(?i)transport|messenger")
# Symfony's options that a transport has too: its field, and how many of the option's units are one of the field's.
_OPTIONS = {
    "redeliver_timeout": ("redeliver_timeout", 1),
    "claim_interval": ("claim_interval", 1000),
    "visibility_timeout": ("visibility_timeout", 1),
    "buffer_size": ("buffer_size", 1),
    "delete_after_ack": ("deletes_after_ack", 1),
}
_OF_POSTGRESQL = re.compile(r"(?i)(?:postgres(?:ql)?|pgsql)(?:\+\w+)?://")
# PgBouncer's port, and how poolers are called; Cloud SQL's own listens on 6432 too. Odyssey is a company's name and a
# game's as well: it is one by itself, or beside a word of databases.
_POOLER = re.compile(
    r"(?i):6432\b|pg-?bouncer|pg-?cat(?![a-z])|pg-?pool|supavisor|(?<![a-z])pooler(?![a-z])"
    r"|^odyssey(?:-?[0-9]+)?(?=[.:]|$)|^odyssey-(?:db|pg|postgres|pool|proxy)|(?:db|pg|postgres(?:ql)?)-odyssey"
)
_REDIS_PORT = 6379
_FALSE, _TRUE = ("0", "false", "off", "no", ""), ("1", "true", "on", "yes")


@consumer_rule(
    "V-34g",
    Level.ERROR,
    remedy="Write the same in both, or leave it out of the address.",
    source="Symfony's transports: what stands behind the question mark of a DSN wins over the transport's options; "
    "symfony/symfony#53406: a stream that is cut loses its oldest messages.",
)
def check_address_agrees(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What an address among the variables says of redelivery is what the transport says, by which the budget is
    judged; and it cuts no stream. Of an address in a Secret nobody here knows that: the image looks when it starts."""
    transport = consumer.transport
    if transport is None:
        return
    from ebbtide.image.ebbtide_supervisor.dsn import query_of  # noqa: PLC0415 - `check` starts without it

    for name, value in _addresses(consumer, transport).items():
        said = query_of(value)
        for option, (field, units) in _OPTIONS.items():
            wanted = _wanted(transport, field, units)
            if option in said and wanted is not None and not _is_same(said[option], wanted):
                yield Finding(
                    ("environment", name),
                    f"says {option}={said[option]}, and the transport's own is {wanted}: the address wins, and rules "
                    "hold the other",
                    "write the same in both, or leave it out of the address",
                )
        if said.get("stream_max_entries", "0") not in {"", "0"}:
            yield Finding(
                ("environment", name),
                "says stream_max_entries: when more messages wait, the oldest are gone",
                "leave it out; delete_after_ack keeps the stream short",
            )


@consumer_rule(
    "V-34h",
    Level.WARNING,
    remedy="Write the database's own address, or use_notify: false among the transport's options in messenger.yaml; "
    "accept this then, or where the pooler keeps sessions.",
    source="symfony/doctrine-messenger, PostgreSqlConnection: LISTEN, and then a look at the table every "
    "check_delayed_interval (60 s); use_notify is an option of DoctrineTransportFactory, and a DSN with it ends every "
    "worker; PgBouncer: LISTEN works with pool_mode=session only.",
)
def check_pooler_keeps_listening(consumer: ConsumerSettings) -> Iterator[Finding]:
    """An idle worker on PostgreSQL hears of a new message. Behind a pooler that gives a connection to somebody else
    after each transaction it does not: messages wait until the worker looks by itself, a minute by default."""
    transport: DoctrineTransport | None = of_kind(consumer.transport, "doctrine")
    if transport is None or transport.platform != "postgresql":
        return
    known: dict[Path, str] = {("transport", "address"): transport.address or ""}
    for name, value in consumer.environment.items():
        if _OF_POSTGRESQL.match(value):
            known["environment", name] = value
    for where, value in known.items():
        host = value.rpartition("://")[2].rpartition("@")[2].partition("/")[0]
        if _POOLER.search(host):
            yield Finding(
                where,
                "looks like a pooler's address: with one that pools transactions LISTEN is lost, and a message waits "
                "until an idle worker looks by itself, a minute by default",
                "write the database's own address, or accept this where the pooler keeps sessions",
            )


@consumer_rule(
    "V-59a",
    Level.WARNING,
    remedy="Write the same place in both.",
    source="KEDA counts what the transport names, and Symfony reads what its DSN names, over the transport's "
    "options (Connection::fromDsn of symfony/redis-messenger, Connection::buildConfiguration of doctrine-messenger).",
)
def check_address_is_counted(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What the workers' address names is what is counted: server, database and stream, or table and queue. Elsewhere
    nobody counts what waits, and what is counted nobody handles. What the address leaves out, the transport's options
    may say."""
    transport = consumer.transport
    if transport is None or not consumer.autoscaling.asks_transport:
        return
    found = _addresses(consumer, transport)
    if any(_OF_A_TRANSPORT.search(name) for name in consumer.secret_environment):
        return  # another variable may be the one that is read from
    elsewhere = {name: next(_elsewhere(transport, dsn), None) for name, dsn in found.items()}
    if found and None not in elsewhere.values():
        name, differs = next(iter(elsewhere.items()))
        yield Finding(
            ("environment", name), f"leads the workers to {differs} is counted", "write the same place in both"
        )


def _elsewhere(transport: TransportSettings, dsn: str) -> Iterator[str]:
    """What the address says, and what is counted instead."""
    from ebbtide.image.ebbtide_supervisor import dsn as image  # noqa: PLC0415 - `check` starts without it

    said = image.query_of(dsn)
    if isinstance(transport, RedisTransport):
        said["stream"] = next(iter(image.path_of(dsn)), said.get("stream", ""))
        try:
            found = image.redis_address(dsn)
        except ValueError:
            pass
        else:
            at, server = spelt_alike(f"{found.host}:{found.port or _REDIS_PORT}"), transport.server
            if server and not _may_be_one(at, server):
                yield f"{at}, and {server}"
    for option, field in transport.dsn_places.items():
        counted = getattr(transport, field)
        names = tuple(map(str, counted)) if isinstance(counted, tuple) else (str(counted),)
        if said.get(option) and names and said[option] not in names:
            yield f"{field} {said[option]}, and {', '.join(names)}"


def _may_be_one(at: str, server: str) -> bool:
    """Whether two addresses may be one server's: a name of one label is looked for in the pod's own namespace, and
    which address a name has nobody here knows."""
    (host, _, port), (other, _, other_port) = at.rpartition(":"), server.rpartition(":")
    if is_number(host) != is_number(other):
        return port == other_port
    return at == server or (port == other_port and "." not in host and other.startswith(f"{host}."))


def _addresses(consumer: ConsumerSettings, transport: TransportSettings) -> dict[str, str]:
    """The variables that hold a DSN of such a transport in plain text."""
    return {
        name: value
        for name, value in consumer.environment.items()
        if consumer.worker.is_symfony
        and _OF_A_TRANSPORT.search(name)
        and value.partition(":")[0].lower() in transport.dsn_schemes
    }


def _wanted(transport: TransportSettings, field: str, units: int) -> int | None:
    value = getattr(transport, field, None)
    return None if value is None else int(value) * units


def _is_same(said: str, wanted: int) -> bool:
    if said.lower() in (*_FALSE, *_TRUE) and wanted in (0, 1):
        return (said.lower() in _TRUE) == bool(wanted)
    # `90.0` is no whole number to Redis' transport (FILTER_VALIDATE_INT): it becomes 0, and all in hand comes again.
    return said == str(wanted)
