"""What a change does to a broker, and to the messages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.preview.change import GONE, MISSING, Operation, Path, PropertyChange, ResourceChange, text_of
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import DELETED, REPLACED, parse_pattern
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.settings.models.broker import EVICTION
from ebbtide.settings.models.cloud_sql import memory_mebibytes_of
from ebbtide.settings.models.memorystore import CAPACITY_GIGABYTES

VALKEY, REDIS = "gcp:memorystore/instance:Instance", "gcp:redis/instance:Instance"


POSTGRESQL, DATABASE = "gcp:sql/databaseInstance:DatabaseInstance", "gcp:sql/database:Database"


BROKERS = frozenset({VALKEY, REDIS, POSTGRESQL, DATABASE})


# What is spoken with each, as transports say it.
_SPEAKS = {VALKEY: "redis", REDIS: "redis", POSTGRESQL: "postgresql", DATABASE: "postgresql"}


_FIRST = (
    "first stop whoever sends, let the consumers empty it, and look (XLEN of each stream, rows of messenger_messages); "
    "or make the new one beside it, and remove the old one when it is empty"
)


@change_rule(
    "P-60",
    RiskLevel.DANGER,
    remedy="Empty it first, or make the new one beside it; keep it protected.",
    source="What cannot change in place: the provider's schema. A new instance begins empty.",
    tells={"DatabaseInstance": (DELETED, REPLACED), "Database": (DELETED, REPLACED)},
)
def check_broker_gone(context: Context) -> Iterator[Risk]:
    """A broker is deleted or replaced, and with it every message that waits in it or is in hand. Says how many may be
    in hand, how much it can hold, and what to do first; and where the Secret stays, that it names the old one."""
    for change in context.change.changes:
        if change.token not in BROKERS or change.operation not in GONE or change.is_retained:
            continue  # Of one that stays P-01a speaks.
        why = ", ".join(".".join(map(str, found.path)) for found in change.properties if found.replaces)
        verb = (
            "is deleted"
            if change.operation is Operation.DELETE
            else f"is made anew{f' because of {why}' if why else ''}"
        )
        sentence = f"{change.kind} {change.title} {verb}: every message in it is lost, {_holds(change, context)}"
        yield Risk(change.title, sentence, _FIRST, change.key)
        if change.token == VALKEY and change.operation is Operation.REPLACE:
            yield from _secret_that_stays(change, context)


def _secret_that_stays(change: ResourceChange, context: Context) -> Iterator[Risk]:
    """GKE writes a Secret once (its rotation is off here), and pods read it when they start. Of one that changes in the
    same update nothing is said: it is written anew."""
    for kept in context.change.standing:
        if is_of(kept, "SecretSync"):
            sentence = f"Secret {kept.title} still says where the old one was, and so do the pods that read it"
            yield Risk(change.title, sentence, "raise broker.secret.version in the same change", change.key)


def _holds(change: ResourceChange, context: Context) -> str:
    """How many messages could be in it. Of one that goes for good, whoever speaks its protocol has read from it until
    now: the settings of the head name another broker."""
    goes = change.operation is Operation.DELETE
    in_hand = sum(
        consumer.autoscaling.max_replicas * consumer.worker.processes * consumer.worker.taken(consumer.transport)
        for consumer in context.consumers.values()
        if consumer.transport is not None
        and consumer.transport.protocol == _SPEAKS[change.token]
        and (goes or consumer.transport.own_address is None)
    )
    node = str(change.old.get("nodeType", ""))
    room = f", with room for {CAPACITY_GIGABYTES[node]:g} GB" if node in CAPACITY_GIGABYTES else ""
    hands = f"up to {in_hand:,} in hand and " if in_hand else ""
    return f"{hands}all that wait{room}"


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one property of a broker does when it changes."""

    worse: str
    """Said where it gets worse: the sentence's end, after what changed."""
    better: str = ""
    """Said otherwise; empty for nothing."""
    is_worse: Callable[[Any, Any], bool] = lambda old, new: True  # noqa: ARG005
    level: RiskLevel = RiskLevel.DANGER
    """Of what gets worse."""
    better_level: RiskLevel = RiskLevel.INFO
    may_empty: bool = False
    """Whether messages that are in it may be lost or refused."""


