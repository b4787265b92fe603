"""Rules about the way of the stop signal: from the kubelet to PID 1, from there to the worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from signal import Signals
from typing import Final

from ebbtide.doctor.data import Place, Said, Seq
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.image import Command, Copy
from ebbtide.doctor.of_image import BY_SHELL, Program, Verdict, rewritten, signal_problem
from ebbtide.doctor.readers.programs import own_signals
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.sent import by_hook
from ebbtide.doctor.shells import depends_on_sh
from ebbtide.doctor.shown import shown
from ebbtide.doctor.unit import Unit, Worker

# What the Dockerfiles of docker-library/php say: `php:8.3-fpm`, `php:fpm-alpine`, `php:8.3-apache`.
_STOPSIGNALS: Final = {
    "QUIT": re.compile(r"(?:^|/)php:(?:[\w.]+-)?fpm(?:-|$)"),
    "WINCH": re.compile(r"(?:^|/)php:(?:[\w.]+-)?apache(?:-|$)"),
}
_OFFICIAL_PHP: Final = re.compile(r"^(?:docker\.io/)?(?:library/)?php:(?!.*pcntl)")
_EXTENSIONS: Final = "/usr/local/lib/php/"
_NUMBERS: Final = frozenset(str(one.value) for one in Signals)
_NAMES: Final = frozenset(one.name.removeprefix("SIG") for one in Signals)
# The kernel gives a PID 1 no signal that it has no handler for.
_AS_PID_1: Final = "as PID 1 it drops SIGTERM, and the worker is killed with its message when the grace period is over"
_AS_A_CHILD: Final = "it dies of SIGTERM, and the worker is killed with its message"
_PHP_PROGRAMS: Final = frozenset({"messenger:consume", "artisan queue:work", "artisan horizon"})


@unit_rule(
    "D-10",
    Harm.LOSES,
    remedy='Write the exec form: CMD ["supervisord", "-c", "/etc/supervisord.conf"].',
    source="Shell-form CMD under a kubelet: 240 s per deletion, consuming all the while, then SIGKILL with 69 of 70 "
    "messages in flight (measured; Debian 12's dash does not become the command, busybox's ash and bash do).",
)
def check_shell_form(unit: Unit) -> Iterator[Diagnosis]:
    """PID 1 is the program and not a shell. A shell as PID 1 has no handler for SIGTERM, so the kernel drops it: the
    pod goes on as if nothing had happened, until it is killed."""
    start = unit.start
    if start is not None and start.is_shell and unit.start_verdict.refused:
        text = start.words[-1]
        yield Diagnosis(
            start.place,
            unit.title,
            f"starts {shown(text)!r} through a shell, which is PID 1 then and drops SIGTERM{_unless(unit, start)}; "
            "the pod is killed when its grace period is over",
            _exec_form(unit, text),
        )


def _exec_form(unit: Unit, text: str) -> str:
    text = _without_runner(unit, text)
    name = "ENTRYPOINT" if unit.image and unit.image.entrypoint is unit.start else "CMD"
    is_plain = not re.search(r"[;&|<>$`\"'\\*]", text)
    words = ", ".join(f'"{word}"' for word in text.split())
    return f"write {name} [{words}]" if is_plain else f"write {name} in exec form, or `exec` before its last program"


def _without_runner(unit: Unit, text: str) -> str:
    """What `npm run worker` runs, as package.json says: npm in its place would not hand the signal on either."""
    words = text.split()
    script = unit.setup.npm_scripts.get(words[-1]) if words and words[0] in BY_SHELL else None
    return script.value if script else text


@unit_rule(
    "D-11",
    Harm.LOSES,
    remedy="Write `exec` before the worker, on every path of the script.",
    source="65 to 68 of 70 messages in flight were killed within 1.2 s of SIGTERM behind such a script (measured).",
)
def check_handover(unit: Unit) -> Iterator[Diagnosis]:
    """Between what is stopped and the worker stands no shell, and no program that keeps the signal to itself. Below a
    supervisor a shell dies of SIGTERM at once, which is taken for the worker's end; as PID 1 it drops the signal. In
    both cases the worker is killed with its message."""
    if unit.start is not None and not unit.start.is_shell and unit.start_verdict.refused and not _is_own(unit):
        text = f"{unit.start_verdict.refused}{_end(unit.start_verdict, _AS_PID_1)}"
        yield Diagnosis(unit.start.place, unit.title, text, unit.start_verdict.remedy)
    for worker in unit.workers:
        if worker.verdict.refused and worker.shell_leaves:
            yield Diagnosis(
                worker.words_place,
                f"{unit.title}, {worker.title}" if worker.supervised else unit.title,
                "a script before the worker hands the stop signal on and ends at once, the worker behind it: `wait` "
                "returns when a signal comes",
                "wait for the worker a second time, behind the first `wait`",
            )
        if (
            not worker.verdict.refused
            or worker.shell_passes_on
            or (worker.command is unit.start and worker.command.is_shell)
        ):
            continue
        below = f" (started by {worker.command.place})" if worker.script else ""
        place = worker.words_place if worker.script else worker.command.place
        yield Diagnosis(
            place,
            f"{unit.title}, {worker.title}" if worker.supervised else unit.title,
            f"{worker.verdict.refused}{below}{_unless(unit, worker.command)}"
            f"{_end(worker.verdict, _AS_PID_1 if worker.command is unit.start else _AS_A_CHILD)}",
            _in_front(worker) or _without_loop(worker) or worker.verdict.remedy,
        )


def _in_front(worker: Worker) -> str:
    """What to write of a worker that sends itself to the background, where exec would end the container at once."""
    options = [word for word in worker.words if word in ("--detach", "--daemon", "--daemonize")]
    if not options:
        return ""
    return f"leave {options[0]} out, and write exec before the worker; each in a container of its own"


def _without_loop(worker: Worker) -> str:
    """What to write of a worker in a loop, which exec would end with the first worker."""
    loop = worker.loop()
    if loop is None or "exec" not in worker.verdict.remedy:
        return ""
    if worker.supervised is not None:
        return "name the worker itself as command=, with autorestart=true, and drop the loop"
    return "name the worker itself as the container's command, and drop the loop: a container that ends is begun again"


def _end(verdict: Verdict, text: str) -> str:
    """What becomes of the worker, unless the verdict has said it."""
    return "" if verdict.says_end else f": {text}"


def _unless(unit: Unit, command: Command) -> str:
    """What is said where nobody knows which shell sh is, and it matters."""
    is_open = unit.sh_replaces_itself is None and depends_on_sh(command.words)
    return " (unless sh is busybox's or bash, as on Alpine and Red Hat)" if is_open else ""


def _is_own(unit: Unit) -> bool:
    """The start is a worker's command itself, which is judged as such."""
    return any(worker.command is unit.start for worker in unit.workers)


