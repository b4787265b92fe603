"""Does the stop signal of PID 1 reach the worker? One judgement for `ebbtide check`, the self-check and the entrypoint.

PID 1 sends the signal to the process that it started. So that process must be the worker, or become it by `exec`, or
pass the signal on and wait. What is proved is accepted, what loses messages is refused with its line, and what cannot
be known is said.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .programs import (
    BEFORE_OPTIONS,
    BUILTINS,
    HARMS,
    INTERPRETERS,
    OPEN_OPTIONS,
    OPTION_VALUES,
    OTHER_SHELLS,
    PATHS,
    SHELLS,
    UTILITIES,
    WRAPPERS,
    Handover,
    Wrapper,
    known_program,
)
from .script import paths_of
from .syntax import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .path_states import Ran
    from .script import Ending, Paths
    from .syntax import Words

    ReadFile = Callable[[str], "bytes | None"]

DEEPEST: Final = 10
_REMEDY: Final = "write exec before the worker"
_SHELL_VALUES: Final = ("-o", "+o", "-O", "+O", "--rcfile", "--init-file")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_KILLS: Final = re.compile(r"-k|--kill-after|(?:-s|--signal)[= ]?(?:SIG)?(?:KILL|9)$")
_VARIABLE: Final = "runs a program that only a variable names"
_LOOKS_LIKE_SCRIPT: Final = re.compile(r"\.(?:sh|bash|ksh|zsh)$|(?:^|/)(?:docker-)?entrypoint[^/]*$")


@dataclass(frozen=True)
class Verdict:
    """What becomes of the stop signal."""

    refused: str = ""
    """Why messages would be lost, one clause; empty where nothing shows that."""
    remedy: str = ""
    doubts: tuple[str, ...] = ()
    """What cannot be known, one clause each."""
    not_read: str = ""
    """Why a script that is here was not read at all."""
    programs: tuple[Words, ...] = ()
    """The commands that the process becomes, one for each path."""
    says_end: bool = False
    """Whether `refused` says too how the worker ends."""
    rewrites: tuple[str, ...] = ()
    """Options on the way by which a known worker gets another signal (`rewritten`)."""
    signals_group: str = ""
    """The init on the way that signals its child's whole group."""
    lines: tuple[int, ...] = ()
    """Of the script that the command itself is: where the branches that are taken start a program."""

    def __or__(self, other: Verdict) -> Verdict:
        first = self if self.refused else other
        doubts = tuple(dict.fromkeys((*self.doubts, *other.doubts)))
        programs = (*self.programs, *other.programs)
        rewrites = (*self.rewrites, *other.rewrites)
        not_read = self.not_read or other.not_read
        group = self.signals_group or other.signals_group
        lines = (*self.lines, *other.lines)
        return Verdict(first.refused, first.remedy, doubts, not_read, programs, first.says_end, rewrites, group, lines)


def judge_handover(argv: Sequence[str], read_file: ReadFile) -> Verdict:
    """The verdict on a command. `read_file` gives the beginning of a program's file, None where it is not there."""
    return _Judge(read_file).command(tuple(argv))