def _lower(old: Any, new: Any) -> bool:
    return _number(new) < _number(old)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("-inf")


def _falls(*best_last: str) -> Callable[[Any, Any], bool]:
    """Whether a value goes down in this order, or to or from one that nobody here knows: Google may add one, and that
    more is kept now is not for us to say."""
    order = {name: place for place, name in enumerate(best_last)}
    return lambda old, new: order.get(text_of(new), -1) < order.get(text_of(old), -1 if old is MISSING else len(order))


def _evicts(_: Any, new: Any) -> bool:
    return bool(new != "noeviction")


def _smaller_node(old: Any, new: Any) -> bool:
    return CAPACITY_GIGABYTES.get(text_of(new), 0) < CAPACITY_GIGABYTES.get(text_of(old), float("inf"))


def _smaller_machine(old: Any, new: Any) -> bool:
    return (memory_mebibytes_of(str(new)) or 0) < (memory_mebibytes_of(str(old)) or float("inf"))


def _said_off(old: Any, new: Any) -> bool:  # noqa: ARG001
    """Of what is on where nobody states it."""
    return new is False


def _switched_off(old: Any, new: Any) -> bool:  # noqa: ARG001
    return new is not True


_DROPS = "its connections are dropped for seconds; workers wait and reconnect"


_RESTARTS = "it restarts, for a minute or two nobody is answered; workers wait and reconnect"


_BY_HAND = "one wrong change can delete it"


_VALKEY: Mapping[str, _Judged] = {
    "nodeType": _Judged(
        "it holds less: what waits may no longer fit, and then the change fails or whoever sends is refused",
        _DROPS,
        _smaller_node,
        better_level=RiskLevel.DISRUPTIVE,
        may_empty=True,
    ),
    "replicaCount": _Judged("fewer copies are there to take over when a node fails", "a copy is added", _lower),
    "persistenceConfig.mode": _Judged(
        "less is on disk: a failed node loses messages that were acknowledged",
        "more is on disk",
        _falls("DISABLED", "RDB", "AOF"),
        may_empty=True,
    ),
    "persistenceConfig.aofConfig.appendFsync": _Judged(
        "what was acknowledged in the last moments may be lost with a node",
        "more is on disk before it is acknowledged",
        _falls("NEVER", "EVERY_SEC", "ALWAYS"),
    ),
    "persistenceConfig.rdbConfig.rdbSnapshotPeriod": _Judged(
        "a failed node loses all that came since the last snapshot",
        "snapshots are closer together",
        _falls("TWENTY_FOUR_HOURS", "TWELVE_HOURS", "SIX_HOURS", "ONE_HOUR"),
    ),
    f"engineConfigs[{EVICTION}]": _Judged(
        "a full broker drops messages without a word", "a full broker refuses, and drops nothing", _evicts
    ),
    "engineVersion": _Judged(
        "Google lowers no version: the update fails",
        _DROPS,
        _falls("VALKEY_7_2", "VALKEY_8_0", "VALKEY_9_0"),
        better_level=RiskLevel.DISRUPTIVE,
    ),
    "deletionProtectionEnabled": _Judged(_BY_HAND, "Google refuses to delete it", _switched_off),
}


_BACKUP = "settings.backupConfiguration"


