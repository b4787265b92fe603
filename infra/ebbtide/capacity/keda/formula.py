"""The formula of `scalingModifiers`, as the language expr understands it: numbers, names of triggers, arithmetic,
comparisons, `? :`, `??`, and the functions that such formulas use.

Source: castToFloatIfNecessary and validateScalingModifiersFormula in apis/keda/v1alpha1/scaledobject_webhook.go;
precedences in parser/operator/operator.go of expr-lang/expr 1.17.8. What is not here (strings, maps, dates) is refused
with its name: better no simulation than one of another formula.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import add, eq, ge, gt, le, lt, mul, ne, sub
from statistics import fmean, median
from typing import Any, TypeAlias

from ebbtide.capacity.hpa.integers import truncated

Values: TypeAlias = Mapping[str, "float | None"]
_Node: TypeAlias = Callable[[Mapping[str, Any]], Any]

_TOKENS = re.compile(
    r"\s*(?:(\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+|\d+(?:[eE][+-]?\d+)?)"
    r"|([A-Za-z_][A-Za-z_0-9]*)"
    r"|(\?\?|\*\*|&&|\|\||==|!=|<=|>=|[-+*/%^<>!?:(),\[\]{}#]))"
)
_ELEMENT = "#"


class FormulaError(ValueError):
    """A formula that KEDA refuses, or that has no value for these triggers; the message is for whoever wrote it."""


def _divide(left: float, right: float) -> float:
    """Division is of floats, also of two whole numbers; by zero it is infinite, or no number."""
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)
    return left / right


def _remainder(left: float, right: float) -> int:
    if not (isinstance(left, int) and isinstance(right, int)):
        raise FormulaError("% is for whole numbers, and triggers are none; write int(name)")
    if right == 0:
        raise FormulaError("integer divide by zero")
    return int(math.fmod(left, right))


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def _round(value: float) -> float:
    """Half away from zero, as Go's math.Round."""
    return math.copysign(math.floor(abs(value) + 0.5), value) if math.isfinite(value) else value


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    ">": gt,
    "<=": le,
    ">=": ge,
    "+": add,
    "-": sub,
    "*": mul,
    "/": _divide,
    "%": _remainder,
    "**": _power,
    "^": _power,
}
_LOGICAL = ("or", "||", "and", "&&", "??")
# Each binds tighter than those before it.
_LEVELS = (
    ("or", "||"),
    ("and", "&&"),
    ("==", "!=", "<", ">", "<=", ">="),
    ("+", "-"),
    ("not",),
    ("*", "/", "%"),
    ("sign",),
    ("**", "^"),
    ("??",),
)
_RANKS = {name: rank for rank, level in enumerate(_LEVELS) for name in level}
_RIGHT = {"**", "^"}
_PREFIXES = {"not": _RANKS["not"], "!": _RANKS["not"], "-": _RANKS["sign"], "+": _RANKS["sign"]}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "float": float,
    "int": truncated,
    "abs": abs,
    "ceil": lambda value: float(math.ceil(value)) if math.isfinite(value) else value,
    "floor": lambda value: float(math.floor(value)) if math.isfinite(value) else value,
    "round": _round,
    "min": min,
    "max": max,
    "sum": sum,
    "mean": fmean,
    "median": median,
}
_OF_LISTS = {"min", "max", "sum", "mean", "median"}
_PREDICATES: dict[str, Callable[[list[bool]], Any]] = {
    "count": sum,
    "all": all,
    "any": any,
    "none": lambda found: not any(found),
    "one": lambda found: sum(found) == 1,
}


@dataclass(frozen=True, slots=True)
class Formula:
    """A compiled formula. Two are equal that are written alike."""

    text: str
    names: frozenset[str]

    def __call__(self, values: Values) -> float | None:
        """Its value; None where `??` found nothing. Raises FormulaError where a trigger has no value and no `??`."""
        try:
            result = _parse(self.text, self.names)(values)
            if result is None and "??" in self.text:
                return None
            return float(_number(result))
        except TypeError as error:
            raise FormulaError(f"{self.text!r} cannot be calculated: {error}") from None

    @classmethod
    def compile(cls, text: str, names: frozenset[str]) -> Formula:
        """Raises FormulaError for what KEDA, or this module, does not understand."""
        formula = cls(text, names)
        formula(dict.fromkeys(names, -1.0))
        return formula


@cache
def _parse(text: str, names: frozenset[str]) -> _Node:
    return _Parser(text, names).whole()


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a trigger has no value" if value is None else f"{value} is no number")
    return value


