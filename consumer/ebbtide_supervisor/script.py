"""Does a shell script end in `exec` of the worker on every path? Read by shfmt's parser, and walked here.

A shell does not pass the stop signal on: it dies of it at once, or waits for the program below it, which hears nothing.
So a script is accepted only where each path ends in `exec`, or gives up before anything ran that may be the worker.
Proved are the paths, not the values: a variable may hold anything, and a program is taken for what it is called.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .branches import chosen, compared, compared_by_bash
from .path_states import NONE, Ran, State, after_program, ended, negated, repeating, split, with_status
from .programs import BUILTINS, UTILITIES, known_program
from .syntax import (
    UnreadableError,
    calls_in,
    line_of,
    literal,
    mentions_status,
    nodes_of,
    parse,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .path_states import States
    from .syntax import Node, Words

# Calls of functions, sourced files and evals inside each other.
DEEPEST: Final = 10
MOST_STATES: Final = 2_000
# What decides by a look at something, and starts no program.
_TESTS: Final = frozenset({"[", "[[", "test", "cd", "command", "type", "hash", "read", "let", "which", "getopts"})


@dataclass(frozen=True)
class Ending:
    """Where a path leaves the script: by `exec` of a command, or without."""

    line: int
    state: State
    command: Words | None = None
    is_explicit: bool = True


@dataclass
class _Frame:
    """What leaves a loop, or a function, before its end."""

    breaks: set[State] = field(default_factory=set)
    continues: set[State] = field(default_factory=set)
    returns: set[State] = field(default_factory=set)
    is_function: bool = False


@dataclass(frozen=True)
class Paths:
    """Every ending of a script, and the known workers that it runs below itself."""

    endings: tuple[Ending, ...]
    below: tuple[Ran, ...]
    ran: tuple[Ran, ...]
    ignored_signals: tuple[str, ...]
    limits: tuple[int, ...]
    """The lines that limit the CPU time of what the shell becomes."""


def paths_of(text: bytes, dialect: str, arguments: Words | None, read_file: Callable[[str], bytes | None]) -> Paths:
    """Walk every path of a script.

    `arguments` is what `"$@"` stands for, None where that is not known; `read_file` gives a sourced file.

    Raises:
        UnreadableError: it cannot be read.
    """
    try:
        walk = _Walk(dialect, arguments, read_file)
        root = parse(text, dialect)
        walk.forget_arguments_if_changed(root)
        left = walk.statements(root.get("Stmts"), frozenset({State()}))
    except RecursionError:
        raise UnreadableError("it is nested too deeply to be read") from None
    last = text.rstrip().count(b"\n") + 1
    endings = [*walk.endings, *(Ending(last, state, is_explicit=False) for state in left)]
    return Paths(tuple(endings), tuple(walk.below), tuple(walk.ran), tuple(walk.ignored_signals), tuple(walk.limits))


class _Walk:
    def __init__(self, dialect: str, arguments: Words | None, read_file: Callable[[str], bytes | None]) -> None:
        self.dialect = dialect
        self.arguments = arguments
        self.read_file = read_file
        self.endings: list[Ending] = []
        self.below: list[Ran] = []
        self.ran: list[Ran] = []
        self.ignored_signals: list[str] = []
        self.limits: list[int] = []
        self._functions: dict[str, tuple[Node, ...]] = {}
        self._is_caseless = False
        self._frames: list[_Frame] = []

    def forget_arguments_if_changed(self, root: Node) -> None:
        """`shift` and `set -- ...` change what `"$@"` stands for, in a file that is read as well."""
        if _changes_arguments(root):
            self.arguments = None

    def statements(self, nodes: Sequence[Node] | None, states: States) -> States:
        for node in nodes or ():
            states = self.statement(node, states)
            if len(states) > MOST_STATES:
                raise UnreadableError("it has too many paths to be read")
        return states

    def statement(self, node: Node, states: States) -> States:
        command = node.get("Cmd") or {}
        if node.get("Background") or node.get("Coprocess"):
            return self._background(node, states)
        for redirect in node.get("Redirs") or ():
            self._substitutions(redirect)
        walk = _COMMANDS.get(str(command.get("Type")))
        if walk is not None:
            states = walk(self, command, states)
        elif command:
            states = self._unknown_command(command, states)
        return negated(states) if node.get("Negated") else states

    def call(self, node: Node, states: States) -> States:
        states = self._after_substitutions(node, states)
        words = words_of(node, self.arguments)
        while words[:1] in (("command",), ("builtin",)) and len(words) > 1 and not _is_option(words[1]):
            words = words[1:]
        if not words:  # only assignments, or `"$@"` of no arguments
            return states if node.get("Assigns") else with_status(states, status="ok", last="other")
        name, line = words[0], line_of(node)
        if name is not None and name in self._functions:
            return self._function(name, words[1:], states)
        special = _SPECIAL.get(name or "")
        if special is not None:
            return special(self, words, line, states)
        if name in BUILTINS:
            status = compared(node, self.dialect, self.arguments)
            return with_status(states, status=status, last="other") if status else self._builtin(name, node, states)
        return self._program(words, line, states)

    def _function(self, name: str, given: Words, states: States) -> States:
        """A function has arguments of its own. Which of two of one name runs is not known: each may."""
        outer, frame, left = self.arguments, _Frame(is_function=True), NONE
        with self._inside(frame):
            for body in self._functions[name]:
                self.arguments = None if None in given or _changes_arguments(body) else given
                left |= self.statement(body, states)
        self.arguments = outer
        return left | frozenset(frame.returns)

    @contextmanager
    def _inside(self, frame: _Frame) -> Iterator[None]:
        if len(self._frames) == DEEPEST:
            raise UnreadableError("its functions and files call each other too deeply to be read")
        self._frames.append(frame)
        yield
        self._frames.pop()

    def _builtin(self, name: str, node: Node, states: States) -> States:
        if name in {":", "true", "false"}:
            return with_status(states, status="failed" if name == "false" else "ok", last="other")
        looks = name in _TESTS and not mentions_status(node)
        return with_status(states, status="unknown" if name in _TESTS else "ok", last="test" if looks else "other")

    def _program(self, words: Words, line: int, states: States) -> States:
        if _is_utility(words):
            return with_status(states, status="unknown", last="test")
        return after_program(states, self._note(words, line))

    def _note(self, words: Words, line: int) -> Ran:
        known = known_program(words)
        ran = Ran(line, known.name if known else _name(words[0]))
        self.ran.append(ran)
        if known is not None:
            self.below.append(ran)
        return ran

    def exec(self, words: Words, line: int, states: States) -> States:
        rest = list(words[1:])
        while rest and _is_option(rest[0]):
            option = rest.pop(0)
            if option == "--":
                break
            if str(option).endswith("a") and rest:
                rest.pop(0)
        if not rest:  # only redirections
            return with_status(states, status="ok", last="other")
        self.endings += [Ending(line, state, tuple(rest)) for state in states]
        return NONE

    def exit(self, words: Words, line: int, states: States) -> States:
        self.endings += [Ending(line, ended(state, words)) for state in states]
        return NONE

    def return_(self, words: Words, line: int, states: States) -> States:
        frame = next((frame for frame in reversed(self._frames) if frame.is_function), None)
        if frame is None:
            return self.exit(words, line, states)
        frame.returns |= {ended(state, words) for state in states}
        return NONE

    def break_(self, words: Words, _line: int, states: States) -> States:
        loops = [frame for frame in self._frames if not frame.is_function]
        level = (words[1] if len(words) > 1 else None) or ""
        count = int(level) if level.isdecimal() else 1
        if not loops:
            return states
        frame = loops[max(-max(count, 1), -len(loops))]
        (frame.breaks if words[0] == "break" else frame.continues).update(states)
        return NONE

    def source(self, words: Words, line: int, states: States) -> States:
        path = words[1] if len(words) > 1 else None
        if len(words) > 2:  # bash hands them to the file, dash does not
            self.arguments = None
        text = self.read_file(path) if path else None
        return self._text(text, line, states)

    def eval(self, words: Words, line: int, states: States) -> States:
        known = [word for word in words[1:] if word is not None]
        return self._text(" ".join(known).encode() if len(known) == len(words) - 1 else None, line, states)

    def _text(self, text: bytes | None, line: int, states: States) -> States:
        if text is None:
            return frozenset(replace(state, status="unknown", last="other", not_read=line) for state in states)
        frame = _Frame(is_function=True)
        root = parse(text, self.dialect)
        self.forget_arguments_if_changed(root)
        with self._inside(frame):
            left = self.statements(root.get("Stmts"), states)
        return left | frozenset(frame.returns)

    def rename(self, words: Words, line: int, states: States) -> States:
        """A name may stand for something else from here on. Bash looks into its aliases only where a script asks it."""
        self._is_caseless |= "nocasematch" in words
        is_asked = self.dialect != "bash" or words[0] != "alias"
        if is_asked and (words[0] != "shopt" or "expand_aliases" in words) and (words[0] != "hash" or "-p" in words):
            states = frozenset(replace(state, not_read=line) for state in states)
        return with_status(states, status="ok", last="other")

    def limit(self, words: Words, line: int, states: States) -> States:
        """`ulimit -t 60`: what the shell becomes inherits it."""
        if any(re.fullmatch(r"-[A-Za-z]*t[0-9]*", word or "") for word in words) and words[-1] != "unlimited":
            self.limits.append(line)
        return with_status(states, status="ok", last="other")

    def trap(self, words: Words, _line: int, states: States) -> States:
        action = words[2:] if words[1:2] == ("--",) else words[1:]
        if action[:1] == ("",):
            self.ignored_signals += [word.removeprefix("SIG") for word in action[1:] if word]
        return with_status(states, status="ok", last="other")

    def binary(self, node: Node, states: States) -> States:
        operator = node.get("Op")
        if operator in ("&&", "||"):
            left = self.statement(node["X"], states)
            passed, failed = split(left)
            go, stay = (passed, failed) if operator == "&&" else (failed, passed)
            return stay | (self.statement(node["Y"], go) if go else NONE)
        return self._children((node["X"], node["Y"]), states)

    def block(self, node: Node, states: States) -> States:
        return self.statements(node.get("Stmts"), states)

    def subshell(self, node: Node, states: States) -> States:
        return self._children(node.get("Stmts") or (), states)

    def condition(self, node: Node, states: States) -> States:
        if not node.get("Cond"):  # the last else
            return self.statements(node.get("Then"), states)
        passed, failed = split(self.statements(node["Cond"], states))
        then = self.statements(node.get("Then"), passed) if passed else NONE
        other = node.get("Else")
        if not failed:
            return then
        return then | (self.condition(other, failed) if other else with_status(failed, status="ok", last="other"))

    def loop(self, node: Node, states: States) -> States:
        frame, left, seen = _Frame(), set[State](), set[State]()
        entering = set(states)
        ways = self._ways_out()
        with self._inside(frame):
            while entering - seen:
                fresh = frozenset(entering - seen)
                seen |= fresh
                passed, failed = split(self.statements(node.get("Cond"), fresh))
                go, stop = (failed, passed) if node.get("Until") else (passed, failed)
                left |= stop
                again = self.statements(node.get("Do"), go) if go else NONE
                frame.continues, continued = set(), frame.continues
                entering = {repeating(state, states) for state in again | continued}
        if not left | frame.breaks and self._ways_out() == ways:
            self.endings += _never(entering, line_of(node))
        return with_status(frozenset(left | frame.breaks), status="unknown", last="other")

    def for_(self, node: Node, states: States) -> States:
        loop = node.get("Loop") or {}
        is_endless = node.get("Select") or (loop.get("Type") == "CStyleLoop" and not loop.get("Cond"))
        states = self._after_substitutions(loop, states)
        frame, seen, entering = _Frame(), set[State](), set(states)
        left: set[State] = set() if is_endless else set(states)
        ways = self._ways_out()
        with self._inside(frame):
            while entering - seen:
                fresh = frozenset(entering - seen)
                seen |= fresh
                again = self.statements(node.get("Do"), fresh)
                frame.continues, continued = set(), frame.continues
                entering = set(again | continued)
                if is_endless:
                    entering = {repeating(state, states) for state in entering}
                else:
                    left |= entering
        if not left | frame.breaks and self._ways_out() == ways:
            self.endings += _never(entering, line_of(node))
        return with_status(frozenset(left | frame.breaks), status="unknown", last="other")

    def _ways_out(self) -> int:
        """How much has been found that leaves the script, or what is around a loop."""
        around = sum(len(frame.breaks | frame.continues) + len(frame.returns) for frame in self._frames)
        return len(self.endings) + around

    def case(self, node: Node, states: States) -> States:
        word = node.get("Word") or {}
        entered = self._after_substitutions(word, states)
        taken = None if self._is_caseless else chosen(node, self.arguments)
        if taken is None and not mentions_status(word):
            entered = frozenset(replace(state, is_decided=True) for state in entered)
        left, has_default, falling = NONE, False, NONE
        for item in (node.get("Items") or ()) if taken is None else taken:
            has_default |= any(literal(pattern) == "*" for pattern in item.get("Patterns") or ())
            after = self.statements(item.get("Stmts"), entered | falling)
            falling = after if item.get("Op") in (";&", ";;&", ";|") else NONE
            left |= after
        return left if has_default or taken else left | with_status(entered, status="ok", last="other")

    def declare_function(self, node: Node, states: States) -> States:
        name, body = str((node.get("Name") or {}).get("Value")), node.get("Body") or {}
        others = [one for one in self._functions.get(name, ()) if one is not body]
        self._functions[name] = (*others, body)
        return with_status(states, status="ok", last="other")

    def test(self, node: Node, states: States) -> States:
        states = self._after_substitutions(node, states)
        status = None if self._is_caseless else compared_by_bash(node, self.arguments)
        if status:
            return with_status(states, status=status, last="other")
        return with_status(states, status="unknown", last="other" if mentions_status(node) else "test")

    def declaration(self, node: Node, states: States) -> States:
        return with_status(self._after_substitutions(node, states), status="ok", last="other")

    def timed(self, node: Node, states: States) -> States:
        return self.statement(node["Stmt"], states) if node.get("Stmt") else states

    def coprocess(self, node: Node, states: States) -> States:
        return self._background(node.get("Stmt") or {}, states)

    def _unknown_command(self, node: Node, states: States) -> States:
        return frozenset(replace(state, status="unknown", last="other", not_read=line_of(node)) for state in states)

    def _background(self, node: Node, states: States) -> States:
        after = self._children((node,), states)
        ran = next(iter({state.ran for state in after} - {state.ran for state in states}), None)
        if ran is None:
            return with_status(after, status="ok", last="other")
        return frozenset(replace(state, status="ok", last="other", background=ran) for state in after)

    def _children(self, nodes: Sequence[Node], states: States) -> States:
        """Parts of a pipeline, a subshell, a substitution: what they run is below the shell, by `exec` as well."""
        found = [ran for node in nodes for ran in self._programs_in(node)]
        if not found:
            return with_status(states, status="unknown", last="test")
        return after_program(states, found[-1])

    def _programs_in(self, node: Any, depth: int = 0) -> Iterator[Ran]:
        for call in calls_in(node):
            words = words_of(call, self.arguments)
            if words[:1] == ("exec",):
                words = words[1:]
            if not words:
                continue
            name = _name(words[0])
            if words[0] in self._functions:
                if depth < DEEPEST:
                    yield from self._programs_in(list(self._functions[str(words[0])]), depth + 1)
            elif not _is_utility(words) and name not in BUILTINS:
                yield self._note(words, line_of(call))
            elif name in {"eval", "source", "."}:
                yield Ran(line_of(call), name)

    def _after_substitutions(self, node: Node, states: States) -> States:
        found = self._substitutions(node)
        if not found:
            return states
        return after_program(states, found[-1])

    def _substitutions(self, node: Any) -> list[Ran]:
        return [ran for part in nodes_of(node, ("CmdSubst", "ProcSubst")) for ran in self._programs_in(part)]


_COMMANDS: Final[Mapping[str, Callable[[_Walk, Node, States], States]]] = {
    "CallExpr": _Walk.call,
    "BinaryCmd": _Walk.binary,
    "Block": _Walk.block,
    "Subshell": _Walk.subshell,
    "IfClause": _Walk.condition,
    "WhileClause": _Walk.loop,
    "ForClause": _Walk.for_,
    "CaseClause": _Walk.case,
    "FuncDecl": _Walk.declare_function,
    "TestClause": _Walk.test,
    "ArithmCmd": _Walk.test,
    "LetClause": _Walk.test,
    "DeclClause": _Walk.declaration,
    "TimeClause": _Walk.timed,
    "CoprocClause": _Walk.coprocess,
}
_SPECIAL: Final[Mapping[str, Callable[[_Walk, Words, int, States], States]]] = {
    "exec": _Walk.exec,
    "exit": _Walk.exit,
    "return": _Walk.return_,
    "break": _Walk.break_,
    "continue": _Walk.break_,
    ".": _Walk.source,
    "source": _Walk.source,
    "eval": _Walk.eval,
    "trap": _Walk.trap,
    "ulimit": _Walk.limit,
    **dict.fromkeys(("alias", "shopt", "enable", "hash"), _Walk.rename),
}


def _never(states: set[State], line: int) -> list[Ending]:
    """A loop without a way out: what it runs is below the shell until the end."""
    return [Ending(line, replace(state, status="ok")) for state in states]


def _changes_arguments(node: Node) -> bool:
    """Whether they are moved or replaced, or IFS says where `$1` is split."""
    for call in calls_in(node):
        words = words_of(call, None)
        # `IFS= read line` says it for one command.
        if not words and any((one.get("Name") or {}).get("Value") == "IFS" for one in call.get("Assigns") or ()):
            return True
        while words[:1] in (("command",), ("builtin",)):
            words = words[1:]
        if words[:1] == ("shift",) or (words[:1] == ("set",) and _sets_arguments(words[1:])):
            return True
    return False


def _sets_arguments(words: Words) -> bool:
    """`set a b` and `set -- a`, and not `set -euo pipefail`: the word behind an `o` is an option's name."""
    is_name = False
    for word in words:
        if not is_name and (word is None or word == "--" or not word.startswith(("-", "+"))):
            return True
        is_name = not is_name and word is not None and re.fullmatch(r"[-+][A-Za-z]*o", word) is not None
    return False


def _is_option(word: str | None) -> bool:
    return word is not None and word.startswith("-") and len(word) > 1


def _is_utility(words: Words) -> bool:
    """`env` alone prints the variables."""
    return _name(words[0]) in UTILITIES or words == ("env",)


def _name(word: str | None) -> str:
    """What a program is called in a message; a variable is not spelled out."""
    return "a program" if word is None else word.rpartition("/")[2] or word
