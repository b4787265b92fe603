"""Rules about what Celery and Laravel say of their queues: who gets a message when, and when it is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Map, Place
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.queues import QueueConnection, number_of
from ebbtide.doctor.rules.declare import setup_rule, unit_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.times import LARAVEL_SECONDS, seconds_of
from ebbtide.doctor.unit import Unit

_DEFAULT_VISIBILITY_SECONDS: Final = 3600
_REDIS: Final = frozenset({"redis", "rediss", "sentinel"})
_MAKES_VISIBLE: Final = _REDIS | {"sqs", ""}
"""The brokers that know a visibility timeout, by their URL; nothing where it is not written."""
_RABBIT_SECONDS: Final = 1800
"""RabbitMQ's consumer_timeout where nothing is written."""
_CONSUMER_TIMEOUT: Final = re.compile(r"consumer[_-]timeout")
"""In rabbitmq.conf, in a policy, or as a queue's argument, x-consumer-timeout."""


@setup_rule(
    "D-80",
    Harm.LOSES,
    remedy="Write task_acks_late = True, and task_reject_on_worker_lost = True where workers are forked.",
    source="Celery's documentation: a task is acknowledged just before it runs by default.",
)
def check_acks_late(setup: SetUp) -> Iterator[Diagnosis]:
    """A task is acknowledged when it is done. Celery does it before: a worker that is killed has lost its task."""
    for settings in setup.celery:
        late = settings.options.get("task_acks_late")
        # A module that speaks of the broker alone is not where tasks are set, the image's own for one.
        if settings.options.keys() <= {"broker_transport_options"}:
            continue
        if late is None or late.value is False:
            yield Diagnosis(
                late.place if late else settings.place,
                "Celery's settings",
                "acknowledge a task before it runs (task_acks_late is not set): a killed worker's task is gone",
                "write task_acks_late = True and task_reject_on_worker_lost = True",
            )


@unit_rule(
    "D-86",
    Harm.LOSES,
    remedy="Write task_reject_on_worker_lost = True; a task that kills each of its processes needs a limit of its own.",
    source="Celery's documentation: with acks_late a task is still acknowledged when its process is killed.",
)
def check_worker_lost(unit: Unit) -> Iterator[Diagnosis]:
    """A task whose process is killed, for memory for one, comes back. With late acknowledgement alone it does not:
    Celery's parent lives on and acknowledges it as failed."""
    forks = any({"prefork"} >= set(worker.values("-P", "--pool")) for worker in unit.named("celery worker"))
    for settings in unit.setup.celery if forks else ():
        late, lost = (settings.options.get(key) for key in ("task_acks_late", "task_reject_on_worker_lost"))
        if late is not None and late.value is True and (lost is None or lost.value is False):
            yield Diagnosis(
                lost.place if lost else late.place,
                "Celery's settings",
                "acknowledge a task whose process is killed, for memory for one, although task_acks_late is set "
                "(task_reject_on_worker_lost is not): it is gone",
                "write task_reject_on_worker_lost = True",
            )


@setup_rule(
    "D-81",
    Harm.REPEATS,
    remedy="Write a visibility_timeout above the longest task.",
    source="Celery's documentation of Redis: 3600 s by default; a task that runs longer is given to another worker. "
    "kombu: RabbitMQ knows no such option.",
)
def check_visibility(setup: SetUp) -> Iterator[Diagnosis]:
    """Redis, and SQS, give a task to a second worker only when the first cannot have it any more."""
    for settings in setup.celery:
        limit = settings.options.get("task_time_limit")
        options = settings.options.get("broker_transport_options")
        longest = number_of(limit.value) if limit else None
        given = options.value.get("visibility_timeout") if options and isinstance(options.value, dict) else None
        url = settings.options.get("broker_url")
        scheme = str(url.value).partition(":")[0] if url else ""
        applies = scheme in _REDIS if given is None else scheme in _MAKES_VISIBLE
        visible = _DEFAULT_VISIBILITY_SECONDS if given is None else number_of(given)
        if applies and longest is not None and visible is not None and visible <= longest:
            place = options.place if options else limit.place if limit else settings.place
            yield Diagnosis(
                place,
                "Celery's settings",
                f"a task may run {longest} s, and {'SQS' if scheme == 'sqs' else 'Redis'} gives it to another worker "
                f"after {visible} s",
                f"write broker_transport_options = {{'visibility_timeout': {longest + 60}}}",
            )


