"""Rules about programs of Node.js, and of Python: when a message is done, and what becomes of it at the stop signal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.clients import ClientProgram
from ebbtide.doctor.readers.node import NodeProgram
from ebbtide.doctor.readers.node_clients import hasty, taken_by, unawaited
from ebbtide.doctor.readers.python import PythonProgram
from ebbtide.doctor.rules.declare import setup_rule, unit_rule
from ebbtide.doctor.rules.signals import stop_signal_of
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit

_REMEDIES = {
    "noAck": "write noAck: false, and channel.ack behind the work",
    "auto_ack": "leave auto_ack out, and write basic_ack behind the work",
    "no_ack": "leave no_ack out, and acknowledge behind the work",
}
_NEVER_AGAIN = re.compile(r"\bmaxStalledCount\s*:\s*0\b")


def _again(program: NodeProgram) -> str:
    if _NEVER_AGAIN.search(program.source.bare):
        return "a job is given up when its lock is over (maxStalledCount: 0)"
    return "a job begins again when its lock is over, and is given up at the second time"


@unit_rule(
    "D-16",
    Harm.LOSES,
    remedy="At SIGTERM `await worker.close()`, and end the process behind it.",
    source="BullMQ's documentation, going to production: close() waits for the jobs in hand; a worker that is killed "
    "leaves stalled ones, and maxStalledCount is 1. Node.js ends at a signal that nobody handles, and as PID 1 the "
    "kernel drops it.",
)
def check_node_worker(unit: Unit) -> Iterator[Diagnosis]:
    """A worker of BullMQ's or Bull's is closed at its stop signal: it takes nothing new then, and ends its jobs.
    Otherwise it takes jobs until it is killed, or dies in the middle of them. Judged of programs whose own files were
    all handed over."""
    for worker in unit.workers:
        program = worker.node
        made = program.worker if program is not None else None
        if program is None or made is None:
            continue
        for part, line, what in program.hastily():
            text = f"{what}: its jobs are cut off; {_again(made)}"
            yield Diagnosis(part.file.at(line), unit.title, text, "write await worker.close(), and end behind it")
        signal = stop_signal_of(unit, worker).value
        if not program.is_left_to(signal):
            continue
        why = "closes no worker" if program.hears(signal) else f"handles no SIG{signal}"
        yield Diagnosis(
            made.file.at(made.makes_worker),
            unit.title,
            f"{made.file.base} makes a worker and {why}: it dies in the middle of its jobs, as PID 1 at the end of "
            f"the grace period; {_again(made)}",
            f"write process.on('SIG{signal}', ...) that awaits worker.close()",
        )


@unit_rule(
    "D-19",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="At SIGTERM stop taking messages (channel.cancel, consumer.stop, consumer.disconnect), await what is in "
    "hand, and end the process behind it.",
    source="Node.js' documentation of process: it ends at a signal that nobody handles, and as PID 1 the kernel drops "
    "it. RabbitMQ's of consumers: what is not acknowledged when its connection closes is delivered again; "
    "sqs-consumer's README: stop() does not wait for what is handled.",
)
def check_node_client(unit: Unit) -> Iterator[Diagnosis]:
    """A program that takes messages by amqplib, KafkaJS, sqs-consumer or Amazon's client ends what it has in hand at
    its stop signal. Without a handler it takes messages until it is killed; one that closes the connection, or ends the
    process, and waits for nothing, cuts them off."""
    for worker in unit.workers:
        program = worker.node
        if program is None or program.worker is not None:
            continue
        takers = [(part, *taken_by(part)) for part in program.parts]
        taker = next((one for one in takers if one[1]), None)
        signal = stop_signal_of(unit, worker).value
        if taker is None:
            continue
        part, line, client = taker
        level = Harm.LOSES if part.early else Harm.REPEATS
        for one in program.parts:
            found = hasty(one, signal, client)
            if found is not None:
                text = f"{found[1]} at SIG{signal} and waits for nothing: the messages in hand are cut off"
                remedy = "stop taking messages, await what is in hand, and close then"
                yield Diagnosis(one.file.at(found[0]), unit.title, text, remedy, level=level)
        if not program.missing and not program.hears(signal):
            yield Diagnosis(
                part.file.at(line),
                unit.title,
                f"{part.file.base} takes messages by {client} and handles no SIG{signal}: it dies in the middle of "
                "them, as PID 1 at the end of the grace period",
                f"write process.on('SIG{signal}', ...) that awaits what is in hand",
                level=level,
            )


@setup_rule(
    "D-95",
    Harm.LOSES,
    remedy="Await what handles the message.",
    source="KafkaJS' documentation of consuming: eachMessage's offset is resolved when its promise is, and committed "
    "then.",
)
def check_unawaited(setup: SetUp) -> Iterator[Diagnosis]:
    """A handler returns when its message is handled. KafkaJS commits the offset behind it: what the handler has begun,
    and does not wait for, is gone with the process."""
    for program in setup.node.values():
        for line in unawaited(program) if program.names_a_queue else ():
            text = (
                "begins what handles a message and does not await it: its offset is committed meanwhile, and what is "
            )
            yield Diagnosis(
                program.file.at(line), program.file.base, f"{text}not done at the process's end is gone", "await it"
            )


@setup_rule(
    "D-94",
    Harm.LOSES,
    remedy="Write maxStalledCount of at least 1, or leave it out.",
    source="BullMQ's documentation of stalled jobs: one whose worker is gone is begun again maxStalledCount times, 1 "
    "where nothing is written, and failed then.",
)
def check_stalled(setup: SetUp) -> Iterator[Diagnosis]:
    """A job whose worker was killed is begun again. With maxStalledCount 0 it fails for good at the first time."""
    for program in setup.node.values():
        found = _NEVER_AGAIN.search(program.source.bare) if program.names_a_queue and program.makes_worker else None
        if found is not None:
            yield Diagnosis(
                program.file.at(program.source.line(found.start())),
                program.file.base,
                "gives up a job whose worker was killed, instead of beginning it again (maxStalledCount: 0)",
                "write maxStalledCount: 1 or more",
            )


@setup_rule(
    "D-92",
    Harm.LOSES,
    remedy="Acknowledge, or delete, behind what handles the message: noAck: false and channel.ack, no auto_ack=True, "
    "or DeleteMessageCommand.",
    source="RabbitMQ's documentation of acknowledgement modes: with automatic ones a message is done when it is sent; "
    "SQS': what is deleted never comes again.",
)
def check_done_too_early(setup: SetUp) -> Iterator[Diagnosis]:
    """For the broker a message is done when its handler is. One that was acknowledged or deleted before is gone with
    the process that had it in hand."""
    programs: list[NodeProgram | ClientProgram | PythonProgram]
    programs = [*setup.node.values(), *setup.clients.values(), *setup.python.values()]
    for program in programs:
        for one in program.early if program.names_a_queue else ():
            if one.is_judged:
                yield Diagnosis(
                    program.file.at(one.line),
                    program.file.base,
                    f"{one.text}, and what the process has in hand at its end is gone",
                    "acknowledge behind the work"
                    if isinstance(program, ClientProgram)
                    else _REMEDIES.get(one.word, "move it behind what handles it"),
                )
