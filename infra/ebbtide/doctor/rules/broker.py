"""Rules about the broker: what becomes of a message whose worker was killed, and who else gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.of_image import CONSUME, consumes
from ebbtide.doctor.readers.messenger import Transport, of_variable
from ebbtide.doctor.readers.queues import number_of
from ebbtide.doctor.rules.declare import setup_rule, unit_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.times import longest_of
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.settings.models.transport import SYMFONY_REDELIVER_SECONDS

_LONG_REDELIVERY_SECONDS: Final = 1800
_COMES_AGAIN: Final = {"redis": "redeliver_timeout", "doctrine": "redeliver_timeout", "sqs": "visibility_timeout"}
_GIVES_BACK: Final = frozenset({"amqp", "redis", "doctrine", "sqs"})
"""The transports of Symfony's that keep a message until it is acknowledged, which is when it was handled."""
SHARE_OF_GRACE: Final = 2
"""Half the grace period may be margin; a message that comes again before that is expected to take longer."""
_ADDRESS: Final = re.compile(r"MESSENGER_\w*DSN")
_ENV: Final = re.compile(r"%env\((?:[a-z]+:)*(\w+)\)%")


def consumed(unit: Unit) -> Iterator[tuple[Worker, Transport]]:
    """The transports that a unit's workers read, as far as messenger.yaml was handed over."""
    for worker in unit.named(CONSUME):
        words = [word or "" for word in worker.words]
        for transport in unit.setup.transports if CONSUME in words else ():
            if consumes(words, transport.name):
                yield worker, transport


def _addressed(unit: Unit) -> Iterator[tuple[Worker, Transport]]:
    """Where messenger.yaml was not handed over: the transport whose address the container's only such variable holds.
    What stands in an address wins over every option, whatever they say."""
    container = unit.container
    # A Secret may hold another one, which is then what is consumed.
    if container is None or unit.setup.messenger or container.data.keys() & {"envFrom", "env_file"}:
        return
    environment = container.environment
    names = environment.keys() | {one.text("name") for one in container.data.items_of("env")}
    addresses = [name for name in names if _ADDRESS.fullmatch(name)]
    said = environment.get(addresses[0]) if len(addresses) == 1 else None
    if said is None or "$" in said.value or "FAIL" in addresses[0]:
        return
    for worker in unit.named(CONSUME):
        yield worker, of_variable(addresses[0], said)


def harm_of_a_kill(unit: Unit) -> Harm:
    """What becomes of the messages of a pod that is killed: repeated, where every worker is known to acknowledge when
    it is done; else lost, as far as anybody here knows."""
    return Harm.REPEATS if unit.workers and all(_comes_again(unit, one) for one in unit.workers) else Harm.LOSES


def _comes_again(unit: Unit, worker: Worker) -> bool:
    name = worker.program.name if worker.program else ""
    if name == "celery worker":
        late = ("task_acks_late", "task_reject_on_worker_lost")
        return any(
            all(key in one.options and one.options[key].value is True for key in late) for one in unit.setup.celery
        )
    if name == CONSUME:
        its = [transport for other, transport in consumed(unit) if other is worker]
        return bool(its) and all(one.scheme in _GIVES_BACK and not _is_removed(one) for one in its)
    if worker.python is not None and worker.python.taker is not None:
        return worker.python.is_late
    return name == "dramatiq"


def _is_removed(transport: Transport) -> bool:
    """Whether what comes back for the second time is taken for failed, and kept nowhere (D-72)."""
    retries = transport.max_retries
    return transport.scheme == "amqp" and retries is not None and retries.value == 0 and not transport.failure_transport


