"""Secrets that were pasted where everybody can read them."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.judgement.secrets import holds_secret, secret_words
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumer_rule, stack_rule
from ebbtide.settings.rules.texts import texts_of


@consumer_rule(
    "S-01",
    Level.ERROR,
    remedy="Put the value into a Secret, and name its key under secretEnvironment.",
    source="The Deployment, the repository and every preview show what the settings hold. Known by gitleaks' rules, by "
    "passwords in addresses as Symfony parses them, and by names; a password under a harmless name is not found.",
)
def check_plain_secrets(consumer: ConsumerSettings) -> Iterator[Finding]:
    """No secret stands in the settings: it would be in git, in the Deployment and in every preview.
    The value is never printed."""
    for name, value in consumer.environment.items():
        if holds_secret(value, name):
            yield _finding(("environment", name), f"{name}: {{secret: {consumer.name}-v1, key: {name.lower()}}}")
    setting, words = consumer.worker.texts
    for index in dict.fromkeys(secret_words(words)):
        yield _finding(("worker", setting, index), "a variable, and let the worker read it")
    seen = {("environment",), ("worker", setting)}
    for path, name, value in texts_of(consumer):
        if path[:1] in seen or path[:2] in seen or not holds_secret(value, name):
            continue
        if path[:2] == ("autoscaling", "triggers"):
            remedy = "put it into a Secret, and name its key under the trigger's secrets"
            yield Finding(path, "looks like a secret in plain text (not shown)", remedy)
        else:
            yield _finding(path, "a variable, and let the worker read it")


@stack_rule(
    "S-01a",
    Level.ERROR,
    remedy="Take it out, and change it where it is used: it was in a file.",
    source="The repository, the cluster's resources and every preview show what the settings hold.",
)
def check_secrets_of_the_stack(stack: StackSettings) -> Iterator[Finding]:
    """No secret stands in what is said of the cluster either. The value is never printed."""
    for path, name, value in texts_of(stack.model_copy(update={"consumers": {}})):
        if holds_secret(value, name):
            text = "looks like a secret in plain text (not shown)"
            yield Finding(path, text, "take it out, and change it where it is used: it was in a file")


def _finding(path: Path, example: str) -> Finding:
    return Finding(
        path,
        "looks like a secret in plain text (not shown)",
        f"put it into a Secret and write under secretEnvironment {example}",
    )