class _Judge:
    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file
        self._depth = 0

    def command(self, argv: Words) -> Verdict:
        """The verdict on a command, and on what it becomes in turn."""
        if not argv or argv[0] is None:
            return Verdict(doubts=(_VARIABLE,) if argv else (), programs=(argv,))
        if self._depth >= DEEPEST:
            return Verdict("starts shells inside of shells", "write the worker's own command")
        self._depth += 1
        try:
            return self._by_name(argv[0].rpartition("/")[2], argv)
        finally:
            self._depth -= 1

    def _by_name(self, name: str, argv: Words) -> Verdict:
        if name == "busybox" and len(argv) > 1:
            return self.command(argv[1:])
        if name in OTHER_SHELLS:
            return Verdict(f"runs the worker under {name}, whose scripts are not read", "write it for sh, with exec")
        if name in SHELLS:
            return self._shell(name, argv)
        wrapper = WRAPPERS.get(name)
        if wrapper is not None:
            return self._wrapper(name, wrapper, argv)
        if doubt := _open_place(name, argv[1:]):
            return Verdict(doubts=(doubt,), programs=(argv,))
        return self._file(argv, self._read_file(str(argv[0])))

    def _file(self, argv: Words, text: bytes | None) -> Verdict:
        path = str(argv[0])
        if text is None:
            is_script = _LOOKS_LIKE_SCRIPT.search(path)
            return Verdict(doubts=_not_here(path), programs=(argv,)) if is_script else _itself(argv)
        first, _, _ = text.partition(b"\n")
        if not first.startswith(b"#!"):
            # Without this line the kernel refuses a text, and the shell before it runs it as its own.
            is_program = not text.strip() or b"\0" in text or text.startswith(b"\x7fELF")
            return _itself(argv) if is_program else self._script(text, "sh", argv[1:], path)
        name, shell, options = _interpreter(first[2:].decode(errors="replace").strip())
        if name in SHELLS:
            return self._script(text, name, argv[1:], path)
        if name in OTHER_SHELLS or name in WRAPPERS or name == "execlineb":
            return self._chain(text, path) if name == "execlineb" else self.command((shell, *options, *argv))
        if first.endswith(b"\r"):
            return Verdict(f"{path} has Windows line ends (line 1), so its interpreter is not found", "write \\n alone")
        return _itself(argv)

    def _chain(self, text: bytes, path: str) -> Verdict:
        """execline's language: one command, whose programs become the next; what stands in braces ends before that."""
        _, _, rest = text.decode(errors="replace").partition("\n")
        try:
            words = shlex.split(rest, comments=True)
        except ValueError as error:
            return Verdict(not_read=f"{path} is not read: {error}")
        if {"{", "}"} & set(words) or any("$" in word for word in words[:1]):
            return Verdict(doubts=(f"{path} is written in execline, whose blocks are not read",), programs=((None,),))
        return self.command(tuple(words))

    def _shell(self, name: str, argv: Words) -> Verdict:
        is_text, rest = _split_shell(argv)
        if not rest:
            return Verdict(f"runs {name} without a script", "write the worker's own command")
        script, arguments = rest[0], tuple(rest[1:])
        if script is None:
            return Verdict(doubts=(f"runs {name} on a script that is known only when it runs",))
        if is_text:
            # The first word after the text is the shell's own name.
            return self._script(script.encode(errors="surrogateescape"), name, arguments[1:], "")
        text = self._read_file(script)
        return Verdict(doubts=_not_here(script)) if text is None else self._script(text, name, arguments, script)

    def _script(self, text: bytes, shell: str, arguments: Words, path: str) -> Verdict:
        where = path or f"the script of {shell}"
        try:
            paths = paths_of(text, SHELLS[shell], arguments, self._read_file)
        except UnreadableError as error:
            if error.is_ours:
                return Verdict(not_read=f"{where} is not read: {error}")
            return Verdict(f"{where} cannot be read: {error}", "correct it; it must end in exec of the worker")
        verdict = Verdict()
        for ending in paths.endings:
            if ending.command is not None:
                verdict |= self._exec(ending, where)
        lines = (*(one.line for one in paths.ran), *(one.line for one in paths.endings if one.command is not None))
        refused = _refusal(paths)
        if refused:
            return replace(verdict, refused=f"{where} {refused[0]}", remedy=refused[1], lines=lines)
        doubts = () if verdict.refused else tuple(f"{where} {doubt}" for doubt in _doubts(paths))
        return replace(verdict | Verdict(doubts=doubts), lines=lines)

    def _exec(self, ending: Ending, where: str) -> Verdict:
        inner = self.command(ending.command or ())
        if inner.refused:
            return replace(inner, refused=f"{where} (line {ending.line}) {inner.refused}")
        return replace(inner, doubts=tuple(f"{where} (line {ending.line}) {doubt}" for doubt in inner.doubts))

    def _wrapper(self, name: str, wrapper: Wrapper, argv: Words) -> Verdict:
        options, command = _split_wrapper(name, wrapper, argv)
        is_open = wrapper.handover is Handover.UNKNOWN or _has(argv, wrapper.open_with)
        if wrapper.subcommand:
            behind = _behind_subcommand(name, wrapper, options, command)
            if behind is None:
                return Verdict(doubts=(_untried(name),) if is_open else (), programs=(argv,))
            command = behind
        if is_open:
            return Verdict(doubts=(_untried(name),), programs=(command,))
        if wrapper.handover is Handover.STAYS and not _has(argv, wrapper.waits_with):
            return _stays(name, wrapper)
        if not command:
            return Verdict(f"runs {name} without a program", "write the worker behind it")
        inner = self.command(command)
        inner |= _judge_options(name, options, inner.programs)
        inner |= Verdict(signals_group=name if wrapper.signals_group(options) else "")
        return inner | _judge_timeout(options) if wrapper.handover is Handover.LIMITS else inner