@unit_rule(
    "D-70",
    Harm.REPEATS,
    remedy="Give each worker a name of its own in the option consumer: pod and process.",
    source="1,234 of 1,500 messages were handled twice, and 50 were done in a minute instead of 1,500 (measured).",
)
def check_consumer_name(unit: Unit) -> Iterator[Diagnosis]:
    """Each worker on Redis has a consumer name of its own. A starting worker reads again what its name has in flight:
    with one name that is what the others are handling."""
    for worker, transport in (*consumed(unit), *_addressed(unit)):
        said = transport.options.get("consumer")
        if transport.scheme != "redis" or (said is None and transport.is_variable):
            continue
        many = worker.is_many or unit.most_replicas > 1
        if not many:
            continue
        if said is None:
            text = (
                f"transport {transport.name} has no option consumer, so {_who(unit, worker)} share the name `consumer`"
            )
            yield _names(transport.place, unit, text)
            continue
        variable = _ENV.search(str(said.value))
        if variable is None:
            text = f"{transport.title} names every consumer {str(said.value)!r}, for {_who(unit, worker)}"
            yield _names(said.place, unit, text, "take it out of the address, and " if transport.is_variable else "")
        elif worker.is_many and worker.supervised is not None and _is_one_name(unit, worker, variable[1]):
            text = (
                f"{variable[1]} is the same for all {worker.copies} processes of {worker.title}, and so is their "
                "consumer's name"
            )
            yield _names(worker.supervised.line_of("environment"), unit, text)


def _who(unit: Unit, worker: Worker) -> str:
    pods = f" in up to {unit.most_replicas} pods" if unit.most_replicas > 1 else ""
    return f"{worker.copies} processes{pods}" if worker.is_many else f"workers{pods}"


def _is_one_name(unit: Unit, worker: Worker, variable: str) -> bool:
    """Whether a variable is known to be the same for all processes of a program."""
    own = worker.supervised.text("environment") if worker.supervised else ""
    if worker.script is not None and variable in worker.script.file.text:
        return False
    if re.search(rf"(?:^|,)\s*{variable}=", own):
        return "process_num" not in own
    return variable == "HOSTNAME" or unit.variable(variable) is not None


def _names(place: Place, unit: Unit, text: str, before: str = "") -> Diagnosis:
    remedy = "set consumer: '%env(MESSENGER_CONSUMER_NAME)%', and the variable to pod and process for each worker"
    return Diagnosis(place, unit.title, f"{text}: each takes over what the others handle", before + remedy)


@setup_rule(
    "D-71",
    Harm.DELAYS,
    remedy="Write redeliver_timeout a little above the longest message, in seconds.",
    source="0 of 67 killed messages came back in 75 s with Symfony's default of 3600 s (measured).",
)
def check_redelivery(setup: SetUp) -> Iterator[Diagnosis]:
    """A message whose worker was killed comes back soon. Symfony's Redis and Doctrine transports wait an hour where
    nothing is written."""
    for transport in setup.transports:
        if transport.scheme not in ("redis", "doctrine"):
            continue
        if transport.takes_failed_of or transport.name.startswith("failed"):
            continue
        said = transport.options.get("redeliver_timeout")
        seconds = SYMFONY_REDELIVER_SECONDS if said is None else _whole(transport, said.value)
        if seconds is not None and seconds >= _LONG_REDELIVERY_SECONDS:
            written = "" if said else ", the default"
            yield Diagnosis(
                said.place if said else transport.place,
                f"transport {transport.name}",
                f"gives a killed worker's message to another one after {seconds} s{written}: it waits that long",
                "write redeliver_timeout: the longest message and half a minute",
            )


@setup_rule(
    "D-72",
    Harm.LOSES,
    remedy="Write max_retries of at least 1, or a failure_transport.",
    source="8 of 8 killed messages were gone (measured): Symfony rejects what RabbitMQ gives back for the second time.",
)
def check_retries(setup: SetUp) -> Iterator[Diagnosis]:
    """A message that comes back after a kill is handled. On AMQP Symfony counts it as a retry: with none allowed and no
    failure transport it is removed."""
    for transport in setup.transports:
        retries = transport.max_retries
        if retries is not None and _is_removed(transport):
            yield Diagnosis(
                retries.place,
                f"transport {transport.name}",
                "allows no retries and has no failure transport: a message whose worker was killed is removed when "
                "RabbitMQ gives it back",
                "write max_retries: 3, or failure_transport: failed",
            )


@setup_rule(
    "D-74",
    Harm.LOSES,
    remedy="Leave stream_max_entries out, and delete messages when they are acknowledged.",
    source="symfony/symfony#53406: the oldest entries are trimmed, those in flight and those that wait too.",
)
def check_trimmed(setup: SetUp) -> Iterator[Diagnosis]:
    """A stream keeps what nobody has handled. A stream with a maximum drops its oldest entries, whatever they are."""
    for transport in setup.transports:
        said = transport.options.get("stream_max_entries")
        if transport.scheme == "redis" and said is not None and number_of(said.value):
            yield Diagnosis(
                said.place,
                f"transport {transport.name}",
                f"keeps {said.value} entries: when more wait, the oldest are dropped unhandled",
                "remove stream_max_entries, and write delete_after_ack: true",
            )


