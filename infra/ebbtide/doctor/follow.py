"""What a container becomes: supervisord with its programs, s6 with its services, or the worker itself."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from ebbtide.doctor.data import UNKNOWN, Place
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.files import File
from ebbtide.doctor.image import Command, Image
from ebbtide.doctor.image_files import RUN_FILE, ImageFiles
from ebbtide.doctor.of_image import (
    BUILTINS,
    SHELLS,
    UTILITIES,
    Program,
    Verdict,
    judge_handover,
    known_program,
)
from ebbtide.doctor.readers.scripts import Call, looks_like_script, read_script
from ebbtide.doctor.readers.supervisor import Program as SupervisedProgram
from ebbtide.doctor.readers.supervisor import expand
from ebbtide.doctor.shells import started_by_sh, with_implicit_exec
from ebbtide.doctor.shown import one_line
from ebbtide.doctor.unit import ScriptFile, Unit, Words, Worker, keeps_schedule
from ebbtide.doctor.workload import Container

WORKER_NAME: Final = re.compile(
    r"(?i)(?:^|[-_./:])(?:\w*worker|\w*consumer|queue|celery|messenger|horizon|sidekiq|resque|bull(?:mq)?|jobs?)s?"
    r"(?:$|[-_./:0-9@])"
)
# Judged by its words: rules/hooks, and times.hook_sleep.
_KNOWN_HOOK: Final = re.compile(
    r"^(?:/bin/)?sleep [0-9]+|messenger:stop-workers|queue:restart|horizon:terminate|\bsidekiqctl\b|"
    r"^(?:\S*/)?(?:kill|pkill|killall|supervisorctl)\s"
)
_HOOK_PROGRAMS: Final = BUILTINS | UTILITIES | {"[[", "pkill", "killall", "ps", "supervisorctl", "usleep"}
_INSTALLERS: Final = {"apt", "apt-get", "apk", "pip", "pip3", "which", "kill"}


def start_of(container: Container, image: Image | None) -> Command | None:
    """The command that a container begins with, as far as it is known."""
    if container.command is not None:
        return joined(container.command, container.arguments)
    entrypoint = image.entrypoint if image else None
    if image is None:
        # Its entrypoint is not known; what stands in `args` is most likely run by it as it is.
        return container.arguments
    return joined(entrypoint, container.arguments or image.cmd)


def joined(entrypoint: Command | None, arguments: Command | None) -> Command | None:
    """As the runtime joins them: a shell's text takes no arguments."""
    if entrypoint is None:
        return arguments
    if arguments is None or entrypoint.is_shell:
        return entrypoint
    place = arguments.place if entrypoint.words[-1:] == ("--",) or len(entrypoint.words) < 2 else entrypoint.place
    return Command((*entrypoint.words, *arguments.words), place, is_shell=False)


def _judge(words: Words, files: ImageFiles) -> Verdict:
    becomes = with_implicit_exec(words, sh_replaces=files.sh_replaces_itself is True)
    if files.sh_replaces_itself and (name := started_by_sh(words)):
        doubt = f"runs the worker under {name}, and whether the stop signal gets through it is not known"
        return Verdict(doubts=(doubt,), programs=(words,))
    return judge_handover([word if word is not None else "$?" for word in becomes], files.read)


def follow(unit: Unit, files: ImageFiles) -> None:
    """What the container becomes: supervisord with its programs, s6, or the worker itself."""
    if unit.start is None:
        return
    unit.start_verdict = _judge(unit.start.words, files)
    becomes = [words for words in unit.start_verdict.programs if words]
    # A supervisor is no worker to the judge of commands, which leaves it unjudged: here its programs are looked at.
    calls = [unit.start.words, *becomes, *(call.words for call in _calls_of(unit.start, files))]
    for words in map(_from_supervisord, calls):
        if words:
            unit.supervisor = files.supervisor(_option(words, "-c", "--configuration"))
            if unit.supervisor is None:
                unit.setup.notes.append(
                    Note(unit.start.place, f"{unit.title} starts supervisord, whose configuration was not handed over")
                )
            add_programs(unit, files)
            return
    if any(_base(words) == "init" or _base(words) == "s6-svscan" for words in calls):
        _add_services(unit, files)
        return
    worker = worker_of(unit.start, files)
    if worker.program is not None or worker.is_scheduler or worker.takes_messages or is_called_worker(unit):
        unit.workers.append(worker)