class _Parser:
    """Precedence climbing over the tokens; every node is a function of the values."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text = text
        self.names = names
        self.tokens = self._split()
        self.place = 0

    def _split(self) -> list[str]:
        tokens, at = [], 0
        stripped = self.text.rstrip()
        while at < len(stripped):
            match = _TOKENS.match(stripped, at)
            if match is None:
                raise FormulaError(f"{self.text!r} cannot be read at {stripped[at:].strip()[:10]!r}")
            tokens.append(match[1] or match[2] or match[3])
            at = match.end()
        return tokens

    @property
    def _next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _take(self, *wanted: str) -> bool:
        if self._next in wanted:
            self.place += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise FormulaError(f"{self.text!r} lacks {token!r} before {self._next or 'its end'!r}")

    def whole(self) -> _Node:
        node = self._expression()
        if self._next:
            raise FormulaError(f"{self.text!r} cannot be read at {self._next!r}")
        return node

    def _expression(self, least: int = 0) -> _Node:
        node, before = self._primary(), ""
        while True:
            operator = self._next
            if operator not in _BINARY and operator not in _LOGICAL:
                break
            precedence = _RANKS[operator]
            if precedence < least:
                break
            if before == "??" and operator != "??":
                raise FormulaError(f"{self.text!r} mixes ?? with {operator}; put it into brackets")
            self.place += 1
            right = self._expression(precedence + (operator not in _RIGHT))
            node = _combine(operator, node, right)
            before = operator
        if not least and self._take("?"):
            chosen = self._expression()
            self._expect(":")
            other = self._expression()
            node = _choose(node, chosen, other)
        return node

    def _primary(self) -> _Node:
        if self._next in _PREFIXES:
            return self._signed()
        if self._take("("):
            node = self._expression()
            self._expect(")")
            return node
        if self._take("["):
            items = self._list("]")
            return lambda values: [item(values) for item in items]
        token = self._next
        self.place += 1
        if token[:1].isdigit() or token[:1] == ".":
            value = float(token) if any(mark in token for mark in ".eE") else int(token)
            return lambda _: value
        return self._named(token)

    def _signed(self) -> _Node:
        """`-2 ** 2` is -4, and `not a + b` is `not (a) + b`: what follows binds as its precedence says."""
        sign = self._next
        self.place += 1
        inner = self._expression(_PREFIXES[sign])
        if sign == "-":
            return lambda values: -_number(inner(values))
        return inner if sign == "+" else lambda values: not _truth(inner(values))

    def _named(self, name: str) -> _Node:
        if self._take("("):
            return self._call(name)
        if name in {"true", "false", "nil"}:
            constant = {"true": True, "false": False, "nil": None}[name]
            return lambda _: constant
        if name != _ELEMENT and name not in self.names:
            raise FormulaError(f"{self.text!r} names {name or 'nothing'!r}, which no trigger is called")
        return lambda values: values.get(name)

    def _call(self, name: str) -> _Node:
        if name in _PREDICATES:
            return self._predicate(name)
        if name not in _FUNCTIONS:
            raise FormulaError(f"{self.text!r} calls {name}, which the simulator does not know")
        function, arguments = _FUNCTIONS[name], self._list(")")
        if not arguments:
            raise FormulaError(f"{self.text!r} calls {name} with nothing")
        if name in _OF_LISTS:
            return lambda values: function([_number(each) for each in _flat(arguments, values)])
        return lambda values: function(*(_number(each(values)) for each in arguments))

    def _predicate(self, name: str) -> _Node:
        judge, items = _PREDICATES[name], self._expression()
        self._expect(",")
        braced = self._take("{")
        test = self._expression()
        if braced:
            self._expect("}")
        self._expect(")")
        return lambda values: judge([_truth(test({**values, _ELEMENT: each})) for each in items(values)])

    def _list(self, end: str) -> list[_Node]:
        items: list[_Node] = []
        while not self._take(end):
            if items:
                self._expect(",")
            items.append(self._expression())
        return items


def _flat(arguments: list[_Node], values: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    for argument in arguments:
        value = argument(values)
        found.extend(value if isinstance(value, list) else [value])
    return found


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _combine(operator: str, left: _Node, right: _Node) -> _Node:
    if operator == "??":
        return lambda values: right(values) if (found := left(values)) is None else found
    if operator in {"or", "||"}:
        return lambda values: _truth(left(values)) or _truth(right(values))
    if operator in {"and", "&&"}:
        return lambda values: _truth(left(values)) and _truth(right(values))
    function = _BINARY[operator]
    if operator in {"==", "!="}:
        return lambda values: function(left(values), right(values))
    return lambda values: function(_number(left(values)), _number(right(values)))


def _choose(test: _Node, chosen: _Node, other: _Node) -> _Node:
    return lambda values: chosen(values) if _truth(test(values)) else other(values)
