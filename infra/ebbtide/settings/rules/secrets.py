"""Secrets that were pasted where everybody can read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule

_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL|ACCESS_?KEY", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^@\s/]+@"  # a password in a URL or DSN
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|AIza[-_A-Za-z0-9]{30,}|xox[abprs]-[-A-Za-z0-9]{10,}|sk_live_\w{10,})"
)
_SECRET_OPTION = re.compile(r"--?[-a-z]*(password|secret|token|api-?key)[-a-z]*=\S", re.IGNORECASE)
# Kubernetes puts the variable's value there: `redis://:$(REDIS_PASSWORD)@redis:6379` holds no secret.
_EXPANSION = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_]*\)")
# A file or a reference that the application resolves is not the secret itself.
_HARMLESS = re.compile(r"(/[^\s]*|%env\(.*\)%|true|false|[0-9]+|)", re.IGNORECASE)


@consumer_rule(
    "S-01",
    Level.ERROR,
    remedy="Put the value into a Secret, and name its key under secretEnvironment.",
    source="The Deployment, the repository and every preview show what the settings hold.",
)
def check_plain_secrets(consumer: ConsumerSettings) -> Iterator[Finding]:
    """No secret stands in the settings: it would be in git, in the Deployment and in every preview.
    The value is never printed."""
    for name, given in consumer.environment.items():
        value = _EXPANSION.sub("", given)
        if _SECRET_VALUE.search(value) or (_SECRET_NAME.search(name) and not _HARMLESS.fullmatch(value)):
            yield _finding(("environment", name), f"{name}: {{secret: {consumer.name}-v1, key: {name.lower()}}}")
    for path, argument in _arguments(consumer):
        if _SECRET_VALUE.search(argument) or _SECRET_OPTION.search(argument):
            yield _finding(path, "a variable, and let the worker read it")


def _arguments(consumer: ConsumerSettings) -> Iterable[tuple[Path, str]]:
    name, values = consumer.worker.texts
    return [(("worker", name, index), value) for index, value in enumerate(values)]


def _finding(path: Path, example: str) -> Finding:
    return Finding(
        path,
        "looks like a secret in plain text (not shown)",
        f"put it into a Secret and write under secretEnvironment {example}",
    )
