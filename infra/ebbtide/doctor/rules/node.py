"""Rules about programs of Node.js: when a message is done, and what becomes of it at the stop signal."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.clients import ClientProgram
from ebbtide.doctor.readers.node import NodeProgram
from ebbtide.doctor.rules.declare import setup_rule, unit_rule
from ebbtide.doctor.rules.signals import stop_signal_of
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit

_AGAIN = "a job begins again when its lock is over, and is given up at the second time"


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
            text = f"{what}: its jobs are cut off; {_AGAIN}"
            yield Diagnosis(part.file.at(line), unit.title, text, "write await worker.close(), and end behind it")
        signal = stop_signal_of(unit, worker).value
        if not program.is_left_to(signal):
            continue
        why = "closes no worker" if program.hears(signal) else f"handles no SIG{signal}"
        yield Diagnosis(
            made.file.at(made.makes_worker),
            unit.title,
            f"{made.file.base} makes a worker and {why}: it dies in the middle of its jobs, as PID 1 at the end of "
            f"the grace period; {_AGAIN}",
            f"write process.on('SIG{signal}', ...) that awaits worker.close()",
        )


@setup_rule(
    "D-92",
    Harm.LOSES,
    remedy="Acknowledge, or delete, behind what handles the message: noAck: false and channel.ack, or "
    "DeleteMessageCommand.",
    source="RabbitMQ's documentation of acknowledgement modes: with automatic ones a message is done when it is sent; "
    "SQS': what is deleted never comes again.",
)
def check_done_too_early(setup: SetUp) -> Iterator[Diagnosis]:
    """For the broker a message is done when its handler is. One that was acknowledged or deleted before is gone with
    the process that had it in hand."""
    programs: list[NodeProgram | ClientProgram] = [*setup.node.values(), *setup.clients.values()]
    for program in programs:
        for one in program.early if program.names_a_queue else ():
            if one.is_judged:
                yield Diagnosis(
                    program.file.at(one.line),
                    program.file.base,
                    f"{one.text}, and what the process has in hand at its end is gone",
                    "write noAck: false, and channel.ack behind the work"
                    if "noAck:" in one.text
                    else "acknowledge behind the work"
                    if isinstance(program, ClientProgram)
                    else "move it behind what handles it",
                )