@setup_rule(
    "D-75",
    Harm.REPEATS,
    remedy="Write buffer_size: 1, or a visibility timeout for all that a worker takes.",
    source="5 of 6 messages were in two hands at once (measured with the real transport): Symfony takes 9 at a time.",
)
def check_buffer(setup: SetUp) -> Iterator[Diagnosis]:
    """The visibility timeout holds for every message that a worker has taken. Symfony's SQS transport takes 9 at once,
    and the time runs for all of them while it handles the first."""
    for transport in setup.transports:
        buffer = transport.options.get("buffer_size")
        timeout = transport.options.get("visibility_timeout")
        size = 9 if buffer is None else number_of(buffer.value)
        if transport.scheme == "sqs" and timeout is not None and size is not None and size > 1:
            yield Diagnosis(
                timeout.place,
                f"transport {transport.name}",
                f"takes {size} messages at once, and the visibility timeout of {timeout.value} s runs for all of them",
                "write buffer_size: 1",
            )


@setup_rule(
    "D-76",
    Harm.REPEATS,
    remedy="Take heartbeat out, and let the broker find dead nodes by tcp_listen_options.keepalive.",
    source="rabbit_heartbeat closes a connection after two to three silent intervals; PHP sends none while it "
    "handles a message.",
)
def check_heartbeat(setup: SetUp) -> Iterator[Diagnosis]:
    """A worker keeps its connection while it handles a message. PHP sends no heartbeats then: RabbitMQ closes the
    connection, and gives the message to another worker."""
    for transport in setup.transports:
        said = transport.options.get("heartbeat")
        seconds = number_of(said.value) if said else None
        if transport.scheme == "amqp" and said is not None and seconds:
            yield Diagnosis(
                said.place,
                f"transport {transport.name}",
                f"asks for a heartbeat every {seconds} s, which PHP cannot send while it handles a message: after "
                f"{2 * seconds} to {3 * seconds} s the broker gives the message to another worker",
                "remove heartbeat",
            )


@unit_rule(
    "D-77",
    Harm.REPEATS,
    remedy="Write redeliver_timeout, or SQS' visibility_timeout, above the longest message.",
    source="symfony/symfony#49394: Redis and Doctrine give a message to another worker after redeliver_timeout, "
    "whether the first is still at it or not.",
)
def check_early_redelivery(unit: Unit) -> Iterator[Diagnosis]:
    """A message comes again only when its worker cannot have it any more: not before a limit of the worker, nor long
    before the time that the pod is given to end it. A worker with --keepalive tells the broker that it is still at
    it."""
    for worker, transport in (*consumed(unit), *_addressed(unit)):
        said = transport.options.get(_COMES_AGAIN.get(transport.scheme, ""))
        seconds = _whole(transport, said.value) if said else None
        longest = longest_of(unit, worker)
        grace = unit.workload.grace if unit.workload else None
        if said is None or seconds is None or _keeps_alive(worker):
            continue
        if longest is not None and seconds <= longest.value:
            why = f"and a worker may take {longest.value} s for it ({longest.place})"
        elif longest is None and grace is not None and seconds < grace.value / SHARE_OF_GRACE:
            why = f"although the pod has {grace.value} s to finish it ({grace.place})"
        else:
            continue
        yield Diagnosis(
            said.place,
            transport.title,
            f"gives a message to another worker after {seconds} s, {why}",
            f"write {_COMES_AGAIN[transport.scheme]}: the longest message and half a minute",
        )


def _whole(transport: Transport, value: Any) -> int | None:
    """A number of seconds; None where only the running program knows it. Symfony's Redis transport takes what is no
    whole number, as the text 240.0, for 0."""
    number = number_of(value)
    is_known = isinstance(value, str) and "%" not in value
    return 0 if number is None and is_known and transport.scheme == "redis" else number


def _keeps_alive(worker: Worker) -> bool:
    return any(word and word.partition("=")[0] == "--keepalive" for word in worker.words)
