"""What the workers of a pod read: which queues, and where they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from ebbtide.preview.change import mapping
from ebbtide.settings.models.celery import CeleryWorker
from ebbtide.settings.models.laravel import LaravelQueueWorker
from ebbtide.settings.models.sidekiq import SidekiqWorker
from ebbtide.settings.models.worker import WorkerSettings

# The word by which a program is known, and its worker, which knows the options that name queues.
_PROGRAMS: dict[str, type[WorkerSettings]] = {
    "celery": CeleryWorker,
    "sidekiq": SidekiqWorker,
    "queue:work": LaravelQueueWorker,
}
_MESSENGER = "messenger:consume"
_BETWEEN_COMMANDS = frozenset({"&&", "||", ";", "|", "&"})
ALL = "every one"
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
# A variable of the broker by its name: an application has addresses of caches, locks and results too.
_BROKER = re.compile(r"(?i)transport|messenger|broker|queue|amqp|rabbit|sqs")
_NOT_BROKER = re.compile(r"(?i)cache|session|lock|result|log|fail|password|user|prefix|name|timeout|ssl|ca_")
# The addresses of brokers, each with the port that it need not state; 0 where there is none, or no port at all.
_PORTS = {
    **dict.fromkeys(("redis", "rediss", "valkey", "valkeys"), 6379),
    "amqp": 5672,
    "amqps": 5671,
    "pyamqp": 5672,
    "nats": 4222,
    "beanstalkd": 11300,
    **dict.fromkeys(("doctrine", "sqs", "https", "kafka", "gps"), 0),
}
# What Symfony's addresses say of the queue behind their question mark.
_QUEUE_OPTIONS = {"queue_name", "table_name", "stream"}


def queues_of(command: tuple[str, ...]) -> tuple[str, ...]:
    """The queues that a command line names, also in the script of a shell; none where it names none, or its program is
    not known."""
    command = _worker_of(command)
    if _MESSENGER in command:
        # The image's own reading, whose modules no other command needs at its start.
        from ebbtide.image.ebbtide_supervisor.command import consumed_receivers  # noqa: PLC0415

        named = consumed_receivers(command)
        return (ALL,) if named is None else tuple(named)
    # Sidekiq's weights (`critical,2`) are no queues.
    return tuple(
        name for value in _values(command, "queues") for name in value.split(",") if name and not name.isdecimal()
    )


def concurrency_of(command: tuple[str, ...]) -> int:
    """How many messages a command line lets one process take at once; 1 where it does not say."""
    stated = [int(value) for value in _values(command, "concurrency") if value.isdecimal()]
    return stated[-1] if stated else 1


def _worker_of(command: tuple[str, ...]) -> tuple[str, ...]:
    """`sh -c "cd /app && exec celery ..."`: the words of the command with a known program in it."""
    words: list[str] = []
    for word in command:
        if " " in word.strip():
            lexer = shlex.shlex(word, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            try:
                words += list(lexer)
            except ValueError:
                words.append(word)
        else:
            words.append(word)
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _BETWEEN_COMMANDS:
            parts.append([])
        else:
            parts[-1].append(word)
    known = {_MESSENGER, *_PROGRAMS}
    return tuple(next((part for part in parts if known & set(_programs(tuple(part)))), words))


def _programs(command: tuple[str, ...]) -> list[str]:
    return [word.rpartition("/")[2] for word in command]


def _values(command: tuple[str, ...], setting: str) -> Iterator[str]:
    """What a known program's options say of a setting of its worker."""
    words = _programs(command)
    for program, worker in _PROGRAMS.items():
        if program in words:
            options = {option for option, owner in worker.owned_options.items() if owner == setting}
            yield from _named(command[words.index(program) + 1 :], options)


def _named(words: tuple[str, ...], options: set[str]) -> Iterator[str]:
    """`--queues=a,b`, `--queues a,b`, `-Qa,b`."""
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if not equals and word in options:
            value = words[place + 1] if place + 1 < len(words) else ""
        elif not equals and word[:2] in options and not word.startswith("--"):
            option, value = word[:2], word[2:]
        if option in options:
            yield value


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a variable says that the broker is, without what is secret."""

    secret: str = ""
    """The Secret that holds it; empty for plain text."""
    key: str = ""
    text: str = field(default="", compare=False)
    """Plain text as it is written: host, port and path; or what follows the value of the Secret."""
    place: str = ""
    """The same in one spelling, by which two are compared: with the port that is usual, and no slash at the end."""

    def __str__(self) -> str:
        return f"Secret {self.secret}" if self.secret else self.text


def broker_addresses(environment: Mapping[str, Any]) -> dict[str, BrokerAddress]:
    """The variables that say where the broker is, as far as their names and values tell. `REDIS_URL`, which Sidekiq and
    BullMQ read, may as well be a cache: it counts where there is no other."""
    names = [name for name in environment if _BROKER.search(name) and not _NOT_BROKER.search(name)]
    found = {name: address for name in names if (address := _address(name, environment)) is not None}
    usual = _address("REDIS_URL", environment)
    return found if found or usual is None else {"REDIS_URL": usual}


def _address(name: str, environment: Mapping[str, Any]) -> BrokerAddress | None:
    value = environment.get(name)
    reference = mapping(mapping(value).get("secretKeyRef"))
    if reference:
        return BrokerAddress(str(reference.get("name", "")), str(reference.get("key", "")))
    if not isinstance(value, str):
        return None
    inner = _VARIABLE.search(value)
    if inner and inner[1] in environment:
        found = _address(inner[1], {other: environment[other] for other in environment if other != name})
        tail = value[inner.end() :].partition("?")[0]
        return found and BrokerAddress(found.secret, found.key, found.text + tail, found.place + tail)
    scheme, _, rest = value.partition("://")
    port = _PORTS.get(scheme.lower())
    if port is None:
        return None
    # By hand: a password, or what stands for it, may hold anything, and urlsplit then raises or takes it for the host.
    where, _, query = rest.rpartition("@")[2].partition("?")
    host, _, path = where.partition("/")
    if not where or (scheme == "https" and not host.startswith("sqs.")):
        return None
    options = "&".join(f"{key}={value}" for key, value in parse_qsl(query) if key in _QUEUE_OPTIONS)
    stated = f"{host}:{port}" if port and ":" not in host else host
    return BrokerAddress(text=f"{where}{options and f'?{options}'}", place=f"{stated}/{path.strip('/')}?{options}")
