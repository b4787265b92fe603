"""A rule: what it holds, why, and what to do about it. One registry for settings, changes, images and input.

A rule can only speak under its own id: whatever its function finds is stamped with it here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

Judged = Literal["settings", "change", "image", "set-up", "input"]
"""What a rule looks at: `input` is what cannot be read at all."""

S = TypeVar("S")
F = TypeVar("F", bound=Any)
"""A finding: a frozen dataclass with the fields `rule` and `level`."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule says of itself: `ebbtide rules`, docs/rules.md."""

    id: str
    judges: Judged
    levels: tuple[str, ...]
    """The levels at which it speaks, worst first; nearly always one."""
    title: str
    """What holds where it is silent, in one sentence."""
    why: str
    """What happens otherwise; empty where the title says it."""
    remedy: str
    """What to do, whatever the case; a finding says it for its case."""
    source: str
    """Where it is known from: a measurement, or upstream's documentation or code."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[S, F]):
    """A rule with its function."""

    text: RuleText
    subject: type[S]
    find: Callable[[S], Iterator[F]]

    @property
    def id(self) -> str:
        """Its stable id."""
        return self.text.id

    def __call__(self, subject: S) -> Iterator[F]:
        """Every finding, under this rule's id. Raises ValueError for a level that the rule does not declare."""
        for found in self.find(subject):
            level = found.level if len(self.text.levels) > 1 else self.text.levels[0]
            if level not in self.text.levels:
                raise ValueError(f"{self.id} speaks at {level}, and declares {', '.join(self.text.levels)}")
            yield replace(found, rule=self.id, level=level)


_texts: dict[str, RuleText] = {}
_rules: dict[type, list[Rule[Any, Any]]] = {}


def register(text: RuleText) -> RuleText:
    """Make an id known. Raises ValueError for one that is taken."""
    if text.id in _texts:
        raise ValueError(f"two rules are called {text.id}")
    _texts[text.id] = text
    return text


def rule(
    id: str,  # noqa: A002
    *levels: StrEnum,
    subject: type[S],
    judges: Judged,
    remedy: str,
    source: str,
) -> Callable[[Callable[[S], Iterator[F]]], Rule[S, F]]:
    """Make a function a rule. The first sentence of its docstring is the title, the rest is why.

    The rule then runs on every subject of this type.
    """

    def declare(find: Callable[[S], Iterator[F]]) -> Rule[S, F]:
        title, _, why = one_line(find.__doc__ or "").partition(". ")
        text = RuleText(id, judges, levels, f"{title.rstrip('.')}.", why, one_line(remedy), one_line(source))
        declared = Rule(register(text), subject, find)
        _rules.setdefault(subject, []).append(declared)
        return declared

    return declare


def forget(id: str) -> None:  # noqa: A002
    """Take a rule out again: for a test that has added one."""
    del _texts[id]
    for declared in _rules.values():
        declared[:] = [one for one in declared if one.id != id]


def rules_on(subject: type[S], level: StrEnum | None = None) -> tuple[Rule[S, Any], ...]:
    """The rules that look at subjects of this type, in the order in which they were declared; with `level` those that
    may speak at it."""
    rules = _rules.get(subject, ())
    return tuple(rules if level is None else [one for one in rules if level in one.text.levels])


def run_rules(rules: Iterable[Rule[S, F]], subject: S) -> list[F]:
    """Every finding of every rule."""
    return [found for declared in rules for found in declared(subject)]


def rule_text(id: str) -> RuleText | None:  # noqa: A002
    """What the rule of this id says of itself; None if there is none."""
    return _texts.get(id)


def known_rules() -> dict[str, RuleText]:
    """Every rule by its id, in the order of ids: V-9 before V-16 before V-16a."""
    return dict(sorted(_texts.items(), key=lambda entry: _order(entry[0])))


def _order(id: str) -> tuple[str, int, str]:  # noqa: A002
    match = re.fullmatch(r"(?P<family>[A-Z]+)-(?P<number>\d+)(?P<part>[a-z]*)", id)
    return (match["family"], int(match["number"]), match["part"]) if match else (id, 0, "")


def nearest(id: str) -> str:  # noqa: A002
    """The known id that somebody most likely meant: of a known family the nearest number; empty if none is near."""
    family, number, _ = _order(id.upper())
    others = [(abs(known[1] - number), known[2], other) for other in _texts if (known := _order(other))[0] == family]
    if others or family != id.upper():
        return min(others)[2] if others else ""
    close = difflib.get_close_matches(id.upper(), _texts, n=1, cutoff=0.5)
    return close[0] if close else ""


def one_line(text: str) -> str:
    """A text of several indented lines as one."""
    return " ".join(text.split())
