"""A unit: one container that runs workers, as far as the files tell. What rules look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ebbtide.doctor.data import UNKNOWN, Place, Said, Unknown
from ebbtide.doctor.files import File
from ebbtide.doctor.image import Command, Image
from ebbtide.doctor.of_image import WRAPPERS, Handover, Program, Verdict
from ebbtide.doctor.readers.clients import ClientProgram
from ebbtide.doctor.readers.node import Whole
from ebbtide.doctor.readers.python import WholePython
from ebbtide.doctor.readers.scripts import Call, Loop, Script, read_script
from ebbtide.doctor.readers.supervisor import Program as SupervisedProgram
from ebbtide.doctor.readers.supervisor import SupervisorFile
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import Container, Hook, ManifestObject, Workload
from ebbtide.kubernetes.keda import DEFAULT_MAX_REPLICAS
from ebbtide.settings.values import schedules

_SYMFONY_SCHEDULE: Final = re.compile(r"messenger:consume\s.*\bscheduler_\w+")
_INTERPRETER: Final = re.compile(r"(?:php|python|ruby|node|bundle|rake|perl|airflow)[0-9.]*$|$")
# `bash -ec`, `set -euo pipefail`, `set -o errexit`
_SET_E: Final = re.compile(r"\s-[a-z]*e[a-z]*(?:\s|$)|\serrexit\b")
_TAKES_A_VALUE: Final = re.compile(r"-[^=]*$")
Words = tuple["str | None", ...]


def shown_words(words: Iterable[str | None]) -> str:
    """As the patterns of known programs see them: each path as its last part."""
    return " ".join(str(word or "?").rpartition("/")[2] for word in words)


def _line(call: Call) -> str:
    return " ".join(str(word or "?") for word in call.words)


def keeps_schedule(words: Words) -> bool:
    """Whether a command sends by the clock, and handles no message: celery beat, Laravel's schedule:work."""
    return schedules.keeps_schedule(shown_words(words))


@dataclass
class ScriptFile:
    """A script that was found for a command."""

    file: File
    script: Script
    first_line: int = 0
    """Lines before it, where it stands inside of another file."""

    def at(self, line: int) -> Place:
        """A line of it."""
        return Place(self.file.name, self.first_line + line)


@dataclass
class Worker:
    """A command that runs workers, and how it is stopped."""

    command: Command
    verdict: Verdict
    program: Program | None
    """Which known worker it is."""
    words: Words
    """The worker's own command, also where a script or a shell stands before it."""
    words_place: Place
    script: ScriptFile | None = None
    source: File | None = None
    """The program itself, where it handles signals by its own code."""
    node: Whole | None = None
    """The program with what it imports, where it runs on Node.js and was handed over."""
    python: WholePython | None = None
    """The same of Python."""
    supervised: SupervisedProgram | None = None
    service_path: str = ""
    """Its run file, where it is a service of s6."""
    copies: int | Unknown = 1
    """How many of it run in the container."""
    client: ClientProgram | None = None
    """The program in PHP, Go or Ruby that takes messages by a client of its own."""

    @property
    def takes_messages(self) -> bool:
        """Whether its own program is seen to take messages by a client of a broker."""
        of_node = self.node is not None and any(part.consumes for part in self.node.parts)
        of_python = self.python is not None and (self.python.taker is not None or self.python.runs_rq)
        return of_node or of_python or self.client is not None

    @property
    def title(self) -> str:
        """What to call it."""
        known = self.program.name if self.program else ""
        if self.supervised:
            return f"program {self.supervised.name}"
        return known or (str(self.command.words[0]) if self.command.words else "the worker")

    @property
    def shell_passes_on(self) -> bool:
        """Whether a script or a shell's text before it may pass the stop signal on by a handler of its own."""
        return self.shell is not None and self.shell.passes_on("TERM")

    @property
    def shell_leaves(self) -> bool:
        """Whether that shell passes the signal on, and ends then without waiting for the worker."""
        return self.shell is not None and self.shell.passes_on("TERM") and not self.shell.waits_again

    @property
    def shell(self) -> Script | None:
        """The script, or the shell's text, that it stands in."""
        words = self.command.words
        if self.script is None and len(words) > 2 and words[1] == "-c":
            return read_script(words[2], words[0].rpartition("/")[2])
        return self.script.script if self.script is not None else None

    def loop(self) -> Loop | None:
        """The loop of its script, or of the shell's text, that runs it; the outermost one."""
        shell = self.shell
        for loop in (*shell.loops, *shell.counted) if shell is not None else ():
            if any(self.words in (call.words, call.words[1:]) for call in loop.body):
                return loop
        return None

    @property
    def is_begun_again(self) -> bool:
        """Whether a loop that never ends runs it: who started that hears nothing of the worker's end."""
        loop, shell = self.loop(), self.shell
        options = " ".join(str(word) for word in self.command.words[:2])
        ends_early = shell is not None and any(
            call.name == "set" and _SET_E.search(_line(call)) for call in shell.calls
        )
        return loop is not None and loop.is_endless and not ends_early and _SET_E.search(options) is None

    @property
    def is_scheduler(self) -> bool:
        """Whether it sends by the clock: celery beat, a Laravel or Symfony schedule."""
        return keeps_schedule(self.words) or _SYMFONY_SCHEDULE.search(self.shown_words()) is not None

    def started(self) -> Iterator[tuple[Words, Place]]:
        """Every command of the script or the shell's text that it stands in, of the branches that are taken."""
        shell = self.shell
        for call in shell.calls if shell is not None else ():
            if self.verdict.lines and call.line not in self.verdict.lines:
                continue
            yield call.words, self.script.at(call.line) if self.script is not None else self.command.place

    @property
    def parent(self) -> str:
        """A program before the known one that nobody here knows: `watchmedo`. Interpreters are none."""
        before = [str(word or "?") for word in self.words[: self._place_of_program()]]
        first = before[0].rpartition("/")[2] if before else ""
        is_known = _INTERPRETER.match(first) or (first in WRAPPERS and WRAPPERS[first].handover is not Handover.UNKNOWN)
        return "" if is_known else first

    def _place_of_program(self) -> int:
        """At which word the known program's own begin; the interpreter's are before it."""
        known = self.program.pattern.search(self.shown_words()) if self.program else None
        return self.shown_words()[: known.start()].count(" ") + (known.start() > 0) if known else 0

    def shown_words(self) -> str:
        """As the patterns of known programs see them: each path as its last part."""
        return shown_words(self.words)

    @property
    def is_many(self) -> bool:
        """Whether a container runs several of it, as far as that is known."""
        return isinstance(self.copies, int) and self.copies > 1

    def values(self, *options: str) -> list[str]:
        """The values that an option was given, in all its spellings."""
        found: list[str] = []
        words = [word or "" for word in self.words]
        for at, word in enumerate(words):
            for option in options:
                if word == option and at + 1 < len(words):
                    found.append(words[at + 1])
                elif word.startswith(f"{option}="):
                    found.append(word.partition("=")[2])
                elif len(option) == 2 and word.startswith(option) and len(word) > 2 and not word.startswith("--"):
                    found.append(word[2:].removeprefix("="))
        return found

    @property
    def may_say_more(self) -> bool:
        """Whether a word that only the run knows may be an option: `--concurrency=$N`, `$OPTIONS`. One behind an option
        is its value: `-A $APP`."""
        pairs = zip(("", *self.words), self.words, strict=False)
        return any(word is None and not _TAKES_A_VALUE.match(before or "") for before, word in pairs)

    def seconds(self, *options: str) -> int | None:
        """The last value of an option, where it is a number."""
        values = self.values(*options)
        return int(values[-1]) if values and values[-1].isdecimal() else None


