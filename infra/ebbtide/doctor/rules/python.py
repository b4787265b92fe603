"""Rules about programs that take messages by a client of a broker: what becomes of them at the stop signal, and how
many they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.arq import JOB_SECONDS
from ebbtide.doctor.readers.node_clients import amqp_line, makes_channel, own_visibility
from ebbtide.doctor.rules.broker import SHARE_OF_GRACE
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.rules.signals import stop_signal_of
from ebbtide.doctor.times import arq_settings, at_least
from ebbtide.doctor.unit import Unit, Worker

_PREFETCH_OF_NODE: Final = re.compile(r"\.prefetch\s*\(|\bprefetch(?:Count)?\s*:")
_PREFETCH_OF_PYTHON: Final = re.compile(r"\bbasic_qos\b|\bset_qos\b|\bprefetch_count\b|\.qos\(")
_AMQP_OF_PYTHON: Final = frozenset({"pika", "aio_pika", "kombu"})


@unit_rule(
    "D-18",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Handle SIGTERM: take nothing more, end the message in hand, and leave then.",
    source="signal(7) and pid_namespaces(7): the kernel drops a signal for which PID 1 has no handler, and any other "
    "process dies of it; Python handles SIGINT alone. os._exit, and SystemExit out of a handler of signal.signal, end "
    "the program wherever it is (Python's documentation of signal).",
)
def check_python_stop(unit: Unit) -> Iterator[Diagnosis]:
    """A program in Python that takes messages by pika, aio-pika, kombu or Amazon's client hears its stop signal, and
    ends what it has in hand. Without a handler it takes messages until it is killed; a handler that ends the process
    cuts off the message. Judged where all of the team's own modules were handed over."""
    for worker in unit.workers:
        program = worker.python
        taker = program.taker if program is not None else None
        if program is None or taker is None or stop_signal_of(unit, worker).value != "TERM":
            continue
        level = Harm.REPEATS if program.is_late else Harm.LOSES
        for part in program.parts:
            if part.hasty is not None:
                line, name = part.hasty
                text = f"ends the process at SIGTERM by {name}, in the middle of whatever it has in hand"
                remedy = "set a flag in the handler, and end behind the message"
                yield Diagnosis(part.file.at(line), unit.title, text, remedy, level=level)
        if not program.missing and not any(part.hears for part in program.parts):
            yield Diagnosis(
                taker.file.at(taker.takes),
                unit.title,
                f"{taker.file.base} takes messages and handles no SIGTERM: it dies in the middle of one, as PID 1 at "
                "the end of the grace period",
                "write signal.signal(signal.SIGTERM, ...) that ends the loop behind the message",
                level=level,
            )


@unit_rule(
    "D-79",
    Harm.REPEATS,
    remedy="Take messages with a VisibilityTimeout above the longest one, or ask for more time while one is handled.",
    source="SQS' documentation: what is not deleted within the visibility timeout is handed out again. sqs-consumer's "
    "README: heartbeatInterval asks for more.",
)
def check_own_visibility(unit: Unit) -> Iterator[Diagnosis]:
    """SQS hides a message for as long as its program may be at it. The program says for how long when it takes one:
    not below what it waits for itself, nor far below the time that the pod is given to end it. One that asks for more
    time does not need that."""
    grace = unit.workload.grace if unit.workload else None
    for worker in unit.workers:
        for seconds, place, longest in _own_visibility(unit, worker):
            if longest is not None and seconds <= longest[0]:
                why = f"and {worker.title} may take {longest[0]} s for it ({longest[1]})"
            elif longest is None and grace is not None and seconds < grace.value / SHARE_OF_GRACE:
                why = f"although the pod has {grace.value} s to finish it ({grace.place})"
            else:
                continue
            text = f"asks SQS to hide a message for {seconds} s, {why}: another worker gets it meanwhile"
            yield Diagnosis(place, unit.title, text, "write the longest message and half a minute")


