"""What the settings must hold beyond their types.

A rule is a function from settings to findings. Errors are raised by the models themselves, so that nobody can
build settings that lose messages; warnings are shown by `check`, `explain` and `preview`. Ids `V-nn` are stable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pydantic_core import PydanticCustomError

from ebbtide.settings.findings import Finding, errors_of

T = TypeVar("T")
Rule = Callable[[T], Iterator[Finding]]


def run_rules(rules: Iterable[Rule[T]], settings: T) -> list[Finding]:
    """Every finding of every rule."""
    return [finding for rule in rules for finding in rule(settings)]


def refuse_errors(rules: Iterable[Rule[T]], settings: T) -> None:
    """Raise one validation error that carries every finding of level error."""
    errors = errors_of(run_rules(rules, settings))
    if errors:
        raise PydanticCustomError("findings", "{summary}", {"summary": "; ".join(map(str, errors)), "findings": errors})
