"""Which branch of a script is taken, where its arguments tell: `case "$1" in worker)`, `[ "$1" = worker ]`.

An image has one entrypoint for all that it can be, and a container says by its arguments which. What the others do is
no business of its.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from glob import escape
from typing import TYPE_CHECKING, Any, Final

from .syntax import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .path_states import Status
    from .syntax import Node, Words

_TESTS_OF_ONE: Final = {"-z": True, "-n": False}
_GLOBS: Final = frozenset("*?[(")


def value_of(word: Any, arguments: Words | None) -> str | None:
    """A word's value, with `$1` to `$9` and `${1:-default}` filled in; None where it is known only when it runs."""
    text = ""
    for part in (word or {}).get("Parts") or ():
        kind = part.get("Type")
        if kind == "DblQuoted":
            value = value_of(part, arguments)
        elif kind == "ParamExp":
            value = _argument(part, arguments)
        else:
            value = _plain(part)
        if value is None:
            return None
        text += value
    return text


def _plain(part: Node) -> str | None:
    """What is written, without a variable, a home directory, or a backslash: each kind of quotes reads that its way."""
    value = literal({"Parts": [part]})
    inner = part.get("Parts") or () if part.get("Type") == "DblQuoted" else (part,)
    texts = [str(one.get("Value", "")) for one in inner if one.get("Type") == "Lit" or one.get("Dollar")]
    is_open = any("\\" in text or text.startswith("~") for text in texts)
    return None if value is None or is_open or "$?" in value else value


def _argument(expansion: Node, arguments: Words | None) -> str | None:
    name = str((expansion.get("Param") or {}).get("Value", ""))
    if arguments is None or not name.isdecimal() or name == "0":
        return None
    if any(expansion.get(key) for key in ("Slice", "Repl", "Length", "Excl", "Index", "Names")):
        return None
    is_given = int(name) <= len(arguments)
    value = arguments[int(name) - 1] if is_given else ""
    if value is None or "$(" in value:  # `$(ROLE)` in a manifest, which the kubelet fills in
        return None
    operation = expansion.get("Exp")
    if not operation:
        return value
    is_used = value == "" if operation.get("Op") == ":-" else operation.get("Op") == "-" and not is_given
    if operation.get("Op") not in ("-", ":-"):
        return None
    return value_of(operation.get("Word"), None) if is_used else value


def chosen(node: Node, arguments: Words | None) -> Sequence[Node] | None:
    """The items of a `case` that run, none or one; None where that is not known."""
    items: Sequence[Node] = node.get("Items") or ()
    value = value_of(node.get("Word"), arguments)
    # Of a word without a variable nothing is chosen: who writes one means all of it.
    if value is None or literal(node.get("Word")) is not None:
        return None
    for item in items:
        patterns = [_pattern(pattern) for pattern in item.get("Patterns") or ()]
        if item.get("Op") != ";;" or None in patterns:
            return None
        if any(fnmatchcase(value, pattern) for pattern in patterns if pattern is not None):
            return [item]
    return []


def _pattern(word: Node) -> str | None:
    """A pattern as fnmatch reads it, where a shell reads it alike: no class, and none of bash's own."""
    text = ""
    for part in word.get("Parts") or ():
        value = _plain(part)
        is_open = part.get("Type") == "Lit" and _GLOBS & set(value or "")
        if value is None or (is_open and set("[(") & set(value)):
            return None
        text += value if is_open else escape(value)
    return text


def compared(node: Node, dialect: str, arguments: Words | None) -> Status | None:
    """What `[ "$1" = worker ]` and `[ -z "$2" ]` come to; None where that is not known."""
    name, *rest = [literal(word) if not at else _unsplit(word, arguments) for at, word in enumerate(node["Args"])]
    if name not in ("[", "test") or (name == "[" and rest[-1:] != ["]"]):
        return None
    inner = rest[:-1] if name == "[" else rest
    # Of dash and zsh `==` is an error, and the test fails.
    return None if "==" in inner and dialect not in ("bash", "mksh") else _of_words(inner)


def _unsplit(word: Node, arguments: Words | None) -> str | None:
    """A variable without quotes is one word only where its value is, and a pattern without them names files."""
    value = value_of(word, arguments)
    kinds = {part.get("Type") for part in word.get("Parts") or ()}
    is_split = "ParamExp" in kinds and len((value or "").split()) != 1
    names_files = kinds & {"ParamExp", "Lit"} and _GLOBS & set(value or "")
    return None if is_split or names_files else value


def compared_by_bash(node: Node, arguments: Words | None) -> Status | None:
    """The same of `[[ $1 == worker ]]`, where nothing in it is a pattern."""
    expression = node.get("X") or {}
    operator = str(expression.get("Op", ""))
    sides = [value_of(expression.get(key), arguments) for key in ("X", "Y") if expression.get(key)]
    if expression.get("Type") == "UnaryTest":
        return _of_words([operator, *sides])
    if expression.get("Type") != "BinaryTest" or len(sides) != 2 or _GLOBS & set(sides[1] or ""):
        return None
    return _of_words([sides[0], operator, sides[1]])


def _of_words(words: Sequence[str | None]) -> Status | None:
    if None in words:
        return None
    if len(words) == 2 and words[0] in _TESTS_OF_ONE:
        is_true = (words[1] == "") is _TESTS_OF_ONE[str(words[0])]
    elif len(words) == 3 and words[1] in ("=", "==", "!="):
        is_true = (words[0] == words[2]) is (words[1] != "!=")
    else:
        return None
    return "ok" if is_true else "failed"