def _from_supervisord(words: Words) -> Words:
    """From supervisord on, where a command starts it, behind `exec`, an init or an entrypoint; else nothing."""
    at = next((n for n, word in enumerate(words) if _base((word,)) == "supervisord"), None)
    is_about_it = at != 0 and _base(words) in (_HOOK_PROGRAMS | _INSTALLERS) - {"exec"}
    return () if at is None or is_about_it else words[at:]


def _add_services(unit: Unit, files: ImageFiles) -> None:
    for file in unit.setup.scripts:
        path = file.name if RUN_FILE.search(file.name) else files.service_path(file)
        if path:
            worker = worker_of(Command((file.name,), file.at()), files)
            files.used.add(file.name)
            worker.service_path = path
            if worker.program is not None:
                unit.workers.append(worker)
    for path, file in unit.image.inline.items() if unit.image else ():
        worker = worker_of(Command((path,), file.at()), files)
        worker.service_path = path if RUN_FILE.search(path) else ""
        if worker.service_path and worker.program is not None:
            unit.workers.append(worker)
    if not unit.workers and unit.start is not None and is_called_worker(unit):
        text = "starts s6, and which of its services are workers was not seen; hand over their run files"
        unit.setup.notes.append(Note(unit.start.place, f"{unit.title} {text}"))


def add_programs(unit: Unit, files: ImageFiles) -> None:
    """The programs of supervisord, and of the files that it includes."""
    if unit.supervisor is None:
        return
    variables = {name: said.value for name, said in (unit.image.environment if unit.image else {}).items()}
    variables |= {name: said.value for name, said in (unit.container.environment if unit.container else {}).items()}
    parts = [unit.supervisor, *unit.supervisor.included(unit.setup.supervisors)]
    for program in (program for part in parts for program in part.programs):
        supervised = _expanded(program, variables)
        worker = worker_of(Command(supervised.words, supervised.command.place), files)
        worker.supervised = supervised
        worker.copies = supervised.processes
        if worker.program is not None or worker.takes_messages or WORKER_NAME.search(program.name):
            unit.workers.append(worker)
            if worker.copies is UNKNOWN:
                text = f"program {program.name}: numprocs is known only where it runs, so nothing is said of how many"
                unit.setup.notes.append(Note(program.line_of("numprocs"), text))


def _expanded(program: SupervisedProgram, variables: dict[str, str]) -> SupervisedProgram:
    options = {key: replace(said, value=expand(said.value, variables)) for key, said in program.options.items()}
    return replace(program, options=options, command=options["command"])


def worker_of(command: Command, files: ImageFiles) -> Worker:
    """A command that may run a worker, with the verdict on its signal."""
    verdict = _judge(command.words, files)
    script = _script_of(command, files)
    program, words, place = _known(command, verdict, script)
    # Of a script that becomes a program of the team's own, that one.
    becomes = [one for one in verdict.programs if one and None not in one]
    own = becomes[0] if program is None and script is not None and len(becomes) == 1 else words
    source, node, python, client = files.program(own), files.node(own), files.python(own), files.client(own)
    return Worker(command, verdict, program, words, place, script, source, node, python, client=client)


def _known(command: Command, verdict: Verdict, script: ScriptFile | None) -> tuple[Program | None, Words, Place]:
    """The known program of a command, wherever it stands: behind wrappers, in a shell's text, in a script."""
    if script is not None:
        calls = [(_behind_exec(call), call) for call in script.script.calls if not _is_probe(call)]
        # Of an entrypoint for several roles, the branch that is taken; and what keeps a schedule is its worker there.
        taken = [(words, call) for words, call in calls if call.line in verdict.lines]
        clocks = [(words, call) for words, call in taken if keeps_schedule(words)]
        is_of_role = any(known_program(words) for words, _ in taken)
        for words, call in taken if is_of_role else clocks or calls:
            known = known_program(words)
            if known is not None or (clocks and not is_of_role):
                return known, words, script.at(call.line)
    for words in verdict.programs:
        if words and (known := known_program(words)) is not None:
            return known, words, command.place
    text = command.words[2] if len(command.words) > 2 and command.words[1] == "-c" else None
    if text is not None and _base(command.words) in SHELLS:
        for call in read_script(text, _base(command.words)).calls:
            words = _behind_exec(call)
            if (known := known_program(words)) is not None:
                return known, words, command.place
    return known_program(command.words), command.words, command.place