_POSTGRESQL: Mapping[str, _Judged] = {
    "databaseVersion": _Judged(
        "Google lowers no version: the update fails",
        "it is upgraded in place, for minutes nobody is answered; workers wait and reconnect",
        _falls("POSTGRES_9_6", *(f"POSTGRES_{number}" for number in range(10, 30))),
        better_level=RiskLevel.DISRUPTIVE,
    ),
    "settings.tier": _Judged(
        f"a smaller machine takes fewer connections and is slower; {_RESTARTS}",
        _RESTARTS,
        _smaller_machine,
        better_level=RiskLevel.DISRUPTIVE,
        may_empty=True,
    ),
    "settings.edition": _Judged(_RESTARTS, level=RiskLevel.DISRUPTIVE),
    "settings.availabilityType": _Judged(
        "no copy takes over when its zone fails", "a copy in another zone takes over", _falls("ZONAL", "REGIONAL")
    ),
    "settings.databaseFlags.max_connections.value": _Judged(
        f"workers may be refused; {_RESTARTS}", _RESTARTS, _lower, better_level=RiskLevel.DISRUPTIVE
    ),
    "settings.diskAutoresize": _Judged("a full disk stops it", "it grows by itself", _switched_off),
    "settings.diskSize": _Judged("a disk cannot shrink: it would be made anew", "it has more room", _lower),
    "settings.ipConfiguration.ipv4Enabled": _Judged(
        "it gets a public address",
        "it has no public address",
        lambda old, new: new is not False,  # noqa: ARG005
    ),
    "settings.ipConfiguration.sslMode": _Judged(
        "connections may be unencrypted",
        "connections must be encrypted",
        _falls("ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"),
    ),
    f"{_BACKUP}.enabled": _Judged("it is no longer backed up", "it is backed up", _switched_off),
    f"{_BACKUP}.pointInTimeRecoveryEnabled": _Judged(
        "no moment can be restored any more", "any moment can be restored", _switched_off
    ),
    f"{_BACKUP}.transactionLogRetentionDays": _Judged(
        "older moments can no longer be restored", "older moments can be restored", _lower
    ),
    f"{_BACKUP}.backupRetentionSettings.retainedBackups": _Judged(
        "older backups are deleted", "more backups are kept", _lower
    ),
    "settings.finalBackupConfig.enabled": _Judged("nothing is kept of it when it is deleted", "", _switched_off),
    "settings.finalBackupConfig.retentionDays": _Judged("its last backup is kept for less long", "", _lower),
    "settings.deletionProtectionEnabled": _Judged(_BY_HAND, "Google refuses to delete it", _switched_off),
    # The provider's own default is true; the API's, in the settings above, false.
    "deletionProtection": _Judged(_BY_HAND, "the provider refuses to delete it", _said_off),
}


_JUDGED = {VALKEY: _VALKEY, POSTGRESQL: _POSTGRESQL}


@change_rule(
    "P-61",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    RiskLevel.INFO,
    remedy="Keep the old value; or empty the broker first, and choose the time.",
    source="Memorystore for Valkey and Cloud SQL: scaling, persistence, versions, availability, protection.",
    reads={"Instance": tuple(_VALKEY), "DatabaseInstance": tuple(_POSTGRESQL)},
)
def check_broker_changes(context: Context) -> Iterator[Risk]:
    """A broker keeps less, holds less, takes fewer connections, is less protected, or restarts. What makes it better
    is said too."""
    for token, judged in _JUDGED.items():
        for change in context.change.changes:
            if change.token != token or change.operation is not Operation.UPDATE:
                continue
            for pattern, what in judged.items():
                for found in _values(change, parse_pattern(pattern)):
                    yield from _judge(change, found, what, _holds(change, context))


def _values(change: ResourceChange, pattern: Path) -> Iterator[PropertyChange]:
    """What changes at this place, also where it comes or goes with what holds it."""
    for found in change.properties:
        if found.path == pattern[: len(found.path)]:
            old, new = (_below(side, pattern[len(found.path) :]) for side in (found.old, found.new))
            # The text `true` is true to Google.
            if _show(old) != _show(new):
                yield PropertyChange(pattern, old, new)


def _below(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, list):
            value = next(
                (entry for entry in value if isinstance(entry, Mapping) and entry.get("name") == part), MISSING
            )
        else:
            value = value.get(part, MISSING) if isinstance(value, Mapping) else MISSING
    return value


def _judge(change: ResourceChange, found: PropertyChange, what: _Judged, holds: str) -> Iterator[Risk]:
    worse = what.is_worse(found.old, found.new)
    words = what.worse if worse else "" if found.old is MISSING else what.better
    if not words:
        return
    name = ".".join(str(part) for part in found.path if part not in {"settings", "value"})
    moved = f"{name} {_show(found.old)} → {_show(found.new)}"
    advice = ""
    if worse and what.level is RiskLevel.DANGER:
        words += f" ({holds})" if what.may_empty else ""
        advice = f"keep the old value, or {_FIRST}" if what.may_empty else "keep the old value"
    level = what.level if worse else what.better_level
    yield Risk(change.title, f"{change.kind} {change.title}, {moved}: {words}", advice, change.key, level)


def _show(value: Any) -> str:
    return "(none)" if value is MISSING else str(value).lower() if isinstance(value, bool) else str(value)
