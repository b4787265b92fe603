"""Rules about what runs before the stop signal, and about stop files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.of_image import SHELLS, UTILITIES, Heard, heard
from ebbtide.doctor.readers.scripts import Call, Loop
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.sent import Sent, by_hook, by_script, hook_calls, is_pid_1
from ebbtide.doctor.times import hook_sleep, longest_of
from ebbtide.doctor.unit import ScriptFile, Unit, Worker

_CACHE: Final = "the workers of every pod that shares the cache"
_FLEET_WIDE: Final = {
    ("messenger:stop-workers",): _CACHE,
    ("queue:restart",): _CACHE,
    ("control", "shutdown"): "the Celery workers of every pod on the broker",
    ("rq", "suspend"): "the workers of every pod on that Redis, until somebody says `rq resume`",
}
"""Commands by their words, and whom each stops."""
_FILE_TESTS: Final = frozenset({"-f", "-e", "-a", "-s", "-r"})
_LONGEST_POLL_SECONDS: Final = 5
# Their `debug` variants have busybox.
_BARE: Final = re.compile(r"^(?:scratch$|gcr\.io/distroless/(?!.*debug)|cgr\.dev/chainguard/static(?::|$))")
_TOOLS: Final = SHELLS.keys() | UTILITIES
_QUIET_BY_TSTP: Final = 5
_NO_SIDEKIQCTL: Final = 6
_SIDEKIQCTL_SECONDS: Final = 10


def _tested_files(calls: tuple[Call, ...]) -> set[str]:
    """The files that `[ -f X ]`, `[[ -f X ]]` or `test -f X` look for."""
    found = set[str]()
    for call in calls:
        if call.name in ("[", "[[", "test"):
            words = call.words
            found |= {
                str(words[at + 1])
                for at, word in enumerate(words[:-1])
                if word in _FILE_TESTS and words[at + 1] not in (None, "]", "]]")
            }
    return found


def _removed_files(script: ScriptFile) -> dict[str, int]:
    return {
        str(word): call.line
        for call in script.script.calls
        if call.name in ("rm", "unlink")
        for word in call.words[1:]
        if word and not word.startswith("-")
    }


def _shared_stop_files(worker: Worker) -> Iterator[tuple[str, int]]:
    """Files that each worker looks for, and the first one removes."""
    if worker.script is not None and worker.is_many:
        tested = _tested_files(worker.script.script.calls)
        for file, line in _removed_files(worker.script).items():
            if file in tested:
                yield file, line


@unit_rule(
    "D-30",
    Harm.LOSES,
    remedy="Leave the stop file where it is until the container is gone, or do without one: SIGTERM alone stops "
    "workers.",
    source="69 of 70 workers found no file, consumed on and were killed; 1,051 to 1,111 messages were started after "
    "the deletion (measured).",
)
def check_shared_stop_file(unit: Unit) -> Iterator[Diagnosis]:
    """A stop file stops every worker. Where the first one that sees it removes it, all the others go on."""
    for worker in unit.workers:
        for file, line in _shared_stop_files(worker):
            if worker.script is not None:
                yield Diagnosis(
                    worker.script.at(line),
                    f"{unit.title}, {worker.title}",
                    f"the first of {worker.copies} workers that finds {file} removes it; the others find none and take "
                    "messages again",
                    "do not remove it: it is gone with the container",
                )


@unit_rule(
    "D-31",
    Harm.LOSES,
    remedy="Wait for the workers themselves, or leave the hook out: PID 1 waits for its workers after SIGTERM.",
    source="The hook returned after 5 s whatever was in flight (measured; with one worker nothing was lost).",
)
def check_hook_waits_for_file(unit: Unit) -> Iterator[Diagnosis]:
    """The hook waits until workers are done. One that waits for a file to go returns as soon as one worker has removed
    it, whatever the others hold."""
    if unit.hook_script is None:
        return
    shared = {file for worker in unit.workers for file, _ in _shared_stop_files(worker)}
    for loop in unit.hook_script.script.loops:
        for file in sorted(_tested_files(loop.conditions) & shared):
            yield Diagnosis(
                unit.hook_script.at(loop.line),
                unit.title,
                f"the hook waits until {file} is gone, which says that one worker has stopped, and not all",
                "wait for the workers' processes, or remove the hook and let SIGTERM stop them",
            )


@unit_rule(
    "D-32",
    Harm.DELAYS,
    remedy="Take it out: a pod stops by its own signal.",
    source="35 of 35 workers of another pod were stopped too where the cache is shared (measured).",
)
def check_fleet_wide_stop(unit: Unit) -> Iterator[Diagnosis]:
    """A pod that ends stops its own workers. `messenger:stop-workers` and `queue:restart` write to the cache, and every
    worker that shares it stops, in every other pod; `celery control shutdown` and `rq suspend` ask all that share the
    broker."""
    if unit.hook_script is not None:
        for call in unit.hook_script.script.calls:
            yield from _fleet_wide(unit, call.words, unit.hook_script.at(call.line))
    elif unit.hook is not None and unit.hook.command is not None:
        yield from _fleet_wide(unit, unit.hook.command.words, unit.hook.command.place)


def _fleet_wide(unit: Unit, words: tuple[str | None, ...], place: object) -> Iterator[Diagnosis]:
    for command, whom in _FLEET_WIDE.items():
        at = words.index(command[0]) if command[0] in words else len(words)
        if words[at : at + len(command)] == command and not {"-d", "--destination"} & set(words):
            yield Diagnosis(
                place,  # type: ignore[arg-type]
                unit.title,
                f"{' '.join(command)} stops {whom}, not only of this one",
                "remove it: SIGTERM stops the workers of this pod",
            )


@unit_rule(
    "D-33",
    Harm.DELAYS,
    remedy="Give the loop a deadline below the grace period.",
    source="As written, the empty pod hung until 240.1 s and SIGKILL (measured with one worker).",
)
def check_endless_wait(unit: Unit) -> Iterator[Diagnosis]:
    """A hook that waits has a deadline. Otherwise it takes the whole grace period where what it waits for never comes,
    and the stop signal is sent when it is too late."""
    if unit.hook_script is None:
        return
    for loop in unit.hook_script.script.loops:
        if not loop.has_counter and _waits(loop):
            yield Diagnosis(
                unit.hook_script.at(loop.line),
                unit.title,
                "the hook waits without a deadline; if what it waits for never comes, it takes the whole grace period",
                "count the seconds, and end below the grace period",
            )


def _waits(loop: Loop) -> bool:
    return any(call.name == "sleep" for call in loop.body)


@unit_rule(
    "D-34",
    Harm.COSTS,
    remedy="Look every second or faster.",
    source="A poll of 5 s added 3.6 to 5.0 s to each deletion (measured).",
)
def check_slow_poll(unit: Unit) -> Iterator[Diagnosis]:
    """A hook notices soon that the pod is drained. Each deletion takes up to one more poll."""
    if unit.hook_script is None:
        return
    for loop in unit.hook_script.script.loops:
        for call in loop.body:
            seconds = str(call.words[1]) if call.name == "sleep" and len(call.words) > 1 else ""
            if seconds.isdecimal() and int(seconds) >= _LONGEST_POLL_SECONDS:
                yield Diagnosis(
                    unit.hook_script.at(call.line),
                    unit.title,
                    f"the hook looks every {seconds} s, so each pod stays up to {seconds} s longer than it needs",
                    "sleep 1",
                )


@unit_rule(
    "D-35",
    Harm.LOSES,
    Harm.BREAKS,
    remedy="Copy the script into the image, and build the image before the manifest is applied.",
    source="dograh PR 577: the hook's script was not in the image, so no drain ever ran; a hook that fails is only an "
    "event.",
)
def check_hook_is_there(unit: Unit) -> Iterator[Diagnosis]:
    """What the hook runs is in the image. Kubernetes goes on without it, and says so in an event that nobody reads. An
    image without a shell, distroless or `scratch`, has no `sleep` either."""
    words = unit.hook.command.words if unit.hook is not None and unit.hook.command is not None else ()
    if unit.hook is not None and words and _has_no(unit, words[0]):
        base = unit.image.base.value if unit.image is not None and unit.image.base is not None else ""
        is_sleep = hook_sleep(unit) > 0
        yield Diagnosis(
            unit.hook.command.place if unit.hook.command else unit.hook.place,
            unit.title,
            f"the hook runs {words[0]}, which {base} does not have: it fails each time, and nothing waits for it",
            "write preStop: {sleep: {seconds: N}}, or no hook"
            if is_sleep
            else "write no hook, or build on an image that has it",
            level=Harm.BREAKS if is_sleep else Harm.LOSES,
        )
    if unit.missing_hook and unit.hook is not None and unit.image is not None:
        place = unit.hook.command.place if unit.hook.command else unit.hook.place
        yield Diagnosis(
            place,
            unit.title,
            f"the hook runs {unit.missing_hook}, which nothing in {unit.image.place.file} puts into the image",
            f"COPY it to {unit.missing_hook}",
        )


def _has_no(unit: Unit, program: str) -> bool:
    """Whether the image is known to have no shell and no tools, and nothing brings this one."""
    image = unit.image
    if image is None or image.base is None or not _BARE.search(image.base.value):
        return False
    name = program.rpartition("/")[2]
    targets = (copy.target_of(source).rpartition("/")[2] for copy in image.copies for source in copy.sources)
    is_brought = any(target in (name, "busybox", "bin") for target in targets) or any(
        copy.destination.rstrip("/") in ("", "/bin", "/usr/bin", "/usr/local/bin") for copy in image.copies
    )
    return name in _TOOLS and not is_brought


@unit_rule(
    "D-36",
    Harm.LOSES,
    remedy="Send SIGTERM, and wait.",
    source="SIGKILL ends a process inside its message; no program can handle it.",
)
def check_hook_kills(unit: Unit) -> Iterator[Diagnosis]:
    """No hook kills what it should stop."""
    for sent in by_hook(unit):
        if sent.signal == "KILL" and (sent.to or not sent.is_by_name):
            yield Diagnosis(
                sent.place,
                unit.title,
                "the hook kills workers with the message that each has in flight",
                "send TERM, and wait until they have ended",
            )


@unit_rule(
    "D-37",
    Harm.LOSES,
    remedy="Send the signal by which the program takes nothing more, or none: SIGTERM comes by itself.",
    source="The source of each program, named in consumer/ebbtide_supervisor/programs.py; Sidekiq's wiki, Signals: the "
    "quiet signal was USR1, and is TSTP since 5.0; Ruby's signal.c: USR1 ends a program without a handler.",
)
def check_sent_signal(unit: Unit) -> Iterator[Diagnosis]:
    """What a hook, or a script before the worker, sends it lets the worker finish its message. Each program has its own
    signals: Sidekiq is quieted by TSTP and ends at USR1, Celery finishes on TERM and drops its tasks on QUIT."""
    for sent, worker in _judged(unit):
        if worker.program is None or not sent.signal or sent.signal == "KILL":
            continue
        if _is_quiet_of_old(unit, worker, sent.signal):
            continue
        if heard(worker.program, sent.signal, is_pid_1=is_pid_1(unit, worker)) is not Heard.CUT:
            continue
        finishes = " and ".join(worker.program.finishes_on)
        on = f"it finishes its message on {finishes}, and " if finishes else ""
        yield Diagnosis(
            sent.place,
            unit.title,
            f"{sent.shown!r} sends {sent.signal} to {worker.program.name}, which ends inside its message then: {on}"
            f"{worker.program.otherwise}",
            _instead(worker),
        )


def _instead(worker: Worker) -> str:
    program = worker.program
    if program is not None and "TSTP" in program.goes_on:
        return "send TSTP to quiet it; SIGTERM comes after the hook"
    if program is not None and program.finishes_on and "TERM" not in program.finishes_on:
        return f"send {program.finishes_on[0]}, and wait until it has ended"
    return "remove it: SIGTERM comes after the hook, and it finishes on that"


def _judged(unit: Unit) -> Iterator[tuple[Sent, Worker]]:
    for sent in by_hook(unit):
        for worker in sent.to:
            yield sent, worker
    for worker in unit.workers:
        for sent in by_script(unit, worker):
            yield sent, worker


def _is_quiet_of_old(unit: Unit, worker: Worker, signal: str) -> bool:
    """Whether it is how Sidekiq was quieted before 5.0, and that is what Gemfile.lock has."""
    version = sidekiq_version(unit)
    is_sidekiq = worker.program is not None and worker.program.name == "sidekiq"
    return is_sidekiq and signal == "USR1" and version is not None and version < _QUIET_BY_TSTP


def sidekiq_version(unit: Unit) -> int | None:
    """The major version in Gemfile.lock; None where that was not handed over."""
    said = unit.setup.gems.get("sidekiq")
    return int(said.value.partition(".")[0]) if said is not None else None


@unit_rule(
    "D-38",
    Harm.LOSES,
    Harm.DELAYS,
    remedy="Write kill -TSTP 1, or nothing: SIGTERM comes by itself.",
    source="Sidekiq's Changes: sidekiqctl was removed in 6.0; until then `sidekiqctl stop` sent TERM and, after its "
    "deadline of 10 s where none is given, KILL.",
)
def check_sidekiqctl(unit: Unit) -> Iterator[Diagnosis]:
    """A hook runs what is there, and waits as long as the worker. `sidekiqctl` is gone since Sidekiq 6, and a hook that
    fails is an event that nobody reads; before that it killed after its own deadline. Judged where Gemfile.lock says
    the version."""
    version = sidekiq_version(unit)
    for call, place in hook_calls(unit):
        words = [str(word or "?").rpartition("/")[2] for word in call.words]
        if version is None or "sidekiqctl" not in words:
            continue
        if version >= _NO_SIDEKIQCTL:
            text = f"the hook runs sidekiqctl, which Sidekiq {version} has no more: it fails, and nothing is quieted"
            yield Diagnosis(place, unit.title, text, "write kill -TSTP 1", level=Harm.DELAYS)
            continue
        deadline = int(words[-1]) if words[-1].isdecimal() else _SIDEKIQCTL_SECONDS
        longest = max((one.value for worker in unit.workers if (one := longest_of(unit, worker))), default=None)
        if "stop" in words and longest is not None and deadline < longest:
            text = f"the hook kills Sidekiq {deadline} s after its TERM, and a job may take {longest} s"
            yield Diagnosis(place, unit.title, text, "write kill -TSTP 1 in its place", level=Harm.LOSES)
