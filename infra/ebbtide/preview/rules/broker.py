"""What a change does to a broker, and to the messages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.preview.change import (
    MISSING,
    UNKNOWN,
    Operation,
    Path,
    PropertyChange,
    ResourceChange,
    entries,
    mapping,
    text_of,
)
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import DELETED, REPLACED, overlaps, parse_pattern
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.settings.models.cloud_sql import memory_mebibytes_of
from ebbtide.settings.models.memorystore import CAPACITY_GIGABYTES, EVICTION

VALKEY, REDIS = "gcp:memorystore/instance:Instance", "gcp:redis/instance:Instance"
POSTGRESQL, DATABASE = "gcp:sql/databaseInstance:DatabaseInstance", "gcp:sql/database:Database"
_RANDOM, _USER = "random:index/randomPassword:RandomPassword", "gcp:sql/user:User"
_SECRET = "gcp:secretmanager/secret:Secret"  # noqa: S105
_VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
BROKERS = frozenset({VALKEY, REDIS, POSTGRESQL, DATABASE})
# What is spoken with each, as transports say it.
_SPEAKS = {VALKEY: "redis", REDIS: "redis", POSTGRESQL: "postgresql", DATABASE: "postgresql"}
_GONE = (Operation.DELETE, Operation.REPLACE)
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
    in hand, how much it can hold, and what to do first."""
    for change in context.change.changes:
        if change.token not in BROKERS or change.operation not in _GONE:
            continue
        why = ", ".join(".".join(map(str, found.path)) for found in change.properties if found.replaces)
        verb = (
            "is deleted"
            if change.operation is Operation.DELETE
            else f"is made anew{f' because of {why}' if why else ''}"
        )
        sentence = f"{change.kind} {change.title} {verb}: every message in it is lost, {_holds(change, context)}"
        yield Risk(change.title, sentence, _FIRST, change.key)


def _holds(change: ResourceChange, context: Context) -> str:
    """How many messages could be in it."""
    in_hand = sum(
        consumer.autoscaling.max_replicas * consumer.worker.processes * consumer.worker.taken(consumer.transport)
        for consumer in context.consumers.values()
        if consumer.transport is not None
        and consumer.transport.speaks == _SPEAKS[change.token]
        and consumer.transport.own_address is None
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
    "deletionProtection": _Judged(_BY_HAND, "the provider refuses to delete it", _switched_off),
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
        if found.path == pattern[: len(found.path)] and overlaps(found.path, pattern):
            old, new = (_below(side, pattern[len(found.path) :]) for side in (found.old, found.new))
            if old != new:
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
    if not words or found.new is UNKNOWN:
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


@change_rule(
    "P-62",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    RiskLevel.INFO,
    remedy="Rotate while the queue is quiet, and look that the new pods work before the old Secret is gone.",
    source="PostgreSQL asks for a password when a connection begins, and never again; GKE, secret sync.",
    tells={
        "RandomPassword": (REPLACED,),
        "User": ("password", DELETED, REPLACED),
        "Secret": (DELETED, REPLACED),
        "SecretSync": (DELETED, REPLACED),
        "SecretVersion": (DELETED, REPLACED, "secretData"),
    },
    reads={
        "SecretSync": ("spec.secretObject.data.*.targetKey", "spec.secretObject.data.*.sourcePath"),
        "Cluster": ("secretSyncConfig.enabled",),
    },
)
def check_credentials(context: Context) -> Iterator[Risk]:
    """The broker's credentials change or go. A new version gets a Secret of a new name, whose pods replace the old."""
    for change in context.change.changes:
        gone = change.operation is Operation.DELETE
        if change.token == _RANDOM and change.operation is Operation.REPLACE:
            sentence = (
                f"password {change.title} is made anew: a worker of an old pod that reconnects is refused from then "
                "on; messages in hand keep their connection"
            )
            yield Risk(change.title, sentence, "rotate while the queue is quiet", change.key, RiskLevel.DISRUPTIVE)
        elif change.kind == "SecretSync" and gone:
            sentence = f"Secret {change.title} is no longer written, and goes: pods that read it do not start"
            yield Risk(change.title, sentence, "make sure that nobody reads it", change.key)
        elif change.kind == "SecretSync" and change.operation is Operation.REPLACE:
            sentence = f"the broker's Secret gets a new name, {change.title}: it is written before its pods start"
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)
        elif change.kind == "SecretSync" and (lost := _keys(change.old) - _keys(change.new)) and change.new:
            sentence = f"Secret {change.title} loses {', '.join(sorted(lost))}: pods that read it do not start"
            yield Risk(change.title, sentence, "make sure that nobody reads it", change.key)
        else:
            yield from _check_source_of_credentials(change, context)


