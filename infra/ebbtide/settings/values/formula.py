"""What can be said of a formula of KEDA's without its metrics: which triggers it names, and whether it may give what is
no number of messages. Its language is https://expr-lang.org."""

from __future__ import annotations

import re
from typing import Final

BY_ZERO: Final = "may divide by 0"
BELOW_ZERO: Final = "may fall below 0"

_IDENTIFIER = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?!\w*\s*\()")
# A number that is not 0 is all that may safely stand behind / or %.
_DIVIDES = re.compile(r"[/%](?!\s*0*\.?0*[1-9])")
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_MAX_OF_SUMS = re.compile(r"\bmax\(([^()/%]*)\)")
_SUM_IN_BRACKETS = re.compile(r"(^|[^\w\s/%])(\s*)\(([^()/%,]*)\)")
_SUMS = re.compile(r"[\w\s.+*/%(),-]*")
_FUNCTION = re.compile(r"([A-Za-z_]\w*)\s*\(")
_NEVER_NEGATIVE = {"max", "min", "sum", "ceil", "floor", "round", "abs"}
_WORDS = {"true", "false", "nil", "and", "or", "not", "in", "let", "if", "else"}


def names_in(formula: str) -> set[str]:
    """The triggers that it names."""
    return set(_IDENTIFIER.findall(formula)) - _WORDS


def is_arithmetic(formula: str) -> bool:
    """Whether it is made of sums, products, maxima and minima only."""
    return _SUMS.fullmatch(formula) is not None and not set(_FUNCTION.findall(formula)) - _NEVER_NEGATIVE


def harm_of(formula: str) -> str:
    """How it may be no number of messages; empty where it is one, and where that depends on a condition."""
    if "?" in formula:
        return ""
    bounded, before = _with_numbers_plain(formula), ""
    while bounded != before:
        before = bounded
        bounded = _SUM_IN_BRACKETS.sub(r"\1\2\3", _MAX_OF_SUMS.sub(_bound, bounded))
    if _DIVIDES.search(bounded):
        return BY_ZERO
    return BELOW_ZERO if "-" in bounded else ""


def _bound(found: re.Match[str]) -> str:
    """`max(b - c, 1)` as the least that it can be, where a number says so."""
    numbers = [float(part) for part in found[1].split(",") if re.fullmatch(_NUMBER, part.strip())]
    return f"{max(numbers):f}" if numbers else found[0]


def _with_numbers_plain(formula: str) -> str:
    """`1e-3` without its sign."""
    return re.sub(rf"(?<![\w.]){_NUMBER}", lambda found: f"{float(found[0]):f}", formula)