def _open_place(name: str, words: Words) -> str:
    """Why nobody can say what an interpreter becomes; empty where it runs a program by its name."""
    known = OPEN_OPTIONS.get(name.rstrip("0123456789."), {})
    is_value = False
    for word in words:
        option = (word or "").partition("=")[0]
        # `perl -we`, `ruby -ne`: letters of one word, of which the last is the one that takes the code.
        last = f"-{option[-1]}" if re.fullmatch("-[A-Za-z]{2,}", option) and name in ("perl", "ruby") else option
        if not is_value and (option in known or last in known):
            return known.get(option) or known[last]
        if not (is_value or option.startswith("-") or option in BEFORE_OPTIONS) or option in ("-m", "-f"):
            break
        is_value = not is_value and option in OPTION_VALUES
    return ""


def _itself(argv: Words) -> Verdict:
    """The verdict on a program of no table: it is taken for the worker, unless its words tell that it starts one."""
    name = str(argv[0]).rpartition("/")[2]
    behind = () if INTERPRETERS.fullmatch(name) else _behind(argv)
    return Verdict(doubts=(_untried(name),) if behind else (), programs=(behind or argv,))


def _behind(argv: Words) -> Words:
    """The worker that a program starts: an interpreter, or a path behind `--`. What stands behind a known worker is its
    own (`celery worker --queues php`)."""
    for place, word in enumerate(argv[1:], 1):
        is_last = argv[place - 1] == "--"
        # With nothing behind it to run, `node` is a queue's name (`--queue node`).
        is_a_name = place + 1 == len(argv) and not known_program((word,))
        if word and ((INTERPRETERS.fullmatch(word) and not is_a_name) or (is_last and PATHS.fullmatch(word))):
            return () if known_program(argv[:place]) else argv[place:]
    return ()


def _judge_options(name: str, options: Sequence[str], programs: Sequence[Words]) -> Verdict:
    """What the options of a wrapper do to the worker behind it."""
    verdict = Verdict()
    workers = [known_program(program) for program in programs]
    for option in options:
        harm = next((harm for harm in HARMS.get(name, ()) if re.fullmatch(harm.option, option)), None)
        if harm is not None and harm.is_a_signal and None not in workers:
            verdict |= Verdict(rewrites=(option,))
        elif harm is not None:
            what = f"runs the worker under {name}, which {harm.words}"
            verdict |= Verdict(what, "leave that option out") if harm.is_certain else Verdict(doubts=(what,))
    return verdict


def _has(words: Words, pattern: str) -> bool:
    return bool(pattern) and any(re.fullmatch(pattern, word or "") for word in words)


def _untried(name: str) -> str:
    return f"runs the worker under {name}, and whether the stop signal gets through it is not known"


def _not_here(path: str) -> tuple[str]:
    return (f"{path} is a script of the image, which is read when the container starts and not here",)


def _interpreter(line: str) -> tuple[str, str, list[str]]:
    """`/usr/bin/env -S bash -e` -> bash; the name, its path, its options."""
    words = line.split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if word not in ("-S", "--split-string") and not _ASSIGNMENT.match(word)]
    if len(words) > 1 and words[0].rpartition("/")[2] == "with-contenv":
        words = words[1:]  # of s6-overlay: becomes the interpreter behind it
    return (words[0].rpartition("/")[2], words[0], words[1:]) if words else ("", "", [])


def _split_shell(argv: Words) -> tuple[bool, Words]:
    """Whether a shell has the option -c, and what follows its options."""
    rest, is_text = list(argv[1:]), False
    while rest and rest[0] is not None and rest[0][:1] in ("-", "+") and len(rest[0]) > 1:
        option = str(rest.pop(0))
        if option == "--":
            break
        is_text |= re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", option) is not None
        if rest and (option in _SHELL_VALUES or re.fullmatch(r"[-+][a-zA-Z]*o", option)):
            rest.pop(0)
    return is_text, tuple(rest)


def _refusal(paths: Paths) -> tuple[str, str] | None:
    """What and what instead, of the first line that loses messages."""
    becomes = [ending for ending in paths.endings if ending.command is not None]
    if not paths.ran and all(map(_is_idle, becomes)):
        return None  # no worker is seen, see `_doubts`
    found = [_below(ran) for ran in paths.below]
    for ending in paths.endings:
        state = ending.state
        ran = state.ran if state.ran_status != "failed" else None
        if ending.command is not None:
            idle = _idle_exec(ending)
            if idle:
                found.append((ending.line, 0, idle, "run the worker by exec, and nothing beside it"))
        elif state.status == "failed" and (ran is None or state.is_decided):
            continue  # gives up before the worker
        elif ran is not None:
            found.append(_below(ran))
        elif not ending.is_explicit and not state.not_read:
            found.append((ending.line, 1, f"can end without exec (line {ending.line})", "end each branch in exec"))
    if not found and all(map(_is_idle, becomes)) and not any(ending.state.not_read for ending in paths.endings):
        found += [_below(ran) for ran in paths.ran]
    return min(found)[2:] if found else None


