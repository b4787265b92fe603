"""Signals that a hook, or a script before a worker, sends by itself: which ones, and to which workers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.of_image import WRAPPERS, Handover, signal_name
from ebbtide.doctor.readers.scripts import Call, read_script
from ebbtide.doctor.unit import Unit, Words, Worker

# Options whose value is a word of its own, beside those that name the signal.
_VALUES: Final = {
    "kill": frozenset({"-q", "--queue"}),
    "pkill": frozenset({"-u", "-U", "-g", "-G", "-P", "-s", "-t", "--ns", "--nslist", "-c", "--cgroup", "-F"}),
    "killall": frozenset({"-u", "--user", "-o", "-y", "-n"}),
}
_SIGNAL_OPTIONS: Final = {"kill": ("-s", "-n", "--signal"), "pkill": ("--signal",), "killall": ("-s", "--signal")}
_JOINED: Final = re.compile(r"^(?:--signal=|-[sn])")
_BY_NAME: Final = ("pkill", "killall")
_LOOKS_UP: Final = ("pgrep", "pidof")
_LANGUAGES: Final = {
    "php": ("messenger:consume", "artisan"),
    "python": ("celery", "rq", "dramatiq", "huey_consumer"),
    "ruby": ("sidekiq", "sidekiqswarm", "resque:work"),
}
_PID_FILE: Final = re.compile(r"(?:^|/)(?P<stem>[^/]+?)\.pid$")
_STOPS: Final = frozenset({"TERM", "SIGTERM", "15", "INT", "SIGINT", "2", "QUIT", "SIGQUIT", "3", "EXIT"})


@dataclass(frozen=True)
class Sent:
    """A signal on its way."""

    signal: str
    """Without SIG; empty where only the running shell knows it."""
    words: Words
    place: Place
    to: tuple[Worker, ...]
    """The workers that get it."""
    is_waited_for: bool = False
    """Whether what sends it waits then."""

    @property
    def is_by_name(self) -> bool:
        """Whether a name says who gets it."""
        return Call(self.words, 0).name in _BY_NAME

    @property
    def shown(self) -> str:
        """As it is written."""
        return " ".join(str(word or "$?") for word in self.words)


def by_hook(unit: Unit) -> Iterator[Sent]:
    """Those that the hook before the stop signal sends."""
    script = unit.hook_script
    calls = hook_calls(unit)
    for at, (call, place) in enumerate(calls):
        beside = [other for other, _ in calls if other.line == call.line]
        waits = any(other.name in ("sleep", "wait", "tail") for other, _ in calls[at + 1 :])
        waits |= script is not None and any(loop.line >= call.line for loop in script.script.loops)
        yield from _sent(unit, call, place, beside, waits=waits)


def by_script(unit: Unit, worker: Worker) -> Iterator[Sent]:
    """Those that a script before a worker sends it when it is stopped itself: by its traps."""
    script = worker.shell
    for call in script.calls if script is not None else ():
        handler = call.words[1] if call.name == "trap" and len(call.words) > 2 else None
        if script is None or handler is None or not _STOPS & set(call.words[2:]):
            continue
        place = worker.script.at(call.line) if worker.script is not None else worker.command.place
        inside = read_script(handler, "bash")
        # Which commands stand in a function is not looked into: what kills in such a script is meant for the worker.
        is_function = any(inner.name in script.functions for inner in inside.calls)
        for inner in script.calls if is_function else inside.calls:
            for one in _sent(unit, inner, place, [inner], waits=True):
                if worker in one.to:
                    yield Sent(one.signal, one.words, one.place, (worker,), one.is_waited_for)


def hook_calls(unit: Unit) -> list[tuple[Call, Place]]:
    """The commands of a hook, of its script or itself."""
    if unit.hook_script is not None:
        return [(call, unit.hook_script.at(call.line)) for call in unit.hook_script.script.calls]
    command = unit.hook.command if unit.hook is not None else None
    return [(Call(tuple(command.words), command.place.line), command.place)] if command is not None else []


def _sent(unit: Unit, call: Call, place: Place, beside: list[Call], *, waits: bool) -> Iterator[Sent]:
    if call.name == "supervisorctl":
        words = [word for word in call.words if word is not None]
        at = words.index("signal") if "signal" in words else len(words)
        if at + 1 < len(words):
            names = {name.partition(":")[0] for name in words[at + 2 :]}
            to = [one for one in unit.workers if one.supervised and ({one.supervised.name, "all"} & names)]
            yield Sent(signal_name(words[at + 1]), call.words, place, tuple(to), waits)
        return
    if call.name not in _VALUES:
        return
    signal, targets = _read(call)
    if signal is not None:
        yield Sent(signal, call.words, place, tuple(_reached(unit, call, targets, beside)), waits)


def _read(call: Call) -> tuple[str | None, list[str | None]]:
    """The signal, and to what it goes; no signal where none is sent, and an empty one where nobody knows it."""
    signal: str | None = "TERM"
    targets: list[str | None] = []
    words = iter(call.words[1:])
    for word in words:
        is_option = word is not None and word.startswith("-") and word != "-1" and not targets
        if word is None and call.name == "kill" and not targets and len(call.words) > 2 and signal == "TERM":
            signal = ""  # `kill -$SIGNAL 1`
        elif not is_option or word is None:
            targets.append(word)
        elif word in _SIGNAL_OPTIONS[call.name]:
            value = next(words, None)
            signal = None if value == "0" else signal_name(value or "")
        elif word in _VALUES[call.name]:
            next(words, None)
        elif word in ("-0", "-l", "-L", "--list"):
            return None, []
        else:
            signal = signal_name(word.lstrip("-")) or signal_name(_JOINED.sub("", word)) or signal
    return signal, targets


def _reached(unit: Unit, call: Call, targets: list[str | None], beside: list[Call]) -> Iterator[Worker]:
    for worker in unit.workers:
        if call.name in _BY_NAME:
            if any(target is None or _matches(worker, target) for target in targets):
                yield worker
        elif any(_is_it(unit, worker, target, beside) for target in targets):
            yield worker


def _is_it(unit: Unit, worker: Worker, target: str | None, beside: list[Call]) -> bool:
    if target == "1":
        return worker.command is unit.start and not worker.verdict.refused and not _shares_processes(unit)
    if target is not None:
        return target == "-1" or target.isdecimal()  # behind an init it has some number
    patterns = [word for call in beside if call.name in _LOOKS_UP for word in call.words[1:] if word]
    names = [found["stem"] for call in beside for word in call.words[1:] if (found := _PID_FILE.search(word or ""))]
    asked = [word for word in patterns if not word.startswith("-")] + names
    return not asked or any(_matches(worker, word) for word in asked)


def _shares_processes(unit: Unit) -> bool:
    return unit.workload is not None and unit.workload.pod.get("shareProcessNamespace") is True


def _matches(worker: Worker, pattern: str) -> bool:
    texts = (worker.shown_words(), " ".join(str(word or "?") for word in worker.words), _language(worker))
    try:
        return any(re.search(pattern, text) for text in texts)
    except re.error:
        return any(pattern in text for text in texts)


def _language(worker: Worker) -> str:
    """What the process table calls it where it does not rename itself."""
    name = worker.program.name if worker.program else ""
    return next((language for language, names in _LANGUAGES.items() if name.partition(" ")[0] in names), "")


def is_pid_1(unit: Unit, worker: Worker) -> bool:
    """Whether a worker is the container's first process itself, with no init before it."""
    if worker.command is not unit.start or worker.supervised is not None or _shares_processes(unit):
        return False
    names = [str(word).rpartition("/")[2] for word in worker.command.words]
    return not any(name in WRAPPERS and WRAPPERS[name].handover is not Handover.BECOMES for name in names)
