"""What the application says of its queues: Laravel's queue.php and horizon.php, Celery's settings.

Only literals are read. Expressions stay what they are, and nothing is guessed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final

from ebbtide.doctor.data import UNKNOWN, Map, Place, Said
from ebbtide.doctor.files import File
from ebbtide.doctor.readers import php

CELERY_KEYS: Final = frozenset(
    {
        *("task_acks_late", "task_reject_on_worker_lost", "worker_prefetch_multiplier", "broker_transport_options"),
        *("task_time_limit", "task_soft_time_limit", "worker_soft_shutdown_timeout", "broker_url", "beat_schedule"),
        *("beat_scheduler", "worker_concurrency"),
    }
)

_KEYS_OF_CELERY_ALONE: Final = 2
RQ_SECONDS: Final = 180
"""rq's Queue.DEFAULT_TIMEOUT: a job that runs longer is ended."""


_LIBRARY: Final = re.compile(r"(?m)^\s*(?:from|import)\s+(?:django_)?(dramatiq|celery|rq)\b")
_LIMIT: Final = re.compile(r"time_limit|job_timeout|default_timeout|@job\(")
_TASK: Final = frozenset({"task", "shared_task"})
_ENQUEUE: Final = frozenset({"enqueue", "enqueue_call", "enqueue_in", "enqueue_at", "create_job"})
# By library: what says the queue, as a keyword or as the first word.
_QUEUE_KEYWORD: Final = {"celery": "queue", "dramatiq": "queue_name", "rq": "name"}
# By library and keyword: whose limit it is, of which calls, and how many of it are a second.
_LIMITS_IN_CODE: Final = {
    ("celery", "time_limit"): ("celery worker", _TASK, 1),
    ("celery", "soft_time_limit"): ("celery worker", _TASK, 1),
    ("dramatiq", "time_limit"): ("dramatiq", frozenset({"actor"}), 1000),
    ("rq", "job_timeout"): ("rq worker", _ENQUEUE, 1),
    ("rq", "default_timeout"): ("rq worker", frozenset({"Queue"}), 1),
    ("rq", "timeout"): ("rq worker", frozenset({"job"}), 1),
}


@dataclass(frozen=True)
class TaskLimit:
    """How long a task may run where its code says so."""

    worker: str
    """The name of the worker that runs such tasks."""
    seconds: Said[int]
    queue: str = ""
    """Of whose queue, where that is written too."""


@dataclass(frozen=True)
class QueueConnection:
    """A connection of Laravel's config/queue.php."""

    name: str
    place: Place
    driver: str
    data: Map
    file: str


@dataclass(frozen=True)
class HorizonSupervisor:
    """One of horizon.php's supervisors."""

    name: str
    place: Place
    data: Map
    file: str
    fast_termination: Place | None = None
    """Where Horizon is told not to wait for its workers."""