def _behind_exec(call: Call) -> Words:
    return call.words[1:] if call.name == "exec" else call.words


def _is_probe(call: Call) -> bool:
    return call.name in ("pgrep", "pkill", "grep", "echo", "printf", "ps")


def _script_of(command: Command, files: ImageFiles) -> ScriptFile | None:
    """The script that a command names first: as the program, or as a shell's argument."""
    for word in command.words[:4]:
        if not word or word.startswith("-") or _base((word,)) in (*SHELLS, "env", "tini", "dumb-init"):
            continue
        is_path = "/" in word or word.endswith((".sh", ".bash")) or RUN_FILE.search(f"s6/x/{word}")
        file = files.script(word) if is_path else None
        if file is not None and looks_like_script(file):
            return ScriptFile(file, read_script(file.text), file.first_line)
        if not word.endswith("tini"):
            return None
    return None


def _calls_of(command: Command, files: ImageFiles) -> list[Call]:
    script = _script_of(command, files)
    calls = list(script.script.calls) if script else []
    if len(command.words) > 2 and command.words[1] == "-c" and _base(command.words) in SHELLS:
        calls += read_script(str(command.words[2]), _base(command.words)).calls
    return calls


def find_hook(unit: Unit, files: ImageFiles) -> None:
    """The script that the hook runs, or that it is not in the image."""
    command = unit.hook.command if unit.hook else None
    if command is None:
        return
    if (
        len(command.words) > 2
        and _base(command.words) in SHELLS
        and command.words[1].startswith("-")
        and "c" in command.words[1]
    ):
        text = command.words[2]
        unit.hook_script = ScriptFile(
            File(command.place.file, text), read_script(text, _base(command.words)), command.place.line - 1
        )
        _note_unknown_calls(unit, command)
        return
    unit.hook_script = _script_of(command, files)
    path = next((word for word in command.words if "/" in word and _base((word,)) not in SHELLS), "")
    is_script = path.startswith("/") and path.endswith((".sh", ".bash"))
    if unit.hook_script is None and unit.image is not None and is_script and unit.image.holds(path) is False:
        unit.missing_hook = path
    if unit.hook_script is not None:
        _note_unknown_calls(unit, command)
    is_known = command.words[:1] == ("/opt/ebbtide/drain",) or _KNOWN_HOOK.search(" ".join(command.words))
    if unit.hook_script is None and not unit.missing_hook and not is_known:
        words = one_line(" ".join(command.words))
        unit.setup.notes.append(Note(command.place, f"{unit.title}: what the hook {words!r} does is not known here"))


def _note_unknown_calls(unit: Unit, command: Command) -> None:
    """Programs in a hook's script that nobody here knows: what they do to the workers is not judged."""
    script = unit.hook_script.script if unit.hook_script else None
    for call in script.calls if script else ():
        words = " ".join(str(word or "?") for word in call.words[:4])
        is_known = call.name in _HOOK_PROGRAMS or _KNOWN_HOOK.search(words) or "=" in call.name
        if script is not None and call.name and not is_known and call.name not in script.functions:
            unit.setup.notes.append(
                Note(command.place, f"{unit.title}: what {one_line(words)!r} of the hook does is not known here")
            )


def is_called_worker(unit: Unit) -> bool:
    """By what the unit and its command are called; a web server with such a name has ports."""
    container = unit.container
    if container is None or container.has_ports:
        return False
    names = [
        unit.workload.name if unit.workload else "",
        container.name,
        container.image.value if container.image else "",
    ]
    words = unit.start.words if unit.start else ()
    is_text = len(words) > 2 and words[1] == "-c" and _base(words) in SHELLS
    names += (words[2].split() if is_text else list(words))[:3]
    return any(WORKER_NAME.search(name) for name in names) or any(
        one.kind == "ScaledObject" for one in unit.autoscalers
    )


def _base(words: Words) -> str:
    return str(words[0]).rpartition("/")[2] if words and words[0] else ""


def _option(words: Words, short: str, long: str) -> str:
    for at, word in enumerate(words):
        if word in (short, long) and at + 1 < len(words):
            return words[at + 1] or ""
        if word and word.startswith(f"{long}="):
            return word.partition("=")[2]
    return ""