def _check_source_of_credentials(change: ResourceChange, context: Context) -> Iterator[Risk]:
    """Where they come from: the user of the database, and Secret Manager."""
    if change.token == _USER and change.operation in _GONE:
        sentence = f"user {change.title} of the database goes: its consumers can no longer log in"
        yield Risk(change.title, sentence, "keep it", change.key)
    elif change.token == _USER and change.touches("password"):
        sentence = (
            f"the password of user {change.title} changes: a worker with the old one that reconnects is refused "
            "from then on; messages in hand keep their connection"
        )
        advice = "rotate while the queue is quiet, and restart whoever has the old one"
        yield Risk(change.title, sentence, advice, change.key, RiskLevel.DISRUPTIVE)
    elif change.token == _VERSION and change.operation is Operation.DELETE:
        sentence = f"{change.title} goes, and with it a value of its secret: a pod that reads it does not start"
        yield Risk(change.title, sentence, "make sure that nobody reads it when it starts", change.key)
    elif change.token == _VERSION and _is_news(change, context):
        sentence = f"secret {_secret_of(change)} gets another value: pods that run keep the one that they have read"
        yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)
    elif change.token == _SECRET and change.operation in _GONE:
        yield from _secret_goes(change, context)
    elif is_of(change, "Cluster") and _sync_ends(change) and not any(context.of("SecretSync", Operation.DELETE)):
        sentence = (
            f"cluster {change.title} writes no Secrets from Secret Manager any more: a pod that needs one that is "
            "not there yet does not start"
        )
        yield Risk(change.title, sentence, "keep secretSyncConfig.enabled", change.key)


def _is_news(version: ResourceChange, context: Context) -> bool:
    """Whether a version has another value, and nobody hands it on under a new name."""
    other = version.operation is Operation.REPLACE or (bool(version.old) and version.touches("secretData"))
    return other and not any(context.of("SecretSync", Operation.REPLACE, Operation.DELETE))


def _secret_of(change: ResourceChange) -> str:
    """`projects/acme/secrets/mail` -> `mail`; the version's own name where the engine does not know it yet."""
    secret = (change.new or change.old).get("secret")
    return secret.rpartition("/")[2] if isinstance(secret, str) and "${" not in secret else change.title


def _secret_goes(change: ResourceChange, context: Context) -> Iterator[Risk]:
    """Where its versions are of the same program and go with it, they are the ones of which is spoken."""
    versions = [one for one in context.change.changes if one.token == _VERSION and one.operation in _GONE]
    names = (f"/{change.title}", f"${{{change.name}.")
    if any(name in f"/{version.old.get('secret')}" for version in versions for name in names):
        return
    sentence = f"secret {change.title} goes with every version of it, also those that others have added"
    yield Risk(change.title, sentence, "make sure that nobody reads it when it starts", change.key)


def _sync_ends(change: ResourceChange) -> bool:
    on = [mapping(side.get("secretSyncConfig")).get("enabled") is True for side in (change.old, change.new)]
    return change.operation is Operation.UPDATE and on[0] and not on[1]


def _keys(sync: Mapping[str, Any]) -> set[str]:
    """Which keys the Secret gets."""
    data = mapping(mapping(sync.get("spec")).get("secretObject")).get("data")
    return {str(entry.get("targetKey")) for entry in entries(data)}


@change_rule(
    "P-63",
    RiskLevel.DANGER,
    remedy="Keep it; or stop the consumers first, and choose the time.",
    source="Private Service Connect: an endpoint, its address and the policy that allows it.",
    tells=dict.fromkeys(("ForwardingRule", "Address", "ServiceConnectionPolicy"), (DELETED, REPLACED)),
)
def check_broker_unreachable(context: Context) -> Iterator[Risk]:
    """The way to the broker goes, or is made anew: meanwhile no worker can acknowledge what it has in hand."""
    for change in context.change.changes:
        ways = {"ForwardingRule", "Address", "ServiceConnectionPolicy"}
        if change.package == "gcp" and change.kind in ways and change.operation in _GONE:
            verb = "is deleted" if change.operation is Operation.DELETE else "is made anew"
            sentence = f"{change.kind} {change.title} {verb}: meanwhile nobody reaches what is behind it"
            yield Risk(change.title, sentence, "keep it, or stop the consumers first", change.key)
