"""Is the worker's command one that can consume? Checked before it is started 70 times."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .handover import judge_handover
from .programs import SETSID, group_problem, known_program, rewritten, signal_problem
from .syntax import LONGEST_SCRIPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .environment import Environment

CONSUME: Final = "messenger:consume"
# Options of messenger:consume whose value may be a word of its own, which then is no receiver.
VALUE_OPTIONS: Final = (
    *("-l", "--limit", "-f", "--failure-limit", "-m", "--memory-limit", "-t", "--time-limit", "-b", "--bus"),
    *("--sleep", "--queues", "--exclude-receivers", "--fetch-size", "--keepalive", "-e", "--env"),
)
LONGEST_SHOWN_WORD: Final = 60
UNITS: Final = {"": 1 / 1048576, "k": 1 / 1024, "m": 1, "g": 1024, "t": 1048576}


def command_problems(environment: Environment, command: Sequence[str]) -> list[str]:
    """One line per problem of the worker's command."""
    if not command:
        text = "args: the container has no worker command (got nothing); write for example "
        return [text + "args: [php, bin/console, messenger:consume, githubevents]"]
    problems = []
    if shutil.which(command[0]) is None:
        problems.append(f"args: {command[0]!r} is not a program of this image (got PATH without it); install it")
    if environment.worker_kind == "symfonyMessenger":
        problems += _symfony_problems(environment, command)
    return problems + _handover_problems(environment, command)


def command_doubts(environment: Environment, command: Sequence[str]) -> list[str]:
    """What cannot be known of the command, one line each: nobody says that it is safe."""
    if environment.drain != "signal" or not command:
        return []
    doubts = judge_handover(command, read_program).doubts
    return [f"args: {doubt}, so nothing is known of how it drains; write the worker's own command" for doubt in doubts]


def _handover_problems(environment: Environment, command: Sequence[str]) -> list[str]:
    if environment.drain != "signal":
        return []
    verdict = judge_handover(command, read_program)
    if verdict.not_read:
        return [f"args: {verdict.not_read}; build the image anew, and do not take /opt/ebbtide/shfmt out of it"]
    if verdict.refused:
        text = f"args: {verdict.refused} (got {_shown(command)}), so the container ends while the worker still has a "
        return [f"{text}message in flight; {verdict.remedy}"]
    if environment.worker_kind == "symfonyMessenger" and not verdict.rewrites:
        return []  # its own line, with the version's signals
    signal = rewritten(environment.stop_signal, verdict.rewrites)
    found = (signal_problem(known, signal) for known in map(known_program, verdict.programs) if known)
    problems = [f"EBBTIDE_STOP_SIGNAL: {text}; {remedy}" for text, remedy in dict.fromkeys(found) if text]
    init = "" if os.environ.get(SETSID) == "0" else verdict.signals_group
    group = (group_problem(program, init) for program in verdict.programs)
    return problems + [f"args: {text}; {remedy}" for text, remedy in dict.fromkeys(group) if text]


def _shown(command: Sequence[str]) -> str:
    """A command without the text of a script, which may be long and hold anything."""
    words = [word if len(word) <= LONGEST_SHOWN_WORD and "\n" not in word else "..." for word in command]
    return repr(" ".join(words))


def read_program(name: str) -> bytes | None:
    """The beginning of a program's or a script's file, one byte more than is read of a script."""
    path = name if "/" in name or Path(name).is_file() else shutil.which(name)
    try:
        with Path(path or "").open("rb") as file:
            return file.read(LONGEST_SCRIPT_BYTES + 1)
    except OSError:
        return None


def _symfony_problems(environment: Environment, command: Sequence[str]) -> list[str]:
    if CONSUME not in command:
        text = f"args: a symfonyMessenger worker runs {CONSUME} (got {' '.join(command)!r}); write it, or set "
        return [text + "EBBTIDE_WORKER_KIND=command for a program that ends on the stop signal"]
    problems = []
    if environment.drain == "signal" and environment.stop_signal != "TERM":
        problems.append(
            f"EBBTIDE_STOP_SIGNAL: Symfony finishes its message on TERM in every version, on others only in some (got "
            f"{environment.stop_signal}); write TERM"
        )
    at = command.index(CONSUME)
    console = Path(command[at - 1]) if at else Path(command[0])
    if not console.is_file():
        problems.append(
            f"args: the console {str(console)!r} does not exist (got working directory {Path.cwd()}); set WORKDIR to "
            "the application, or write the path in full"
        )
    arguments = command[at + 1 :]
    if not _receivers(arguments) and "--all" not in arguments:
        problems.append(
            f"args: {CONSUME} names no receiver (got {' '.join(command)!r}), so every worker would end at once; "
            "write the transports to consume from after it"
        )
    return problems + _stop_file_problems(environment, arguments) + _limit_problems(environment, arguments)


