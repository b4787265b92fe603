"""Rules about programs in PHP, Go and Ruby that take messages by a client of their own."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.rules.signals import stop_signal_of
from ebbtide.doctor.unit import Unit, Worker


@unit_rule(
    "D-1a",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Handle SIGTERM: stop taking messages, end the one in hand, and leave then.",
    source="Go's documentation of os/signal: SIGTERM ends a program that does not ask for it, as PID 1 too "
    "(Kuadrant/mcp-gateway#1351). PHP asks for none by itself, and the kernel gives PID 1 no signal without a handler. "
    "RabbitMQ's: what is not acknowledged when its connection closes is delivered again.",
)
def check_own_client(unit: Unit) -> Iterator[Diagnosis]:
    """A program of one's own that takes messages ends the one in hand at its stop signal. One that handles no signal,
    or SIGINT alone, which is what Ctrl-C sends, dies in the middle of it; PHP as PID 1 goes on and takes further ones,
    until it is killed. Judged where its own file tells: a script without further parts, a main package that asks for
    signals itself."""
    for worker in unit.workers:
        program = worker.client
        if program is None or not is_left_to(unit, worker):
            continue
        signal = stop_signal_of(unit, worker).value
        others = " and ".join(f"SIG{one}" for one in sorted(program.handles or ()))
        what = f"handles {others} alone" if others else "handles no signal"
        is_php = program.file.base.endswith(".php")
        end = (
            f"as PID 1 it hears no SIG{signal} and takes messages until it is killed, else it dies of it at once"
            if is_php
            else f"SIG{signal} ends it at once"
        )
        early = [one for one in program.early if one.is_judged]
        yield Diagnosis(
            program.file.at(program.line),
            unit.title,
            f"{program.file.base} takes messages and {what}: {end}, in the middle of a message",
            "build pcntl, and write pcntl_signal for SIGTERM, with a handler that ends the loop behind its message"
            if is_php
            else f"ask for SIG{signal} too, and end behind the message in hand",
            level=Harm.LOSES if early else Harm.REPEATS,
        )


def is_left_to(unit: Unit, worker: Worker) -> bool:
    """Whether it is known that its own program does not handle its stop signal."""
    handles = worker.client.handles if worker.client is not None else None
    return handles is not None and stop_signal_of(unit, worker).value not in handles
