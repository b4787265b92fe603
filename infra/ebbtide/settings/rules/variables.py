"""Rule E-04: variables that change what runs, rather than what it is told."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule

_WHY = {
    "PATH": "decides which programs are found, PID 1's own among them",
    "LD_PRELOAD": "puts code into every process, PID 1 among them",
    "LD_LIBRARY_PATH": "decides which libraries every process loads",
    "PHPRC": "takes PHP's configuration from elsewhere",
    "PHP_INI_SCAN_DIR": "takes PHP's configuration from elsewhere, and the image's memory_limit away",
    "BASH_ENV": "runs a script before each script of bash",
}
_ADDS_TO_THE_REST = ":"


@consumer_rule(
    "E-04",
    Level.WARNING,
    remedy="Build it into the image, whose self-check then sees it; or accept this with what a drain has shown.",
    source="ld.so(8), bash(1); PHP, scan directories: one that begins with a colon adds to those that are built in.",
)
def check_variables_change_no_program(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Pods run what the image's self-check has seen. A variable by which a loader, a shell or PHP takes something else
    comes after that check: what it does to a drain is not judged."""
    for name in (*consumer.environment, *consumer.secret_environment):
        value = consumer.environment.get(name, "")
        if name in _WHY and not (name == "PHP_INI_SCAN_DIR" and value.startswith(_ADDS_TO_THE_REST)):
            yield Finding(
                ("environment" if name in consumer.environment else "secretEnvironment", name),
                f"{_WHY[name]}: what it does to a drain is not judged",
                "build it into the image",
            )