def _stop_file_problems(environment: Environment, arguments: Sequence[str]) -> list[str]:
    """Without a signal a worker takes messages until its time limit, and then has the last one in flight.

    A limit of messages ends nobody while the queue is empty, and one whose last message comes late is killed inside
    it. The settings ask for a time limit too (V-24).
    """
    if environment.drain != "stopFile":
        return []
    own = _values(arguments, "-t", "--time-limit")
    limit = int(own[-1]) if own and own[-1].isdecimal() else environment.time_limit_seconds
    if not limit:
        text = "args: with EBBTIDE_DRAIN=stopFile a worker ends at its time limit, and this one has no time limit (got "
        return [text + f"{' '.join(arguments)!r}), so a drain would kill it; set EBBTIDE_TIME_LIMIT_SECONDS"]
    needed = limit + environment.longest_message_seconds
    if environment.stop_wait_seconds >= needed:
        return []
    text = (
        f"EBBTIDE_STOP_WAIT_SECONDS: must hold the time limit and the longest message with EBBTIDE_DRAIN=stopFile (got "
        f"{environment.stop_wait_seconds}, not {limit} + {environment.longest_message_seconds}), or workers are killed "
        "while they take messages; lower EBBTIDE_TIME_LIMIT_SECONDS, or leave the stop wait out to have it derived"
    )
    return [text]


def _limit_problems(environment: Environment, arguments: Sequence[str]) -> list[str]:
    problems = []
    if _values(arguments, "-t", "--time-limit") and environment.time_limit_seconds:
        problems.append(
            f"args: --time-limit is given here and by EBBTIDE_TIME_LIMIT_SECONDS (got "
            f"{environment.time_limit_seconds}); leave it out here: the variable's value is spread over the workers"
        )
    limits = _values(arguments, "-m", "--memory-limit")
    if len(limits) > 1:
        problems.append(
            f"args: the memory limit is given {len(limits)} times (got {', '.join(limits)}); -m is --memory-limit, "
            "the last one wins; for a number of messages write --limit"
        )
    for limit in limits[-1:]:
        mebibytes = _mebibytes(limit)
        if mebibytes is None or mebibytes >= environment.memory_limit_mebibytes:
            problems.append(
                f"args: --memory-limit must be below PHP's own memory_limit (got {limit}, not below "
                f"{environment.memory_limit_mebibytes}M), or PHP dies inside a message before Messenger can stop "
                "between two; raise EBBTIDE_MEMORY_LIMIT_MEBIBYTES"
            )
        elif mebibytes < 1:
            problems.append(
                f"args: --memory-limit is so low that a worker ends after each look at the queue (got {limit}: without "
                f"a letter it is bytes); write {limit}M"
            )
    return problems


def consumed_receivers(command: Sequence[str]) -> list[str] | None:
    """The transports that a `messenger:consume` names, None for all of them."""
    arguments = command[command.index(CONSUME) + 1 :]
    return None if "--all" in arguments else _receivers(arguments)


def consumes(command: Sequence[str], transport: str) -> bool:
    """Whether a `messenger:consume` takes from it. What `--all` leaves out may be said several times."""
    receivers = consumed_receivers(command)
    if receivers is not None:
        return transport in receivers
    left_out = "--exclude-receivers"
    words = " ".join(command).replace(f"{left_out} ", f"{left_out}=").split()
    return f"{left_out}={transport}" not in words


def _receivers(arguments: Sequence[str]) -> list[str]:
    receivers, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in VALUE_OPTIONS:
            skip = True
        elif not argument.startswith("-"):
            receivers.append(argument)
    return receivers


def _values(arguments: Sequence[str], short: str, long: str) -> list[str]:
    """The values an option was given, in all four spellings."""
    values = []
    for at, argument in enumerate(arguments):
        if argument in (short, long) and at + 1 < len(arguments):
            values.append(arguments[at + 1])
        elif argument.startswith(f"{long}="):
            values.append(argument.partition("=")[2])
        elif argument.startswith(short) and not argument.startswith("--") and len(argument) > len(short):
            values.append(argument[len(short) :].removeprefix("="))
    return values


def _mebibytes(text: str) -> float | None:
    """PHP's shorthand, where 150M is 150 MiB."""
    match = re.fullmatch(r"([0-9]+)([kmgt]?)", text.strip().lower())
    return int(match[1]) * UNITS[match[2]] if match else None
