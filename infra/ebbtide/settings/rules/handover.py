"""Rules about the way from PID 1's stop signal to the worker. The image judges by the same tables and the same code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.worker import WorkerSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.values.units import format_duration

if TYPE_CHECKING:
    from ebbtide.image.ebbtide_supervisor.handover import Verdict
    from ebbtide.image.ebbtide_supervisor.programs import Program

_LIST_IT = "list the worker's own command and arguments"
# `-t`, --timeout of Sidekiq: lib/sidekiq/config.rb.
SIDEKIQ_SECONDS = 25


@lru_cache(maxsize=256)
def _verdict(command: tuple[str, ...]) -> Verdict:
    # Late: most stacks name no program that has to be looked at, and `ebbtide check` starts without this.
    from ebbtide.image.ebbtide_supervisor.handover import judge_handover  # noqa: PLC0415

    return judge_handover(command, lambda _path: None)


def _path(worker: WorkerSettings) -> Path:
    return "worker", worker.command_setting


def _programs(consumer: ConsumerSettings) -> Iterator[tuple[Program, tuple[str | None, ...]]]:
    """The known workers that the command becomes."""
    from ebbtide.image.ebbtide_supervisor.programs import known_program  # noqa: PLC0415

    for argv in dict.fromkeys(_verdict(consumer.argv).programs):
        program = known_program(argv)
        if program is not None:
            yield program, argv


@consumer_rule(
    "V-21",
    Level.ERROR,
    remedy="List the worker's own command and arguments, or end every path of the script with `exec`.",
    source="65 to 68 of 70 messages in flight were lost behind such a shell (measured). Scripts are read by the parser "
    "of mvdan/sh; the image judges those that it holds in the same way.",
)
def check_shell(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Between PID 1 and the worker stands no shell, and no program that keeps the stop signal to itself. Such a one
    dies at SIGTERM, or waits; the worker goes on, and is killed with the container in the middle of its message."""
    worker = consumer.worker
    if not worker.is_symfony and (verdict := _verdict(consumer.argv)).refused:
        remedy = f"{_LIST_IT}, or {verdict.remedy}" if "exec" in verdict.remedy else verdict.remedy
        yield Finding(_path(worker), verdict.refused, remedy)


@consumer_rule(
    "V-21a",
    Level.WARNING,
    remedy="List the worker's own command, or run the image's self-check with this command in the image's own build.",
    source="A script in the image is read by its self-check and when a container starts, which refuses it then.",
)
def check_unknown_handover(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What stands between PID 1 and the worker is known here. Where it is not, nobody says that a drain is safe."""
    worker = consumer.worker
    if worker.is_symfony:
        return
    verdict = _verdict(consumer.argv)
    for doubt in (*verdict.doubts, *filter(None, [verdict.not_read])):
        yield Finding(
            _path(worker),
            f"{doubt}; whether the worker gets the stop signal is not judged",
            f"{_LIST_IT}, or run /opt/ebbtide/self-check with it in the image",
        )


@consumer_rule(
    "V-25",
    Level.ERROR,
    remedy="Write the stop signal that the program finishes its message on.",
    source="The source of each program, named in consumer/ebbtide_supervisor/programs.py.",
)
def check_stop_signal(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A program that is known is stopped by a signal after which it finishes what it has in flight. Others kill it, or
    are not heard until the container is killed. It is sent to that program, and not to its children."""
    worker = consumer.worker
    if worker.is_symfony or worker.drain != "signal":
        return
    from ebbtide.image.ebbtide_supervisor.programs import (  # noqa: PLC0415
        SETSID,
        group_problem,
        rewritten,
        signal_problem,
    )

    verdict = _verdict(consumer.argv)
    init = "" if consumer.environment.get(SETSID) == "0" else verdict.signals_group
    for text, remedy in dict.fromkeys(group_problem(argv, init) for argv in verdict.programs):
        if text:
            yield Finding(_path(worker), text, remedy)
    signal = rewritten(worker.stop_signal, verdict.rewrites)
    for program in dict.fromkeys(program for program, _ in _programs(consumer)):
        text, remedy = signal_problem(program, signal)
        is_remapped = consumer.environment.get("REMAP_SIGTERM") == "SIGQUIT" and worker.stop_signal == "TERM"
        if text:
            is_its_own = program.finishes_on and signal == worker.stop_signal
            path = ("worker", "stopSignal") if is_its_own else _path(worker)
            yield Finding(path, text, remedy)
        elif program.name == "celery worker" and is_remapped:
            yield Finding(
                ("environment", "REMAP_SIGTERM"),
                "makes SIGTERM Celery's cold shutdown, which cancels the tasks in flight",
                "remove it",
            )


@consumer_rule(
    "V-25a",
    Level.WARNING,
    remedy="Give Sidekiq a --timeout of at least longestMessage.",
    source="sidekiq 1bb4aa0, lib/sidekiq/config.rb (25 s) and Sidekiq::Manager#hard_shutdown.",
)
def check_shutdown_timeout(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Sidekiq waits for the longest message. After its own timeout it interrupts the jobs in flight and gives them
    back, so that they are handled from the start again."""
    worker = consumer.worker
    if worker.is_symfony:
        return
    for program, argv in _programs(consumer):
        if program.name != "sidekiq":
            continue
        line = " ".join(word or "?" for word in argv)
        given = re.search(r"\s(?:-t\s*|--timeout[= ])(\S+)", line)
        file = re.search(r"\s(?:-C\s*|--config[= ])(\S+)", line)
        longest = consumer.shutdown.longest_message
        if (given and not given[1].isdecimal()) or (file and not given):
            where = f"in {file[1]}, which is in the image" if file and not given else "known only when it runs"
            yield Finding(
                _path(worker),
                f"has a timeout of Sidekiq that is {where}; whether it waits for the longest message "
                f"({format_duration(longest)}) is not judged",
                f"write --timeout {longest}, which wins over a file",
            )
            continue
        seconds = int(given[1]) if given else SIDEKIQ_SECONDS
        if seconds < longest:
            yield Finding(
                _path(worker),
                f"lets Sidekiq interrupt its jobs {format_duration(seconds)} after the stop signal, and the longest "
                f"message takes {format_duration(longest)}",
                f"add --timeout {longest}",
            )