@unit_rule(
    "D-12",
    Harm.LOSES,
    remedy="Stop the program by a signal after which it finishes its message.",
    source="The source of each program, named in consumer/ebbtide_supervisor/programs.py; STOPSIGNAL SIGQUIT of "
    "docker-library/php's fpm images.",
)
def check_signal(unit: Unit) -> Iterator[Diagnosis]:
    """Each worker is stopped by a signal after which it finishes what it has. Another one kills it in the middle, or is
    not heard at all. The signal of an image is inherited: `php:fpm` stops by SIGQUIT. Of a worker of one's own, in PHP
    or Python, its file says which signals it handles."""
    for worker in unit.workers:
        signal = _rewritten(stop_signal_of(unit, worker), worker.command)
        if worker.program is None:
            yield from _unheard(unit, worker, signal)
            continue
        text, remedy = signal_problem(worker.program, signal.value)
        graceful = unit.variable("GRACEFUL_TERM") if worker.program.name == "resque:work" else None
        if graceful is not None and graceful.value and signal.value == "TERM":
            continue
        if worker.program.name == "messenger:consume":
            yield from _told_otherwise(unit, signal)
        if text and not _ended_by_hook(unit, worker):
            yield Diagnosis(signal.place, unit.title, text, _where(unit, worker, signal, worker.program) or remedy)
    remapped = unit.variable("REMAP_SIGTERM")
    settings = unit.setup.celery
    is_soft = any("worker_soft_shutdown_timeout" in one.options for one in settings)
    if (
        remapped is not None
        and remapped.value == "SIGQUIT"
        and any(unit.named("celery worker"))
        and settings
        and not is_soft
    ):
        text = "REMAP_SIGTERM makes SIGTERM Celery's cold shutdown, which cancels the tasks in flight"
        yield Diagnosis(remapped.place, unit.title, text, "remove it, or set worker_soft_shutdown_timeout")