@setup_rule(
    "D-87",
    Harm.REPEATS,
    remedy="Raise consumer_timeout on RabbitMQ above the longest task, or make tasks shorter.",
    source="RabbitMQ's documentation of consumers: 30 minutes since 3.8.17, then the channel is closed; "
    "celery/celery#6760: the task begins again elsewhere, and never ends.",
)
def check_consumer_timeout(setup: SetUp) -> Iterator[Diagnosis]:
    """RabbitMQ waits for the end of a task. It closes the channel of a worker that has not acknowledged for 30 minutes,
    and with late acknowledgement that is every longer task: it begins again, and again."""
    for settings in setup.celery:
        late, limit, url = (settings.options.get(key) for key in ("task_acks_late", "task_time_limit", "broker_url"))
        longest = number_of(limit.value) if limit else None
        is_rabbit = url is not None and str(url.value).startswith(("amqp:", "amqps:", "pyamqp:"))
        if not (late and late.value is True and is_rabbit and limit and longest and longest >= _RABBIT_SECONDS):
            continue
        if not any(_CONSUMER_TIMEOUT.search(text) for text in _texts(setup)):
            yield Diagnosis(
                limit.place,
                "Celery's settings",
                f"a task may run {longest} s, and RabbitMQ takes back after {_RABBIT_SECONDS} s, its default, what is "
                "not acknowledged",
                "write consumer_timeout above it, in milliseconds, in rabbitmq.conf",
            )


def _texts(setup: SetUp) -> Iterator[str]:
    """Where a broker among the files, or a queue of the tasks, may be told otherwise."""
    yield from (file.text for file in (*setup.rabbitmq, *(one.file for one in setup.celery)))
    yield from (str(one.data) for one in setup.objects)
    for workload in setup.workloads:
        for container in workload.containers:
            yield from (f"{name}={said.value}" for name, said in container.environment.items())
            yield from (word for one in (container.command, container.arguments) if one for word in one.words)


@setup_rule(
    "D-82",
    Harm.DELAYS,
    remedy="Write worker_prefetch_multiplier = 1, or give the worker --prefetch-multiplier=1.",
    source="Celery's default is 4 for each process; what was taken waits behind a long task, and no trigger sees it.",
)
def check_prefetch(setup: SetUp) -> Iterator[Diagnosis]:
    """A worker takes a task when it is free for it. Celery takes four for each process: they wait behind the first, and
    for a scaler that looks at the queue they do not exist. What a worker's command says of it wins over the settings,
    and is not judged."""
    files = (*setup.scripts, *(one.file for one in setup.supervisors))
    commands = (word for one in setup.images for said in (one.entrypoint, one.cmd) if said for word in said.words)
    if any("--prefetch-multiplier" in text for text in (*_texts(setup), *commands, *(one.text for one in files))):
        return
    for settings in setup.celery:
        late = settings.options.get("task_acks_late")
        said = settings.options.get("worker_prefetch_multiplier")
        multiplier = 4 if said is None else number_of(said.value)
        if late is not None and late.value is True and multiplier is not None and multiplier != 1:
            yield Diagnosis(
                said.place if said else late.place,
                "Celery's settings",
                f"take {multiplier or 'any number of'} tasks for each process, which wait behind the first",
                "write worker_prefetch_multiplier = 1",
            )


@unit_rule(
    "D-89",
    Harm.COSTS,
    remedy="Write --concurrency, or worker_concurrency, and a memory limit for that many.",
    source="celery/worker/worker.py: cpu_count() where nothing is said, which is os.cpu_count(): the node's.",
)
def check_concurrency(unit: Unit) -> Iterator[Diagnosis]:
    """A worker runs as many processes as it is told. Celery takes one for each CPU of the node where nothing is said,
    whatever the container may use: on a larger machine they do not fit into its memory. Of a command that only the run
    knows whole nothing is said."""
    container = unit.container
    limit = _memory_limit(container.data) if container is not None else ""
    settings = [one.options.keys() for one in unit.setup.celery]
    if not limit or not settings or any({"worker_concurrency", "worker_autoscaler"} & keys for keys in settings):
        return
    for worker in unit.named("celery worker"):
        is_told = worker.values("-c", "--concurrency", "--autoscale")
        if not is_told and not worker.may_say_more and {"prefork"} >= set(worker.values("-P", "--pool")):
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"starts a process for each CPU of its node (no --concurrency), which share a memory of {limit}",
                "write --concurrency",
            )


