"""What can be said of a formula of KEDA's without its metrics: which triggers it names, and whether it may give what is
no number of messages. Its language is https://expr-lang.org."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product
from typing import Any, Final

BY_ZERO: Final = "may divide by 0"
BELOW_ZERO: Final = "may fall below 0"

_TEXT_OR_COMMENT = re.compile(
    r"(?:(?<!\w)[bB])?(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|`[^`]*`|//[^\n]*|/\*.*?\*/", re.DOTALL
)
_DECLARED = re.compile(r"\blet\s+([A-Za-z_]\w*)")
_KEY_OF_MAP = re.compile(r"([{,]\s*)[A-Za-z_]\w*\s*:")
_IDENTIFIER = re.compile(r"(?<![\w.#$])[A-Za-z_]\w*(?!\w*\s*\()")
_WORDS = {"true", "false", "nil", "and", "or", "not", "in", "let", "if", "else"}
_WORDS |= {"matches", "contains", "startsWith", "endsWith"}

# Python reads these as expr does.
_SUMS = re.compile(r"(?:\s++|(?>\d+\.?\d*|\.\d+)(?>[eE][-+]?\d+)?(?![\w.])|[A-Za-z_]\w*+|[-+*/%(),\[\]])*", re.ASCII)
_OPERATORS: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Mod: lambda left, right: math.copysign(abs(left) % abs(right), left),
}
_OF_SEVERAL: Mapping[str, Callable[[list[float]], float]] = {"max": max, "min": min, "sum": sum}
_OF_ONE: Mapping[str, Callable[[float], float]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
    "abs": abs,
    "int": math.trunc,
    "float": float,
}
_GIVE_FRACTIONS = {"ceil", "floor", "round", "float"}
_HARMFUL = (ast.Sub, ast.USub, ast.Div, ast.Mod)
# Nothing, little, twice that, more than any queue holds; and the formula's own numbers, up to so many of both.
_NONE, _MANY = 0.0, 1e9
_TRIED, _MOST_TRIED = (_NONE, 1.0, 2.0, _MANY), 8


def names_in(formula: str) -> set[str]:
    """The triggers that it names: what is neither declared by `let` nor a key, a text or a comment."""
    plain = _KEY_OF_MAP.sub(r"\1", _TEXT_OR_COMMENT.sub(" ", formula))
    return set(_IDENTIFIER.findall(plain)) - set(_DECLARED.findall(plain)) - _WORDS


def is_arithmetic(formula: str) -> bool:
    """Whether it is made of sums, products, maxima and minima only."""
    return _arithmetic(formula) is not None


def harm_of(formula: str) -> str:
    """How it is no number of messages with some numbers of its triggers; empty where none were found, and where it is
    more than arithmetic."""
    whole = _arithmetic(formula)
    if whole is None:
        return ""
    is_negative = False
    for values in _trials(whole):
        try:
            is_negative |= _value(whole, values) < 0
        except ZeroDivisionError:
            return BY_ZERO
        except (ArithmeticError, ValueError):
            continue  # too large for any queue
    return BELOW_ZERO if is_negative else ""


def misuse_of(formula: str) -> tuple[str, str] | None:
    """What in it expr refuses for its types, and what to write instead; None where nothing is known. A trigger's number
    is a float to KEDA."""
    whole = _arithmetic(formula)
    for node in () if whole is None else ast.walk(whole):
        match node:
            case ast.BinOp(left=left, op=ast.Mod(), right=right) if _is_fraction(left) or _is_fraction(right):
                return "takes % of a trigger, and % is for whole numbers", "write for example int(a) % 7"
            case ast.Call(func=ast.Name(id="sum"), args=args) if not isinstance(args[0], ast.List):
                several = ", ".join(ast.unparse(one) for one in args)
                return "takes the sum of what is no list", f"write sum([{several}])"
    return None


def _is_fraction(node: ast.AST) -> bool:
    """Whether it is surely a float, as expr's types go."""
    match node:
        case ast.Name() | ast.BinOp(op=ast.Div()):
            return True
        case ast.Constant(value=value):
            return isinstance(value, float)
        case ast.UnaryOp(operand=inner):
            return _is_fraction(inner)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return _is_fraction(left) or _is_fraction(right)
        case ast.Call(func=ast.Name(id=name)):
            return name in _GIVE_FRACTIONS
    return False


def _arithmetic(formula: str) -> ast.expr | None:
    plain = " ".join(_TEXT_OR_COMMENT.sub(" ", formula).split())
    if not _SUMS.fullmatch(plain):
        return None
    try:
        whole = ast.parse(plain, mode="eval").body
        _value(whole, dict.fromkeys(names_in(plain), 1.0))
    except ZeroDivisionError:
        pass
    except (SyntaxError, ValueError, LookupError, ArithmeticError, RecursionError, MemoryError):
        return None
    return whole


def _trials(whole: ast.expr) -> Iterator[Mapping[str, float]]:
    """Every two triggers with all numbers that are tried, while the others have nothing or many. None for mere sums."""
    nodes = list(ast.walk(whole))
    if not any(isinstance(node, _HARMFUL) for node in nodes):
        return
    names = sorted({node.id for node in nodes if isinstance(node, ast.Name)})
    written = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int | float)}
    numbers = list(dict.fromkeys((*_TRIED, *sorted(written))))[:_MOST_TRIED]
    for chosen in combinations(names, min(2, len(names))):
        for others, *values in product((_NONE, _MANY), *[numbers] * len(chosen)):
            yield dict.fromkeys(names, others) | dict(zip(chosen, values, strict=True))


def _value(node: Any, values: Mapping[str, float]) -> float:
    """Raises ZeroDivisionError, and LookupError for what is no arithmetic."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
            return -_value(inner, values) if isinstance(sign, ast.USub) else _value(inner, values)
        case ast.BinOp(left=left, op=operator, right=right):
            return _OPERATORS[type(operator)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _OF_ONE:
            return _OF_ONE[name](_value(inner, values))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as several, keywords=[]):
            if len(several) == 1 and isinstance(several[0], ast.List):
                several = several[0].elts
            return _OF_SEVERAL[name]([_value(one, values) for one in several])
    raise LookupError