def _told_otherwise(unit: Unit, signal: Said[str]) -> Iterator[Diagnosis]:
    """Messenger hears the signals that its configuration lists, and no others."""
    for part in unit.setup.messenger:
        listed = part.messenger.get("stop_worker_on_signals")
        words = [str(one).upper().removeprefix("SIG") for one in listed] if isinstance(listed, Seq) else []
        names = {Signals(int(one)).name.removeprefix("SIG") if one in _NUMBERS else one for one in words}
        if names and names <= _NAMES and signal.value not in names and part.environment in ("", "prod"):
            yield Diagnosis(
                Place(part.file, part.messenger.line_of("stop_worker_on_signals")),
                unit.title,
                f"messenger:consume is told to stop at {' and '.join(f'SIG{one}' for one in sorted(names))} alone, and "
                f"is stopped by SIG{signal.value}, which it does not hear then",
                f"write SIG{signal.value} into stop_worker_on_signals too",
            )


def _ended_by_hook(unit: Unit, worker: Worker) -> bool:
    """Whether its hook has sent it the right signal before, and waits for it."""
    finishes = worker.program.finishes_on if worker.program else ()
    return any(sent.signal in finishes and sent.is_waited_for and worker in sent.to for sent in by_hook(unit))


def _where(unit: Unit, worker: Worker, signal: Said[str], program: Program) -> str:
    """What to write, and where: the signal is the supervisor's, the container's, the init's or the image's."""
    if not program.finishes_on:
        return ""  # another program
    name = program.finishes_on[0]
    if worker.supervised is not None:
        return f"write stopsignal={name}"
    if signal.place == worker.command.place and signal.value not in ("TERM", name):
        return f"let dumb-init hand on {name} instead"
    by_compose = "stop_signal" if unit.workload is not None and not unit.is_kubernetes else "lifecycle.stopSignal"
    if unit.container is not None and unit.container.stop_signal is not None:
        return f"write {by_compose}: SIG{name}"
    return f"write STOPSIGNAL SIG{name} in the Dockerfile (or {by_compose}: SIG{name})"


def _unheard(unit: Unit, worker: Worker, signal: Said[str]) -> Iterator[Diagnosis]:
    """A program that handles signals by its own code, and not the one that it is stopped by."""
    handled = own_signals(worker.source) if worker.source is not None else frozenset[str]()
    if worker.source is not None and handled and signal.value not in handled:
        names = " and ".join(f"SIG{name}" for name in sorted(handled))
        yield Diagnosis(
            signal.place,
            unit.title,
            f"is stopped by SIG{signal.value}, and {worker.source.name} speaks of {names} alone: it hears nothing, or "
            "dies in the middle of its message",
            f"write STOPSIGNAL SIGTERM, and handle SIGTERM in {worker.source.base}",
        )


def stop_signal_of(unit: Unit, worker: Worker) -> Said[str]:
    """By which signal a worker is stopped, and where that is said."""
    place = worker.command.place
    if worker.supervised is not None:
        signal = worker.supervised.text("stopsignal", "TERM").upper().removeprefix("SIG")
        return Said(signal, worker.supervised.line_of("stopsignal"))
    if unit.container is not None and unit.container.stop_signal is not None:
        return unit.container.stop_signal
    if unit.image is not None and worker.command is unit.start:
        if unit.image.stop_signal is not None:
            return unit.image.stop_signal
        base = unit.image.base
        for signal, images in _STOPSIGNALS.items() if base is not None else ():
            if base is not None and images.search(base.value):
                return Said(signal, base.place)
    return Said("TERM", place)


def _rewritten(signal: Said[str], command: Command) -> Said[str]:
    """What `dumb-init --rewrite 15:3` makes of a signal on its way."""
    if "dumb-init" not in (word.rpartition("/")[2] for word in command.words):
        return signal
    after = rewritten(signal.value, command.words)
    return signal if after == signal.value else Said(after, command.place)


