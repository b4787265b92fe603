"""What a PHP configuration returns, as far as literals go: arrays, strings, numbers, `env('X', default)`.

Anything else is `UNKNOWN`. Nothing is run and nothing guessed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ebbtide.doctor.data import UNKNOWN, Map, Seq

_DEEPEST: Final = 60
_METHOD_CALLS: Final = ("member_call_expression", "nullsafe_member_call_expression", "scoped_call_expression")


def returned(text: str) -> Any:
    """The array after the file's `return`, or UNKNOWN."""
    statement = next(
        (node for node in _parser().parse(text.encode()).root_node.children if node.type == "return_statement"), None
    )
    return _value(statement.named_children[0], 0) if statement is not None and statement.named_children else UNKNOWN


def calls(text: str, method: str) -> bool:
    """Whether a method of this name is called anywhere; what comments and texts say is none. PHP takes it in any
    case."""
    nodes = [_parser().parse(text.encode()).root_node]
    while nodes:
        node = nodes.pop()
        name = node.child_by_field_name("name") if node.type in _METHOD_CALLS else None
        if name is not None and name.text.decode(errors="replace").lower() == method.lower():
            return True
        nodes += node.children
    return False


@dataclass(frozen=True, slots=True)
class MethodCall:
    """A call of a method, with its arguments as they are written: the name, where one is given, and the text."""

    name: str
    line: int
    arguments: tuple[tuple[str, str], ...]

    def argument(self, place: int, name: str) -> str:
        """An argument by its place, or by its name; empty where it is not given."""
        named = next((text for other, text in self.arguments if other == name), "")
        by_place = [text for other, text in self.arguments if not other]
        return named or (by_place[place] if place < len(by_place) else "")


def method_calls(text: str, *methods: str) -> Iterator[MethodCall]:
    """The calls of these methods, in the order of their lines."""
    found, nodes = list[MethodCall](), [_parser().parse(text.encode()).root_node]
    while nodes:
        node = nodes.pop()
        nodes += node.children
        name = node.child_by_field_name("name") if node.type in _METHOD_CALLS else None
        arguments = node.child_by_field_name("arguments") if name is not None else None
        if name is None or arguments is None or name.text.decode(errors="replace") not in methods:
            continue
        given = tuple(_argument(one) for one in arguments.named_children if one.type == "argument")
        found.append(MethodCall(name.text.decode(), name.start_point[0] + 1, given))
    yield from sorted(found, key=lambda call: call.line)


def _argument(node: Any) -> tuple[str, str]:
    name = node.child_by_field_name("name")
    value = node.named_children[-1].text if node.named_children else b""
    return name.text.decode(errors="replace") if name is not None else "", value.decode(errors="replace")


def without_comments(text: str) -> str:
    """The same lines, with blanks where comments are."""
    source, nodes = bytearray(text.encode()), [_parser().parse(text.encode()).root_node]
    while nodes:
        node = nodes.pop()
        if node.type == "comment":
            body = re.sub(rb"[^\n]", b" ", node.text)
            source[node.start_byte : node.end_byte] = body
        nodes += node.children
    return source.decode(errors="replace")


@cache
def _parser() -> Any:
    import tree_sitter  # noqa: PLC0415 - only where there is a PHP file
    import tree_sitter_php  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the grammar hands a number on
        return tree_sitter.Parser(tree_sitter.Language(tree_sitter_php.language_php()))


def _value(node: Any, depth: int) -> Any:
    read = _READ.get(node.type)
    return read(node, depth + 1) if read and depth < _DEEPEST else UNKNOWN


def _array(node: Any, depth: int) -> Any:
    map_, list_ = Map(node.start_point[0] + 1), Seq(node.start_point[0] + 1)
    for element in node.named_children:
        if element.type != "array_element_initializer":
            continue
        line, parts = element.start_point[0] + 1, element.named_children
        if len(parts) == 2:
            map_.put(str(_value(parts[0], depth)), _value(parts[1], depth), line)
        elif parts:
            list_.append(_value(parts[0], depth))
            list_.lines.append(line)
    return list_ if list_ and not map_ else map_


def _call(node: Any, depth: int) -> Any:
    """`env('NAME', default)` is its default: a variable may say otherwise where it runs."""
    parts = node.named_children
    if parts[0].text != b"env" or len(parts) < 2:
        return UNKNOWN
    arguments = [one.named_children[0] for one in parts[1].named_children if one.named_children]
    return _value(arguments[1], depth) if len(arguments) == 2 else UNKNOWN


def _product(node: Any, depth: int) -> Any:
    """`60 * 5`."""
    operator = node.child_by_field_name("operator")
    left, right = (_value(node.child_by_field_name(side), depth) for side in ("left", "right"))
    is_product = operator is not None and operator.text == b"*" and isinstance(left, int) and isinstance(right, int)
    return left * right if is_product else UNKNOWN


def _string(node: Any, _depth: int) -> Any:
    if any(child.type not in ("string_content", "escape_sequence") for child in node.named_children):
        return UNKNOWN
    return "".join(child.text.decode(errors="replace") for child in node.named_children)


def _integer(node: Any, _depth: int) -> Any:
    digits = node.text.decode().replace("_", "")
    return int(digits) if digits.isdecimal() and len(digits) < 18 else UNKNOWN


def _negative(node: Any, depth: int) -> Any:
    value = _value(node.named_children[0], depth) if node.named_children else UNKNOWN
    return -value if isinstance(value, int) and node.text.startswith(b"-") else UNKNOWN


_READ: Final = {
    "array_creation_expression": _array,
    "string": _string,
    "encapsed_string": _string,
    "integer": _integer,
    "boolean": lambda node, _depth: node.text.lower() == b"true",
    "null": lambda _node, _depth: None,
    "cast_expression": lambda node, depth: _value(node.named_children[-1], depth),
    "parenthesized_expression": lambda node, depth: _value(node.named_children[0], depth),
    "unary_op_expression": _negative,
    "binary_expression": _product,
    "function_call_expression": _call,
}
