"""With what a consumer logs in to its broker, and how it gets there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.manifests.google import names
from ebbtide.preview.change import GONE, Operation, ResourceChange, entries, mapping
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


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
        "Cluster": ("secretSyncConfig.enabled", "secretSyncConfig.rotationConfig.enabled"),
    },
)
def check_credentials(context: Context) -> Iterator[Risk]:
    """The broker's credentials change or go. A new version gets a Secret of a new name, whose pods replace the old."""
    for change in context.change.changes:
        gone = change.operation is Operation.DELETE
        if change.token == names.RANDOM_PASSWORD and change.operation is Operation.REPLACE:
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
    if change.token == names.DATABASE_USER and change.operation in GONE:
        sentence = f"user {change.title} of the database goes: its consumers can no longer log in"
        yield Risk(change.title, sentence, "keep it", change.key)
    elif change.token == names.DATABASE_USER and change.touches("password"):
        sentence = (
            f"the password of user {change.title} changes: a worker with the old one that reconnects is refused "
            "from then on; messages in hand keep their connection"
        )
        advice = "rotate while the queue is quiet, and restart whoever has the old one"
        yield Risk(change.title, sentence, advice, change.key, RiskLevel.DISRUPTIVE)
    elif change.token == names.SECRET_VERSION and change.operation is Operation.DELETE:
        sentence = f"{change.title} goes, and with it a value of its secret: a pod that reads it does not start"
        yield Risk(change.title, sentence, "make sure that nobody reads it when it starts", change.key)
    elif change.token == names.SECRET_VERSION and _is_news(change, context):
        sentence = f"secret {_secret_of(change)} gets another value: pods that run keep the one that they have read"
        yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)
    elif change.token == names.SECRET and change.operation in GONE:
        yield from _secret_goes(change, context)
    elif is_of(change, "Cluster") and _sync_ends(change) and not any(context.of("SecretSync", Operation.DELETE)):
        sentence = (
            f"cluster {change.title} writes no Secrets from Secret Manager any more: a pod that needs one that is "
            "not there yet does not start"
        )
        yield Risk(change.title, sentence, "keep secretSyncConfig.enabled", change.key)


def _is_news(version: ResourceChange, context: Context) -> bool:
    """Whether a version has another value, and nobody hands it on under a new name."""
    if version.operation is Operation.CREATE:
        other = not _is_of_a_new_secret(version, context)
    else:
        other = version.operation is Operation.REPLACE or version.touches("secretData")
    return other and not any(context.of("SecretSync", Operation.REPLACE, Operation.DELETE))


def _is_of_a_new_secret(version: ResourceChange, context: Context) -> bool:
    """Whether its secret is made by the same change: the engine does not know that one yet."""
    secret = version.new.get("secret")
    return not isinstance(secret, str) or any(
        f"/{secret}".endswith(f"/{one.title}") or f"${{{one.name}." in secret
        for one in context.of("Secret", Operation.CREATE)
    )


def _secret_of(change: ResourceChange) -> str:
    """`projects/acme/secrets/mail` -> `mail`; the version's own name where the engine does not know it yet."""
    secret = (change.new or change.old).get("secret")
    return secret.rpartition("/")[2] if isinstance(secret, str) and "${" not in secret else change.title


def _secret_goes(change: ResourceChange, context: Context) -> Iterator[Risk]:
    """Where its versions are of the same program and go with it, they are the ones of which is spoken."""
    versions = [one for one in context.change.changes if one.token == names.SECRET_VERSION and one.operation in GONE]
    spellings = (f"/{change.title}", f"${{{change.name}.")
    if any(name in f"/{version.old.get('secret')}" for version in versions for name in spellings):
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
        if change.package == "gcp" and change.kind in ways and change.operation in GONE:
            verb = "is deleted" if change.operation is Operation.DELETE else "is made anew"
            sentence = f"{change.kind} {change.title} {verb}: meanwhile nobody reaches what is behind it"
            yield Risk(change.title, sentence, "keep it, or stop the consumers first", change.key)
