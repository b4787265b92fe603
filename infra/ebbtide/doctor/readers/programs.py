"""Which stop signals a program of PHP or Python handles itself, as far as its own file tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from signal import Signals
from typing import Final

from ebbtide.doctor.files import File
from ebbtide.doctor.readers import php
from ebbtide.doctor.readers.queues import parsed

STOPS: Final = frozenset({"TERM", "INT", "QUIT"})
ANY: Final = frozenset(one.name.removeprefix("SIG") for one in Signals)
"""Of a program that registers what only its run knows."""
_SPEAKS: Final = re.compile(r"\b(?:pcntl_signal|signal|add_signal_handler)\(")
_OF_PHP: Final = re.compile(
    r"\bpcntl_signal\(\s*\\?(?P<signal>SIG[A-Z0-9]+\b|[0-9]{1,2}\b|[^\s,)])(?!\s*,\s*\\?SIG_(?:IGN|DFL))", re.IGNORECASE
)
_NAMED: Final = re.compile(r"\bSIG(TERM|INT|QUIT|HUP|USR1|USR2|WINCH)\b")
_NAMES: Final = {str(one.value): one.name.removeprefix("SIG") for one in Signals}
_HANDLERS: Final = ("signal", "add_signal_handler")


def own_signals(file: File) -> frozenset[str]:
    """Every signal that a program handles, or names in its code, where it handles one that stops; nothing where it
    handles none. A signal may have its number; of one that only the running program knows it may be any."""
    if not _SPEAKS.search(file.text):
        return frozenset()
    is_python = file.base.lower().endswith(".py")
    handled = set(_of_python(file) if is_python else _of_php(file.text))
    named = set(_NAMED.findall(_code_of(file.text) if is_python else php.without_comments(file.text)))
    if not handled & (STOPS | {""}):
        return frozenset()
    return ANY if "" in handled and not handled | named >= STOPS else frozenset(handled | named) - {""}


def _of_php(text: str) -> Iterator[str]:
    for found in _OF_PHP.finditer(php.without_comments(text)):
        signal = found["signal"].upper()
        yield signal.removeprefix("SIG") if signal.startswith("SIG") else _NAMES.get(signal, "")


def _of_python(file: File) -> Iterator[str]:
    """The signals of `signal.signal(...)` and `loop.add_signal_handler(...)`; empty where it is no literal."""
    tree = parsed(file)
    is_imported = "from signal import" in file.text
    for node in ast.walk(tree) if tree is not None else ():
        name = _last(node.func) if isinstance(node, ast.Call) else ""
        if name not in _HANDLERS or not isinstance(node, ast.Call) or not node.args:
            continue
        is_left = len(node.args) > 1 and _last(node.args[1]) in ("SIG_IGN", "SIG_DFL")
        if not is_left and (is_imported or isinstance(node.func, ast.Attribute)):
            yield _signal(node.args[0])


def _signal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return _NAMES.get(str(node.value), "")
    if isinstance(node, ast.Call) and len(node.args) == 1:  # signal.Signals(15)
        return _signal(node.args[0]) if _last(node.func) == "Signals" else ""
    name = _last(node)
    if isinstance(node, ast.Call) and _last(node.func) == "getattr" and len(node.args) > 1:
        name = _text(node.args[1])
    if isinstance(node, ast.Subscript):  # signal.Signals["SIGTERM"]
        name = _text(node.slice)
    return name.removeprefix("SIG") if name.startswith("SIG") else ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _code_of(text: str) -> str:
    """A Python program without its comments, as far as a line tells: what stands in a text is no comment."""
    return re.sub(r"(?m)^([^#'\"\n]*)#.*$", r"\1", text)
