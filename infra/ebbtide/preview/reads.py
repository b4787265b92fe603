"""What the workers of a pod read: which queues, and where they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import parse_qsl

from ebbtide.preview.change import SECRET, UNKNOWN, mapping
from ebbtide.settings.models.celery import CeleryWorker
from ebbtide.settings.models.laravel import LaravelQueueWorker
from ebbtide.settings.models.sidekiq import SidekiqWorker
from ebbtide.settings.models.symfony import SymfonyMessengerWorker
from ebbtide.settings.models.worker import WorkerSettings

# The word by which a program is known, and its worker, which knows the options that name queues.
_PROGRAMS: dict[str, type[WorkerSettings]] = {
    "celery": CeleryWorker,
    "sidekiq": SidekiqWorker,
    "queue:work": LaravelQueueWorker,
}
_MESSENGER = "messenger:consume"
_KNOWN = re.compile(rf"(?:^|(?<=[\s/]))(?:{'|'.join((_MESSENGER, *_PROGRAMS))})(?=\s|$)")
_SHELL = re.compile(r"[;&|<>`$]")
_BETWEEN_COMMANDS = frozenset({"&&", "||", ";", "|", "&"})
ALL = "every one"
DEFAULT = "the queues of its own configuration"
"""What a known program reads that is told no queue."""
_DEFAULTS = {"celery", "default"}
"""What Celery, and Sidekiq and Laravel, call the queue that they read where nobody says otherwise."""
_BUT = f"{ALL} but "
_WORKERS: dict[str, type[WorkerSettings]] = {_MESSENGER: SymfonyMessengerWorker, **_PROGRAMS}
# What a setting says that changes neither which messages a worker takes, nor how it ends; and of queues and of how many
# it takes at once rules speak.
_JUDGED_SETTINGS = frozenset(
    {*("messageLimit", "timeLimit", "memoryLimit", "failureLimit", "maxTime", "sleep"), *("queues", "concurrency")}
)
# Harmless where they stand, and not where they change: which messages a worker takes, how many, and whether the broker
# hears that it is still at one.
_MATTERS_WHEN_CHANGED = frozenset(
    {"--all", "--queues", "--exclude-receivers", "--fetch-size", "--concurrency", "--keepalive"}
)
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
        if named is not None:
            return tuple(named)
        return (ALL, *(f"{_BUT}{name}" for name in _named(command, {"--exclude-receivers"})))
    programs = set(_programs(command)) & _PROGRAMS.keys()
    if not programs or ("celery" in programs and "worker" not in command):
        return ()
    # Sidekiq's weights (`critical,2`) are no queues.
    queues = [
        name for value in _values(command, "queues") for name in value.split(",") if name and not name.isdecimal()
    ]
    connection = _connection(command)
    return (*(queues or [DEFAULT]), *([f"connection {connection}"] if connection else []))


def read_together(consumers: Iterable[Iterable[str]]) -> set[str]:
    """What several consumers read, of which each has its queues. Of those that read every one, what one leaves out is
    read by the others, unless they leave it out too."""
    sides = [set(queues) for queues in consumers]
    left_out = [{name for name in side if name.startswith(_BUT)} for side in sides if ALL in side]
    named = {name for side in sides for name in side if not name.startswith(_BUT)}
    return named | (set.intersection(*left_out) if left_out else set())


def is_read_by(name: str, queues: set[str]) -> bool:
    """Whether a queue is among those that are read; one that is the usual default, by its name too."""
    if ALL in queues and name != ALL and f"{_BUT}{name}" not in queues:
        return True
    return name in queues or (name == DEFAULT and bool(_DEFAULTS & queues)) or (name in _DEFAULTS and DEFAULT in queues)


def queues_lost(before: list[str], after: list[str]) -> list[str]:
    """Which queues a consumer read and reads no more: those that it named, and those that it leaves out now."""
    left_out = {name for name in after if name.startswith(_BUT)} - set(before) if ALL in before else set()
    named = [name for name in before if not name.startswith(_BUT) and not (name == ALL and ALL in after)]
    return [*named, *(name.removeprefix(_BUT) for name in sorted(left_out))]


def changed_options(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """Options of a known program that change, and of which no rule knows what they do to messages."""
    programs = set(_programs(_worker_of(before))) & set(_programs(_worker_of(after)))
    worker = next((worker for program, worker in _WORKERS.items() if program in programs), None)
    if worker is None:
        return []
    known = {option for option, owner in worker.owned_options.items() if owner in _JUDGED_SETTINGS}
    known |= worker.harmless_options - _MATTERS_WHEN_CHANGED
    known |= {option for program, (_, options, _) in _TIMES.items() if program in programs for option in options}
    old, new = (_options(_worker_of(command)) for command in (before, after))
    changed = [option for option in sorted(old.keys() | new.keys()) if old.get(option) != new.get(option)]
    return [option for option in changed if option not in known and option[:2] not in known - worker.flags]


def _options(command: tuple[str, ...]) -> dict[str, list[str]]:
    """Every option with its values: what stands behind `=`, or the word behind it that is no option."""
    found: dict[str, list[str]] = {}
    for word, behind in zip(command, (*command[1:], "-"), strict=True):
        if word.startswith("-") and word.strip("-"):
            option, equals, value = word.partition("=")
            found.setdefault(option, []).append(value if equals or behind.startswith("-") else behind)
    return found


def is_known(command: tuple[str, ...]) -> bool:
    """Whether it starts a program whose options these rules know."""
    command = _worker_of(command)
    return _MESSENGER in command or bool(set(_programs(command)) & _PROGRAMS.keys())


def frame_of(command: tuple[str, ...]) -> tuple[str, str]:
    """What stands around a known program: all that comes before it, and what a shell would make of what comes after.
    Without exec a shell is who gets the stop signal."""
    line = " ".join(command)
    found = _KNOWN.search(line)
    return (line[: found.start()], "".join(_SHELL.findall(line[found.end() :]))) if found else (line, "")


def _connection(command: tuple[str, ...]) -> str:
    """`queue:work redis`: Laravel's connection, the word behind it that is no option."""
    words = _programs(command)
    behind = command[words.index("queue:work") + 1 :] if "queue:work" in words else ()
    return next((word for word in behind if not word.startswith("-")), "")


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How long a program lets a message run, by an option of its own."""

    option: str
    words: str
    """What it does with that time."""
    seconds: int | None
    """None where it sets no limit."""


# What a program does, the options that say for how long, and its default.
_TIMES: dict[str, tuple[str, tuple[str, ...], int | None]] = {
    "celery": ("gives a message", ("--time-limit",), None),
    "sidekiq": ("gives a message that it has in hand when it is stopped", ("-t", "--timeout"), 25),
    "queue:work": ("gives a message", ("--timeout",), 60),
}


def time_limit_of(command: tuple[str, ...]) -> TimeLimit | None:
    """The limit of a known program; None of any other."""
    command = _worker_of(command)
    words = _programs(command)
    for program, (does, options, default) in _TIMES.items():
        if program in words:
            values = _named(command[words.index(program) + 1 :], set(options))
            stated = [int(value) for value in values if value.isdecimal()]
            seconds = stated[-1] if stated else default
            # 0 is no limit, and to Sidekiq no time: it interrupts every job at once (lib/sidekiq/manager.rb).
            return TimeLimit(options[-1], does, seconds if program == "sidekiq" else seconds or None)
    return None


def concurrency_of(command: tuple[str, ...]) -> int | None:
    """How many messages a command line lets one process take at once; None where it leaves that to what nobody sees
    here: Celery then takes its node's number of CPUs or its configuration's, Sidekiq its configuration's,
    RAILS_MAX_THREADS, or 5 (10 before version 7)."""
    command = _worker_of(command)
    words = _programs(command)
    if "queue:work" in words:
        return 1
    if "celery" in words and ("solo" in _named(command, {"-P", "--pool"})):
        return 1
    if "celery" in words and any(_named(command, {"--autoscale"})):
        return None
    is_messenger = _MESSENGER in words
    stated = [*(_named(command, {"--concurrency"}) if is_messenger else _values(command, "concurrency"))]
    if not stated:
        return 1 if is_messenger else None
    return int(stated[-1]) if stated[-1].isdecimal() else None


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


# A variable that says a part of where messages come from, by the words in its name: what speaks of a broker, and which
# part of its address, or which queue.
_OF_BROKER = re.compile(
    r"(?i)(?:^|_)(transport|messenger|broker|queue|amqp|rabbit(mq)?|sqs|kafka|pub_?sub|nats|beanstalkd?|bull(mq)?|stomp)"
    r"(?:_|$)"
)
_OF_REDIS = re.compile(r"(?i)^(redis|valkey)_")
_PART = re.compile(
    r"(?i)(?:^|_)(hosts?|hostname|vhost|port|db|database|servers|brokers|connection|prefix|queues?|queue_?name|topics?"
    r"|subscription(_name|_id)?|group(_id)?|stream)$"
)
_NO_PART = re.compile(r"(?i)cache|session|lock|result|log|fail|retry|dead|dlq|metric")


def broker_addresses(environment: Mapping[str, Any]) -> dict[str, BrokerAddress]:
    """The variables that say where messages come from, as far as their names and values tell: whole addresses, and
    parts of one. `REDIS_URL` and `REDIS_HOST`, which Sidekiq, BullMQ and Laravel read, may as well be of a cache: they
    count where nothing else is said, or only that it is Redis."""
    names = [name for name in environment if _BROKER.search(name) and not _NOT_BROKER.search(name)]
    found = {name: address for name in names if (address := _address(name, environment)) is not None}
    parts = {name: part for name in environment if _OF_BROKER.search(name) and (part := _part(name, environment))}
    said = {**parts, **found}
    if said and not (not found and any("redis" in part.text.lower() for part in parts.values())):
        return said
    usual = _address("REDIS_URL", environment)
    if usual is not None:
        return {**said, "REDIS_URL": usual}
    return {
        **said,
        **{name: part for name in environment if _OF_REDIS.search(name) and (part := _part(name, environment))},
    }


def is_one_broker(one: Mapping[str, Any], other: Mapping[str, Any], *, is_one_code: bool) -> bool | None:
    """Whether workers with these variables read from the same broker; None where that is not told. Where neither says
    anything it is in their code, and the same if that is."""
    mine, theirs = (broker_addresses(environment) for environment in (one, other))
    said, also = ({name: value for name, value in side.items() if tells_of_broker(name)} for side in (one, other))
    if any(value in (SECRET, UNKNOWN) for value in (*said.values(), *also.values())):
        return None
    if said == also and (said or is_one_code):
        return True
    if not mine or not theirs:
        return None
    shared = mine.keys() & theirs.keys()
    pairs = [(mine[name], theirs[name]) for name in shared] or [
        pair for pair in product(mine.values(), theirs.values()) if pair[0] == pair[1]
    ]
    differing = [(left, right) for left, right in pairs if left != right]
    if pairs and not differing:
        return True
    is_told = not any(side.secret for pair in differing or product(mine.values(), theirs.values()) for side in pair)
    # Of several whole addresses, some alike and some not, nobody says here which of them a queue is on.
    is_mixed = any(left == right and "/" in left.place for left, right in pairs)
    return False if is_told and not is_mixed else None


def tells_of_broker(name: str) -> bool:
    """Whether a variable says where messages come from, by its name."""
    is_address = bool(_BROKER.search(name)) and not _NOT_BROKER.search(name)
    return is_address or bool((_OF_BROKER.search(name) or _OF_REDIS.search(name)) and _PART.search(name))


def _part(name: str, environment: Mapping[str, Any]) -> BrokerAddress | None:
    value = environment.get(name)
    if not isinstance(value, str) or value == SECRET or not _PART.search(name) or _NO_PART.search(name):
        return None
    # An address has a reading of its own; what stands for another variable says nothing here.
    return None if "://" in value or "$(" in value else BrokerAddress(text=value, place=value)


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
