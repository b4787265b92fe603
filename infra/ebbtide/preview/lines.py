"""One cause, one line: what several consumers have in common is said once, with whom it hits.

A fleet of twelve is deployed together, and the same sentence twelve times hides the one that is different.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from ebbtide.preview.document import ChangedResource
from ebbtide.preview.risk import Risk, RiskLevel

_NAMES = 20
"""Who is named in a line; of more, how many."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """A risk, or the same risk of several."""

    level: RiskLevel
    rule: str
    sentence: str
    advice: str
    details: tuple[Risk, ...] = ()
    """Each one's own sentence, where they say more than the line does."""


def lines_of(risks: Iterable[Risk]) -> list[Line]:
    """The risks in their order, those of one cause together where the first of them stood."""
    groups = grouped(risks, lambda risk: (risk.level, risk.rule, risk.advice, _for_each(risk.cause, risk)))
    return [_line(group) for group in groups]


def details_of(risks: Iterable[Risk]) -> dict[str, list[str]]:
    """What is said of each resource alone, by its key, where a line speaks of several."""
    found: dict[str, list[str]] = {}
    for line in lines_of(risks):
        for detail in line.details:
            found.setdefault(detail.resource, []).append(detail.sentence)
    return found


def grouped(several: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """What has the same key, in the order of the first."""
    groups: dict[Hashable, list[T]] = {}
    for one in several:
        groups.setdefault(key(one), []).append(one)
    return list(groups.values())


def named(names: Iterable[str]) -> str:
    """`mail`, `mail and push`, `mail, push and 11 more`."""
    listed = list(dict.fromkeys(names))
    last = [f"{len(listed) - _NAMES} more"] if len(listed) > _NAMES else listed[-1:]
    first = listed[: min(_NAMES, len(listed) - 1)] if len(listed) <= _NAMES else listed[:_NAMES]
    return " and ".join([", ".join(first), *last] if first else last)


def alike_changes(changes: Iterable[ChangedResource]) -> list[list[ChangedResource]]:
    """Resources to which the same happens, property by property."""
    return grouped(changes, lambda one: (one.type, one.operation, one.properties, one.options))


def _line(group: list[Risk]) -> Line:
    first = group[0]
    if len({risk.subject for risk in group}) == 1:
        # One subject may be hit in several places, each of them told.
        sentence = first.sentence if len(group) == 1 else "; ".join(dict.fromkeys(risk.sentence for risk in group))
        return Line(first.level, first.rule, sentence, first.advice)
    sentences = {_for_each(risk.sentence, risk) for risk in group}
    shared = sentences.pop() if len(sentences) == 1 else _for_each(first.cause, first)
    who = f"{len(group)} alike ({named(risk.subject for risk in group)})"
    return Line(first.level, first.rule, f"{who}: {shared}", first.advice, tuple(group) if sentences else ())


def _for_each(sentence: str, risk: Risk) -> str:
    """What it says of any of them: the subject's name is `each`."""
    return re.sub(rf"(?<![\w./:@-]){re.escape(risk.subject)}(?![\w/:@-]|\.\w)", "each", sentence)