def _own_visibility(unit: Unit, worker: Worker) -> Iterator[tuple[int, Place, tuple[int, Place] | None]]:
    """Seconds, where they stand, and how long a message may take, where that is known."""
    parts = worker.python.parts if worker.python is not None else ()
    said = next((part.visibility for part in parts if part.visibility is not None), None)
    if said is not None and not any(part.asks_for_more for part in parts):
        longest = at_least(unit, worker)
        yield said.value, said.place, (longest.value, longest.place) if longest else None
    for node in worker.node.parts if worker.node is not None else ():
        own = own_visibility(node)
        if own is not None:
            yield own


@unit_rule(
    "D-93",
    Harm.DELAYS,
    remedy="Set a prefetch before consuming: channel.prefetch(10), basic_qos(prefetch_count=10), set_qos.",
    source="RabbitMQ's documentation of consumer prefetch: without one it sends a consumer everything, without limit.",
)
def check_prefetch_of_amqp(unit: Unit) -> Iterator[Diagnosis]:
    """A consumer holds what it can handle soon. Without a prefetch RabbitMQ sends the whole queue to the first pod:
    the others find nothing, memory grows with the queue, and all of it comes back when that pod ends."""
    for worker in unit.workers:
        place = _without_prefetch(worker)
        if place is not None:
            yield Diagnosis(
                place,
                unit.title,
                "consumes without a prefetch: RabbitMQ sends the whole queue to one pod, which holds it, and takes all "
                "of it back when the pod ends",
                "set a prefetch before consuming",
            )


def _without_prefetch(worker: Worker) -> Place | None:
    """Where a program consumes, of which the channel is seen whole: all of it is here, or its channel is."""
    node, python = worker.node, worker.python
    if node is not None and not any(_PREFETCH_OF_NODE.search(one.source.bare) for one in node.parts):
        for one in node.parts:
            if (line := amqp_line(one)) and (not node.missing or makes_channel(one)):
                return one.file.at(line)
    if python is not None and not any(_PREFETCH_OF_PYTHON.search(one.file.text) for one in python.parts):
        for part in python.parts:
            is_whole = not python.missing or ".channel(" in part.file.text
            if part.takes and part.libraries & _AMQP_OF_PYTHON and part.is_sent_to and is_whole:
                return part.file.at(part.takes)
    return None


@unit_rule(
    "D-8a",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Write job_completion_wait, above the longest job and below the grace period.",
    source="arq/worker.py: without job_completion_wait the handler of SIGTERM cancels every task; what was cancelled "
    "runs again, if max_tries and retry_jobs let it. With it, it takes no job and waits for as long.",
)
def check_arq_waits(unit: Unit) -> Iterator[Diagnosis]:
    """arq ends its jobs at its stop signal. It cancels them where job_completion_wait does not say for how long to
    wait, and begins them anew elsewhere: one that has no try left is gone."""
    for settings in filter(None, (arq_settings(unit, worker) for worker in unit.workers)):
        wait, timeout = settings.number("job_completion_wait", 0), settings.number("job_timeout", JOB_SECONDS)
        if wait is None or (wait.value and (timeout is None or wait.value >= timeout.value)):
            continue
        tries, again = settings.options.get("max_tries"), settings.options.get("retry_jobs")
        is_gone = (tries is not None and tries.value == 1) or (again is not None and again.value is False)
        when = (
            f"{wait.value} s after its stop signal ({timeout.place} allows {timeout.value} s)"
            if wait.value and timeout
            else "at its stop signal"
        )
        end = "they have no other try, and are gone" if is_gone else "they begin anew on another worker"
        yield Diagnosis(
            wait.place if "job_completion_wait" in settings.options else settings.place,
            unit.title,
            f"arq cancels the jobs in hand {when}, and {end}",
            "write job_completion_wait: the longest job and some seconds",
            level=Harm.LOSES if is_gone else Harm.REPEATS,
        )