@dataclass
class CelerySettings:
    """A module, or a class, that sets Celery's options."""

    file: File
    place: Place
    options: dict[str, Said[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class SidekiqSettings:
    """config/sidekiq.yml."""

    place: Place
    timeout: Said[Any] | None
    """How long it waits for its jobs at SIGTERM."""
    queues: tuple[str, ...] = ()
    """Those that are written as text, without their weights."""
    concurrency: int | None = None


def sidekiq_of(document: Any, file: str) -> SidekiqSettings | None:
    """What a sidekiq.yml says; its keys may begin with a colon. None where a document is none."""
    if not isinstance(document, Map) or not {":concurrency", ":queues", ":timeout"} & document.keys():
        is_one = isinstance(document, Map) and file.endswith(("sidekiq.yml", "sidekiq.yaml"))
        if not is_one:
            return None
    key = next((key for key in (":timeout", "timeout") if key in document), None)
    place = Place(file, document.line_of(key) if key else document.line)
    said = {name.removeprefix(":"): value for name, value in document.items()}
    entries = said.get("queues") if isinstance(said.get("queues"), list) else []
    names = (entry[0] if isinstance(entry, list) and entry else entry for entry in entries or ())
    queues = tuple(name for name in names if isinstance(name, str) and "<%" not in name)
    return SidekiqSettings(
        place, Said(document[key], place) if key else None, queues, number_of(said.get("concurrency"))
    )


def read_laravel(file: File) -> tuple[list[QueueConnection], list[HorizonSupervisor]]:
    """What a PHP file says of queues; nothing where it returns something else."""
    data = php.returned(file.text)
    if not isinstance(data, Map):
        return [], []
    connections = data.map("connections")
    # Those of config/database.php are called so too.
    is_queue = "failed" in data or any("retry_after" in one for one in connections.values() if isinstance(one, Map))
    queues = [
        QueueConnection(name, file.at(connections.line_of(name)), one.text("driver"), one, file.name)
        for name, one in connections.items()
        if isinstance(one, Map) and ("retry_after" in one or "driver" in one) and is_queue
    ]
    defaults = data.map("defaults")
    horizon = [
        HorizonSupervisor(name, file.at(defaults.line_of(name)), one, file.name)
        for name, one in defaults.items()
        if isinstance(one, Map) and "environments" in data
    ]
    for environment, value in data.map("environments").items():
        for name, one in value.items() if isinstance(value, Map) else ():
            if isinstance(one, Map):
                merged = Map(one.line)
                for source in (defaults.map(name), one):
                    for key, entry in source.items():
                        merged.put(key, entry, source.line_of(key))
                title = f"{name} in {environment}"
                horizon.append(HorizonSupervisor(title, file.at(value.line_of(name)), merged, file.name))
    if any(" in " in one.name for one in horizon):
        horizon = [one for one in horizon if " in " in one.name]
    if data.get("fast_termination") is True:
        horizon = [replace(one, fast_termination=file.at(data.line_of("fast_termination"))) for one in horizon]
    return queues, horizon


def read_celery(file: File) -> CelerySettings | None:
    """The options of Celery that a Python file sets by literals; None where it sets none. A config.py that never says
    its name is known by two of them."""
    is_said = "celery" in f"{file.base} {file.text}".lower()
    if not is_said and sum(key in file.text for key in CELERY_KEYS) < _KEYS_OF_CELERY_ALONE:
        return None
    tree = parsed(file)
    if tree is None:
        return None
    settings: CelerySettings | None = None
    for name, value, line in _assignments(tree):
        key = name.rpartition(".")[2]
        key = key.lower().removeprefix("celery_") if key.isupper() else key
        if key in CELERY_KEYS:
            settings = settings or CelerySettings(file, file.at(line))
            settings.options[key] = Said(_literal(value), file.at(line))
    return settings


def read_rq(file: File) -> dict[str, Said[Any]]:
    """How long a job may run by the queues of Django's settings (`RQ_QUEUES`), in seconds; nothing where a file has
    none. RQ's own 180 s where a queue says nothing, UNKNOWN where the value is no literal."""
    tree = parsed(file) if "RQ_QUEUES" in file.text else None
    found: dict[str, Said[Any]] = {}
    for name, value, line in _assignments(tree) if tree is not None else ():
        queues = _literal(value) if name == "RQ_QUEUES" else None
        for queue, options in queues.items() if isinstance(queues, dict) else ():
            seconds = options.get("DEFAULT_TIMEOUT", RQ_SECONDS) if isinstance(options, dict) else UNKNOWN
            found[str(queue)] = Said(seconds, file.at(_line_of(value, queue) or line))
    return found


def read_task_limits(file: File) -> Iterator[TaskLimit]:
    """How long tasks may run where their code says so, in seconds, by worker: `@dramatiq.actor(time_limit=900_000)`,
    `@shared_task(time_limit=900)`, `queue.enqueue(f, job_timeout=900)`."""
    imported = _LIBRARY.search(file.text) if _LIMIT.search(file.text) else None
    library = imported[1] if imported is not None else ""
    tree = parsed(file) if library else None
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.Call):
            continue
        last = _name(node.func).rpartition(".")[2]
        for keyword in node.keywords:
            worker, names, size = _LIMITS_IN_CODE.get((library, keyword.arg or ""), ("", frozenset[str](), 1))
            seconds = number_of(_literal(keyword.value)) if last in names else None
            # -1 of rq is no limit; it refuses 0.
            if seconds is not None and (seconds > 0 or library == "rq"):
                limit = Said(-(-seconds // size), file.at(keyword.value.lineno))
                yield TaskLimit(worker, limit, _queue_of(node, library, last))


def _queue_of(call: ast.Call, library: str, name: str) -> str:
    """The queue that a task, or rq's Queue, names by a literal: other calls of rq are made on one."""
    said = [one.value for one in call.keywords if one.arg == _QUEUE_KEYWORD[library]]
    if library == "rq":
        said = (said or call.args[:1]) if name == "Queue" else []
    queue = _literal(said[0]) if said else ""
    return queue if isinstance(queue, str) else ""


def _line_of(value: ast.expr, queue: object) -> int:
    """Where a queue's limit is written, or else the queue."""
    for key, one in zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ():
        if isinstance(key, ast.Constant) and key.value == queue:
            options = one.keys if isinstance(one, ast.Dict) else ()
            limits = [key for key in options if isinstance(key, ast.Constant) and key.value == "DEFAULT_TIMEOUT"]
            return (limits[0] if limits else key).lineno
    return 0


def parsed(file: File) -> ast.Module | None:
    """A Python file's syntax; None where it is none."""
    found = _parse(file)
    return found if isinstance(found, ast.Module) else None


def wrong_line(file: File) -> int | None:
    """The line from which on a Python file is none; None where it is one."""
    found = _parse(file)
    return found if isinstance(found, int) else None


def _parse(file: File) -> ast.Module | int:
    try:
        return ast.parse(file.text)
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):
        return 1


def _assignments(tree: ast.AST) -> Iterator[tuple[str, ast.expr, int]]:
    """`NAME = value`, `app.conf.NAME = value`, `app.conf.update(NAME=value)`, `Celery(..., NAME=value)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield _name(target), node.value, node.lineno
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield _name(node.target), node.value, node.lineno
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg and _name(node.func).endswith((".update", "Celery", "dict")):
                    yield keyword.arg, keyword.value, keyword.value.lineno


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{_name(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def _literal(node: ast.expr) -> Any:
    """A literal, or a product of numbers: `60 * 60`."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _literal(node.operand)
        return -number if isinstance(number, (int, float)) else UNKNOWN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _literal(node.left), _literal(node.right)
        return left * right if isinstance(left, (int, float)) and isinstance(right, (int, float)) else UNKNOWN
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: _literal(value) for key, value in pairs if isinstance(key, ast.Constant)}
    return node.value if isinstance(node, ast.Constant) else UNKNOWN


def number_of(value: Any) -> int | None:
    """A literal number, also one that stands in a DSN."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if isfinite(value) else None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else None