def _memory_limit(container: Map) -> str:
    """Of a pod's container or a compose service."""
    found = (
        container.map("resources", "limits").text("memory"),
        container.text("mem_limit"),
        container.map("deploy", "resources", "limits").text("memory"),
    )
    return next((one for one in found if one), "")


def _place(connection: QueueConnection, key: str) -> Place:
    return Place(connection.file, connection.data.line_of(key))


@unit_rule(
    "D-83",
    Harm.REPEATS,
    remedy="Write retry_after some seconds above every --timeout.",
    source="Laravel's documentation of queues, job expirations and timeouts.",
)
def check_retry_after(unit: Unit) -> Iterator[Diagnosis]:
    """Laravel gives a job to a second worker only when the first has given it up."""
    for worker in unit.named("artisan queue:work"):
        words = [word or "" for word in worker.words]
        timeout = seconds_of(worker, "--timeout", default=LARAVEL_SECONDS)
        if timeout is None:
            continue
        for connection in unit.setup.connections:
            named = [one.name for one in unit.setup.connections if one.name in words]
            if named and connection.name not in named:
                continue
            after = connection.data.get("retry_after")
            if isinstance(after, int) and _is_early(after, timeout) and connection.driver not in ("sync", "sqs"):
                yield _retry(connection, timeout, worker.words_place, after)


@setup_rule(
    "D-84",
    Harm.REPEATS,
    remedy="Write retry_after some seconds above the timeout of every supervisor.",
    source="Laravel's documentation of Horizon: timeout is to be below retry_after.",
)
def check_horizon_timeout(setup: SetUp) -> Iterator[Diagnosis]:
    """Horizon gives a job to a second worker only when the first has given it up."""
    for one in setup.horizon:
        timeout = one.data.get("timeout")
        for connection in setup.connections:
            after = connection.data.get("retry_after")
            is_its = connection.name == (one.data.text("connection") or "redis")
            if is_its and isinstance(after, int) and isinstance(timeout, int) and _is_early(after, timeout):
                yield _retry(connection, timeout, Place(one.file, one.data.line_of("timeout")), after)


@unit_rule(
    "D-88",
    Harm.LOSES,
    remedy="Write 'fast_termination' => false.",
    source="laravel/horizon, Supervisor::terminate: with fast_termination it ends without waiting for its workers, and "
    "they go on in the background; with PID 1 the container ends, and every process in it.",
)
def check_fast_termination(unit: Unit) -> Iterator[Diagnosis]:
    """Horizon ends when its workers have. Told to end fast it leaves them in the background, for a new Horizon to start
    at once: in a container nothing is left of them."""
    said = next((one.fast_termination for one in unit.setup.horizon if one.fast_termination), None)
    if said is not None and any(unit.named("artisan horizon")):
        yield Diagnosis(
            said,
            unit.title,
            "horizon ends at SIGTERM without waiting for its workers (fast_termination), and the container with it: "
            "their jobs are cut off",
            "write 'fast_termination' => false",
        )


def _retry(connection: QueueConnection, timeout: int, place: Place, after: int) -> Diagnosis:
    why, remedy = f"a worker may take {timeout} s for it ({place})", f"write 'retry_after' => {timeout + 30}"
    if timeout <= 0:
        why, remedy = f"a timeout of {timeout} ends none ({place})", "write a timeout some seconds below retry_after"
    text = f"gives a job to another worker after {after} s, and {why}"
    return Diagnosis(_place(connection, "retry_after"), f"connection {connection.name}", text, remedy)


def _is_early(after: int, timeout: int) -> bool:
    """Whether a job is given away while its worker may be at it; a timeout of 0 lets it be so without end."""
    return after <= timeout or timeout <= 0


@setup_rule(
    "D-85",
    Harm.DELAYS,
    remedy="Write block_for of a few seconds.",
    source="Laravel's documentation: with 0 no signal is handled until the next job has come.",
)
def check_block_for(setup: SetUp) -> Iterator[Diagnosis]:
    """An idle worker hears its stop signal. With `block_for` 0 it waits for the next job first, until it is killed."""
    for connection in setup.connections:
        if connection.data.get("block_for") == 0 and not isinstance(connection.data.get("block_for"), bool):
            yield Diagnosis(
                _place(connection, "block_for"),
                f"connection {connection.name}",
                "waits for a job without end, and hears no signal meanwhile: an idle pod stays until it is killed",
                "write 'block_for' => 5",
            )
