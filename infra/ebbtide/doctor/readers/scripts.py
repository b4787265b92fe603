"""Shell scripts: which commands they hold, at which lines. Whether a worker gets its signal is judged by the image's
own `handover`, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ebbtide.doctor.files import File
from ebbtide.doctor.of_image import (
    SHELLS,
    Node,
    UnreadableError,
    Words,
    line_of,
    literal,
    nodes_of,
    parse,
    words_of,
)

_ALWAYS: Final = (("true",), (":",), ("[", "1", "]"), ("[[", "1"), ("test", "1"))
_NEVER: Final = (("false",),)
# With `set -e` any command may end the shell, and so the loop.
_LEAVES: Final = frozenset({"break", "exit", "return", "exec"})
_SHEBANG: Final = re.compile(r"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(\S+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One simple command of a script."""

    words: Words
    line: int

    @property
    def name(self) -> str:
        """The program's name."""
        return str(self.words[0]).rpartition("/")[2] if self.words and self.words[0] else ""


@dataclass(frozen=True, slots=True)
class Loop:
    """`while` or `until`, with what it asks and what it does."""

    line: int
    conditions: tuple[Call, ...]
    body: tuple[Call, ...]
    has_counter: bool
    """It counts, or asks for the time: so it may end by itself."""
    is_endless: bool = False
    """What it asks is always so, and nothing in it leaves it."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a script holds; empty where it cannot be parsed."""

    calls: tuple[Call, ...] = ()
    loops: tuple[Loop, ...] = ()
    is_read: bool = True
    counted: tuple[Loop, ...] = ()
    """`for` loops."""
    functions: frozenset[str] = frozenset()
    """What it calls by names of its own."""

    def passes_on(self, signal: str) -> bool:
        """Whether it may pass a signal on by itself: a handler of its own that kills, while the shell waits for what it
        has started beside it. Whether the handler does it right is not looked into."""
        names = {call.name for call in self.calls}
        traps = (call.words[1:] for call in self.calls if call.name == "trap")
        handlers = [words[0] for words in traps if words and {signal, f"SIG{signal}", "15"} & set(words[1:])]
        is_handled = any(
            handler is None or "kill" in handler or (handler in self.functions and "kill" in names)
            for handler in handlers
        )
        return is_handled and "wait" in names

    @property
    def waits_again(self) -> bool:
        """Whether it waits a second time: the first `wait` returns as soon as the handler has run (POSIX, trap)."""
        handlers = [str(word) for call in self.calls if call.name == "trap" for word in call.words[1:2]]
        waits = [call for call in self.calls if call.name == "wait"]
        in_loop = any(call in waits for loop in self.loops for call in (*loop.conditions, *loop.body))
        return len(waits) > 1 or in_loop or any(re.search(r"\bwait\b", handler) for handler in handlers)


def looks_like_script(file: File) -> bool:
    """Whether a file is a script of a shell that is known."""
    shebang = _SHEBANG.match(file.text)
    if shebang:
        return shebang[1].rpartition("/")[2] in (*SHELLS, "with-contenv", "execlineb")
    return file.base.endswith((".sh", ".bash"))


def read_script(text: str, shell: str = "") -> Script:
    """The commands of a script."""
    shebang = _SHEBANG.match(text)
    name = shell or (shebang[1].rpartition("/")[2] if shebang else "bash")
    return _read(text, SHELLS.get(name, "bash"))


@lru_cache(maxsize=256)
def _read(text: str, dialect: str) -> Script:
    try:
        tree = parse(text.encode(errors="replace"), dialect)
        loops = tuple(map(_loop, nodes_of(tree, ("WhileClause",))))
        counted = tuple(map(_loop, nodes_of(tree, ("ForClause",))))
        names = (node.get("Name") for node in nodes_of(tree, ("FuncDecl",)))
        functions = frozenset(str(name.get("Value")) for name in names if isinstance(name, dict))
        return Script(tuple(_calls(tree)), loops, counted=counted, functions=functions)
    except (UnreadableError, RecursionError):
        return Script(is_read=False)


def _loop(node: Node) -> Loop:
    conditions = tuple(_calls(node.get("Cond") or ()))
    has_counter = bool(nodes_of_any(node, ("ArithmCmd", "ArithmExp", "LetClause"))) or any(
        word in ("date", "timeout", "-lt", "-gt", "-le", "-ge") for call in conditions for word in call.words
    )
    body = tuple(_calls(node.get("Do") or ()))
    is_endless = _is_always(node, conditions) and not any(call.name in _LEAVES for call in body)
    return Loop(line_of(node), conditions, body, has_counter, is_endless)


def _is_always(node: Node, conditions: tuple[Call, ...]) -> bool:
    """Whether a loop begins anew whatever happens: `while true`, `until false`, `for ((;;))`."""
    if node.get("Type") == "ForClause":
        loop = node.get("Loop") or {}
        return loop.get("Type") == "CStyleLoop" and not loop.get("Cond")
    statements = node.get("Cond") or []
    if len(statements) != 1 or len(conditions) != 1:
        return False
    is_until = bool(node.get("Until")) != bool(statements[0].get("Negated"))
    return conditions[0].words in (_NEVER if is_until else _ALWAYS)


def nodes_of_any(node: object, types: tuple[str, ...]) -> list[Node]:
    """All nodes of these types."""
    return list(nodes_of(node, types))


def _calls(node: object) -> list[Call]:
    """Every command, those of functions too, and `[[ ... ]]` as one."""
    found: list[Call] = []
    open_ = [node]
    while open_:
        one = open_.pop()
        if isinstance(one, list):
            open_.extend(reversed(one))
        elif isinstance(one, dict):
            if one.get("Type") == "CallExpr":
                found.append(Call(words_of(one, None), line_of(one)))
            elif one.get("Type") == "TestClause":
                found.append(Call(("[[", *_test_words(one)), line_of(one)))
            open_.extend(reversed([value for value in one.values() if isinstance(value, (dict, list))]))
    return sorted(found, key=lambda call: call.line)


def _test_words(node: Node) -> Words:
    words: list[str | None] = []
    open_: list[object] = [node.get("X")]
    while open_:
        one = open_.pop(0)
        if isinstance(one, dict):
            if one.get("Op"):
                words.append(str(one["Op"]))
            if "Parts" in one:
                words.append(literal(one))
            open_[:0] = [one[key] for key in ("X", "Y") if key in one]
    return tuple(words)