def _below(ran: Ran) -> tuple[int, int, str, str]:
    text = f"runs {ran.name} below the shell (line {ran.line}), which does not pass the stop signal on"
    return ran.line, 0, text, _REMEDY


def _idle_exec(ending: Ending) -> str:
    """`worker & exec tail -f /dev/null`: what the shell becomes hears the signal, and the worker does not."""
    background = ending.state.background
    if background is None or not _is_idle(ending):
        return ""
    return f"leaves {background.name} in the background (line {background.line}), where no stop signal reaches it"


def _is_idle(ending: Ending) -> bool:
    command = ending.command or ()
    name = str(command[0]).rpartition("/")[2] if command and command[0] is not None else ""
    return name in UTILITIES or name in BUILTINS


def _doubts(paths: Paths) -> list[str]:
    doubts = []
    unknown = any(ending.state.not_read for ending in paths.endings)
    if (
        not paths.ran
        and not unknown
        and all(_is_idle(ending) for ending in paths.endings if ending.command is not None)
    ):
        doubts.append("runs no worker that can be seen in it, and a shell that works itself is cut off")
    for ending in paths.endings:
        state = ending.state
        if state.not_read:
            doubts.append(f"runs code that is not known here (line {state.not_read})")
        if state.repeated is not None and ending.command is not None:
            ran = state.repeated
            doubts.append(f"runs {ran.name} again and again before its exec (line {ran.line}), below the shell")
        if state.background is not None and ending.command is not None:
            ran = state.background
            doubts.append(f"leaves {ran.name} in the background (line {ran.line}), which hears no stop signal")
    if paths.limits:
        doubts.append(f"limits the worker's CPU time (line {paths.limits[0]}), at whose end the kernel kills it")
    if paths.ignored_signals:
        doubts.append(f"ignores {', '.join(paths.ignored_signals)}, which a program inherits through exec")
    return doubts


def _judge_timeout(options: Sequence[str]) -> Verdict:
    if any(map(_KILLS.match, options)):
        return Verdict("runs the worker under a timeout that kills it in the middle of a message", "leave it out")
    doubt = "runs the worker under timeout, which ends it with status 124: that counts as a failed worker"
    return Verdict(doubts=(doubt,))


def _stays(name: str, wrapper: Wrapper) -> Verdict:
    """The verdict on what leaves the worker to be killed."""
    under = f"runs the worker under {name}, which"
    if wrapper.kills_after:
        return Verdict(f"{under} kills it {wrapper.kills_after} after the stop signal", wrapper.remedy, says_end=True)
    return Verdict(f"{under} does not hand the stop signal on and wait", wrapper.remedy)


def _split_wrapper(name: str, wrapper: Wrapper, argv: Words) -> tuple[list[str], Words]:
    """Its options, `-s KILL` as one text, and the command behind them."""
    rest, options = list(argv[1:]), list[str]()
    while rest and rest[0] is not None:
        word = rest[0]
        if name == "env" and (_ASSIGNMENT.match(word) or word == "-"):
            rest.pop(0)
        elif name == "env" and word.startswith(("-S", "--split-string")):
            rest.pop(0)
            text = re.sub(r"^(?:-S|--split-string=?)", "", word) or (rest.pop(0) if rest else "")
            rest = [*_split(text or ""), *rest]
        elif word == "--":
            rest.pop(0)
            break
        elif word.startswith("-") and len(word) > 1:
            rest.pop(0)
            value = rest.pop(0) if word in wrapper.values and rest else ""
            options.append(f"{word} {value}".strip())
        else:
            break
    return options, tuple(rest[wrapper.positionals :])


def _behind_subcommand(name: str, wrapper: Wrapper, options: Sequence[str], command: Words) -> Words | None:
    """The command behind `bundle exec`; None where the word does not come. Which options of these programs have a value
    is in no table: behind an option, what is not the word may be one (`uv --directory /app run`)."""
    while options and command[:1] not in ((), (wrapper.subcommand,)):
        options, command = _split_wrapper(name, wrapper, command)
    return _split_wrapper(name, Wrapper(wrapper.handover), command)[1] if command[:1] == (wrapper.subcommand,) else None


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