@dataclass
class Unit:
    """Where workers run. What is None is not known, and no rule may take it for a default."""

    title: str
    place: Place
    setup: SetUp
    workload: Workload | None = None
    container: Container | None = None
    image: Image | None = None
    sh_replaces_itself: bool | None = None
    """Whether its sh becomes the last command of `-c` (shells.py); None: nobody knows."""
    start: Command | None = None
    start_verdict: Verdict = field(default_factory=Verdict)
    supervisor: SupervisorFile | None = None
    workers: list[Worker] = field(default_factory=list)
    hook: Hook | None = None
    hook_script: ScriptFile | None = None
    missing_hook: str = ""
    """The hook's script, where the image is known not to hold it."""
    autoscalers: list[ManifestObject] = field(default_factory=list)

    @property
    def is_kubernetes(self) -> bool:
        """Whether it is a pod's."""
        return self.workload is not None and self.workload.kind != "service"

    def variable(self, name: str) -> Said[str] | None:
        """A variable of the container, of its image, or of its supervisor's programs."""
        for source in (
            self.container.environment if self.container else {},
            self.image.environment if self.image else {},
        ):
            if name in source:
                return source[name]
        return None

    @property
    def processes(self) -> int | Unknown:
        """How many workers a pod runs."""
        counts = [worker.copies for worker in self.workers]
        if any(isinstance(count, Unknown) for count in counts):
            return UNKNOWN
        return sum(count for count in counts if isinstance(count, int))

    @property
    def most_replicas(self) -> int:
        """The most pods that are known to run at once; 1 where nothing says more."""
        found = [self.workload.replicas.value if self.workload and self.workload.replicas else 1]
        if self.workload is not None and self.workload.kind == "ScaledJob":
            found.append(self.workload.data.map("spec").get("maxReplicaCount", DEFAULT_MAX_REPLICAS))
        for one in self.autoscalers:
            spec = one.data.map("spec")
            by_keda = spec.get("maxReplicaCount", DEFAULT_MAX_REPLICAS if one.kind == "ScaledObject" else 1)
            found.append(spec.get("maxReplicas", by_keda))
        return max(one for one in found if isinstance(one, int))

    def supervised_programs(self) -> Iterator[SupervisedProgram]:
        """All that supervisord runs, and not the workers alone."""
        if self.supervisor is not None:
            for part in (self.supervisor, *self.supervisor.included(self.setup.supervisors)):
                yield from part.programs

    def beside_workers(self) -> Iterator[tuple[Words, Place]]:
        """What the scripts that workers are in run besides them."""
        for worker in self.workers:
            yield from ((words, place) for words, place in worker.started() if words != worker.words)

    def named(self, program: str) -> Iterator[Worker]:
        """The workers that are a known program."""
        for worker in self.workers:
            if worker.program is not None and worker.program.name == program:
                yield worker
