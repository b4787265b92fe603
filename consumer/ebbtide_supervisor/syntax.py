"""A shell script's syntax: the tree that shfmt's parser makes of it, and what its words say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = dict[str, Any]
Words = tuple["str | None", ...]
"""A command. None stands for a word whose value is not known."""

LONGEST_SCRIPT_BYTES: Final = 65_536
# It takes milliseconds, or on a node that is out of CPU seconds: whether a script is accepted must not depend on that.
PARSE_SECONDS: Final = 30.0


class UnreadableError(ValueError):
    """A script that no shell, or not this parser, can read: one clause. `is_ours`: the parser is what is missing."""

    def __init__(self, text: str, *, is_ours: bool = False) -> None:
        super().__init__(text)
        self.is_ours = is_ours


def shfmt() -> str | None:
    """The parser: beside the image's scripts, in the environment of this interpreter, or on PATH."""
    beside = (Path(__file__).resolve().parent.parent / "shfmt", Path(sys.executable).parent / "shfmt")
    return next((str(path) for path in beside if path.is_file()), None) or shutil.which("shfmt")


@lru_cache(maxsize=64)
def parse(text: bytes, dialect: str) -> Node:
    """The syntax tree in shfmt's JSON.

    Raises:
        UnreadableError: it cannot be read.
    """
    _refuse_bytes(text)
    program = shfmt()
    if program is None:
        raise UnreadableError("the parser shfmt is missing here", is_ours=True)
    try:
        source = text.decode()
    except UnicodeDecodeError:
        source = text.decode("latin-1")  # a shell reads bytes, and its own signs are ASCII
    argv = [program, "--to-json", "-ln", dialect]
    try:
        done = subprocess.run(argv, input=source.encode(), capture_output=True, timeout=PARSE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UnreadableError("it takes too long to be read") from None
    except OSError as error:
        raise UnreadableError(f"the parser shfmt could not read it ({type(error).__name__})", is_ours=True) from None
    if done.returncode != 0:
        raise UnreadableError(f"its syntax is refused at line {_where(done.stderr.decode(errors='replace'))}")
    tree: Node = json.loads(done.stdout)
    return tree


def _refuse_bytes(text: bytes) -> None:
    if len(text) > LONGEST_SCRIPT_BYTES:
        raise UnreadableError(f"it is longer than {LONGEST_SCRIPT_BYTES // 1024} KiB")
    if text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("it begins with a byte order mark, which a shell takes for a command")
    if b"\0" in text:
        raise UnreadableError("it holds NUL bytes")
    at = text.find(b"\r\n")
    if at < 0 and text.endswith(b"\r"):
        at = len(text)
    if at >= 0:
        line = text.count(b"\n", 0, at) + 1
        raise UnreadableError(f"it has Windows line ends (line {line}), which a shell reads as text")


def _where(message: str) -> str:
    """`<standard input>:1:6: reached EOF` -> `1`. No more: the words around it may hold a secret."""
    parts = message.removeprefix("<standard input>:").split(":")
    return parts[0].strip() if parts[0].strip().isdecimal() else "1"


def line_of(node: Node) -> int:
    return int((node.get("Pos") or {}).get("Line") or 1)


def nodes_of(node: Any, types: tuple[str, ...]) -> Iterator[Node]:
    """The outermost nodes of these types, at or below this one."""
    if isinstance(node, dict):
        if node.get("Type") in types:
            yield node
            return
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from nodes_of(value, types)
    elif isinstance(node, list):
        for value in node:
            yield from nodes_of(value, types)


def calls_in(node: Any) -> Iterator[Node]:
    """Every simple command at or below a node, functions' bodies left out: they run when they are called."""
    if isinstance(node, dict):
        if node.get("Type") == "FuncDecl":
            return
        if node.get("Type") == "CallExpr":
            yield node
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from calls_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from calls_in(value)


def words_of(call: Node, arguments: Words | None) -> Words:
    words: list[str | None] = []
    for word in call.get("Args") or ():
        if arguments is not None and _is_all_arguments(word):
            is_quoted = (word.get("Parts") or [{}])[0].get("Type") == "DblQuoted"
            words += arguments if is_quoted else _split(arguments)
        else:
            words.append(literal(word))
    return tuple(words)


def _split(arguments: Words) -> list[str | None]:
    """What `$@` without quotes is."""
    return [part for word in arguments for part in ([None] if word is None else word.split())]


def _is_all_arguments(word: Node) -> bool:
    """`"$@"` or `$@`, alone."""
    parts = word.get("Parts") or []
    if len(parts) == 1 and parts[0].get("Type") == "DblQuoted":
        parts = parts[0].get("Parts") or []
    if len(parts) != 1 or parts[0].get("Type") != "ParamExp":
        return False
    expansion = parts[0]
    plain = not any(expansion.get(key) for key in ("Exp", "Slice", "Repl", "Length", "Excl", "Index"))
    return plain and (expansion.get("Param") or {}).get("Value") == "@"


def literal(word: Any) -> str | None:
    """A word's value without expansions, `$?` as it is; None where it is known only when the script runs."""
    text = ""
    for part in (word or {}).get("Parts") or ():
        kind = part.get("Type")
        if kind == "Lit":
            text += str(part.get("Value", "")).replace("\\\n", "").replace("\\", "")
        elif kind == "SglQuoted":
            text += str(part.get("Value", ""))
        elif kind == "DblQuoted":
            inner = literal(part)
            if inner is None:
                return None
            text += inner
        elif kind == "ParamExp" and (part.get("Param") or {}).get("Value") == "?" and not part.get("Exp"):
            text += "$?"
        else:
            return None
    return text


def mentions_status(node: Any) -> bool:
    return any((part.get("Param") or {}).get("Value") == "?" for part in nodes_of(node, ("ParamExp",)))