@unit_rule(
    "D-15",
    Harm.LOSES,
    remedy="Signal the first process only: no stopasgroup, dumb-init --single-child, tini without -g.",
    source="celery 5.6.3 with two processes: SIGTERM to its group ended both with `signal 15` inside their task, to "
    "its first process alone it finished; with --pool=threads both finish (measured). Airflow's image sets "
    "DUMB_INIT_SETSID=0 for it.",
)
def check_group(unit: Unit) -> Iterator[Diagnosis]:
    """Celery's own processes get no stop signal beside Celery itself. They die of it, each with its task, while their
    parent still waits for them."""
    for worker in unit.named("celery worker"):
        if not {"prefork"} >= set(worker.values("-P", "--pool")):
            continue
        place = _signals_group(unit, worker)
        if place is not None:
            yield Diagnosis(
                place.place,
                f"{unit.title}, {worker.title}" if worker.supervised else unit.title,
                f"{place.value} signals the whole group, and each of Celery's processes dies of SIGTERM with its task",
                "signal Celery's first process alone",
            )


def _signals_group(unit: Unit, worker: Worker) -> Said[str] | None:
    """Who sends the signal to all processes of the worker's group, and where that is said."""
    supervised = worker.supervised
    if supervised is not None and supervised.switch("stopasgroup", default=False):
        return Said("stopasgroup", supervised.line_of("stopasgroup"))
    words = [str(word).rpartition("/")[2] for word in worker.command.words]
    before = words[: words.index("--")] if "--" in words else words[:3]
    setsid = unit.variable("DUMB_INIT_SETSID")
    if "dumb-init" in before and not {"-c", "--single-child"} & set(before) and not (setsid and setsid.value == "0"):
        return Said("dumb-init", worker.command.place)
    if "tini" in before and "-g" in before:
        return Said("tini -g", worker.command.place)
    return None


@unit_rule(
    "D-13",
    Harm.LOSES,
    remedy="Build pcntl into the image: RUN docker-php-ext-install pcntl.",
    source="docker-library/php builds none; symfony/messenger and laravel/framework add signal handlers only where "
    "pcntl is loaded.",
)
def check_pcntl(unit: Unit) -> Iterator[Diagnosis]:
    """PHP can handle signals. Docker's own PHP images have no pcntl: SIGTERM ends the worker inside its message."""
    image = unit.image
    if image is None or image.base is None or not _OFFICIAL_PHP.match(image.base.value):
        return
    texts = [run.value for run in image.runs] + list(image.environment_values().values())
    texts += [file.text for file in unit.setup.scripts]  # one of them may be what the build runs
    is_built = any("pcntl" in text for text in texts) or any(map(_may_bring_extensions, image.copies))
    workers = [worker for worker in unit.workers if worker.program and worker.program.name in _PHP_PROGRAMS]
    if workers and not is_built:
        yield Diagnosis(
            image.base.place,
            unit.title,
            f"{image.base.value} has no pcntl, and nothing here builds it: SIGTERM kills {workers[0].title} inside its "
            "message",
            "add RUN docker-php-ext-install pcntl",
        )


def _may_bring_extensions(copy: Copy) -> bool:
    """Whether what is copied from another image may hold PHP's extensions: composer's one file does not."""
    destination = f"{copy.destination.rstrip('/')}/"
    return copy.from_elsewhere and (_EXTENSIONS.startswith(destination) or destination.startswith(_EXTENSIONS))


@unit_rule(
    "D-14",
    Harm.BREAKS,
    remedy="Start supervisord with -n, or write nodaemon=true.",
    source="supervisor/options.py: without nodaemon it forks, and the first process ends.",
)
def check_foreground(unit: Unit) -> Iterator[Diagnosis]:
    """supervisord stays in the foreground. Otherwise PID 1 ends at once, and the container with it."""
    one = unit.supervisor
    if one is None or unit.start is None or not one.has_supervisord:
        return
    words = " ".join(unit.start.words)
    script = " ".join(str(word) for words_ in unit.start_verdict.programs for word in words_)
    said = one.supervisord.get("nodaemon")
    is_foreground = said is not None and said.value.strip().lower() in ("true", "1", "yes", "on")
    if not is_foreground and not re.search(r"(?:^|\s)(?:-n|--nodaemon)(?:\s|$)", f"{words} {script}"):
        place = said.place if said else one.file.at()
        yield Diagnosis(
            place,
            unit.title,
            "supervisord goes to the background, where PID 1 ends and the container with it",
            "write nodaemon=true in [supervisord]",
        )
