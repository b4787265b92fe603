"""How a rule about changes is declared: `@change_rule("P-01", RiskLevel.DANGER, remedy=..., source=...)`.

Beside what every rule says of itself, one about changes names the properties that it judges, by kind of resource. What
no rule names, and no list of what is known to be harmless, is not judged (P-40): a rule that is not there yet, a new
type and a field that nobody has heard of are then said by name, and never taken for harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ebbtide.judgement.rule import Rule, rule
from ebbtide.preview.change import Operation, Path, ResourceChange
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import overlaps, parse_pattern
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.successors import is_nothing_but_made_over_itself

ChangeRule = Rule[Context, Risk]

Properties = Mapping[str, tuple[str, ...]]
"""Paths by kind of resource; `*` stands for any one key or place: `spec.template.spec.containers.*.image`.
A kind is meant as ebbtide.preview.kinds says; `*:Instance` is one of any package."""


Declared = Properties | Callable[[], Properties]
"""As they are, or as they are when they are asked for: kinds of autoscaling can be added from outside."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule judges."""

    rule: str
    levels: tuple[RiskLevel, ...]
    how: Literal["tells", "reads"]
    """`tells`: it speaks of any change, whatever the value. `reads`: it needs the value, and may find nothing."""
    declared: Declared

    def paths(self, *kinds: str) -> Iterator[Path]:
        """The properties of resources of these kinds."""
        properties = self.declared() if callable(self.declared) else self.declared
        return (parse_pattern(path) for kind in kinds for path in properties.get(kind, ()))


_scopes: list[Scope] = []


def change_rule(  # noqa: PLR0913
    id: str,  # noqa: A002
    *levels: RiskLevel,
    remedy: str,
    source: str,
    tells: Declared | None = None,
    reads: Declared | None = None,
    sees_all: bool = False,
) -> Callable[[Callable[[Context], Iterator[Risk]]], ChangeRule]:
    """A rule about a change. With several levels, worst first, each risk states its own.

    A resource with a value in `reads` that only the engine will know is kept from the rule: it would take nothing for
    a value. P-40 then says that the property is known after the update.
    """
    needed = Scope(id, levels, "reads", reads or {})
    _scopes.extend((Scope(id, levels, "tells", tells or {}), needed))

    def declare(find: Callable[[Context], Iterator[Risk]]) -> ChangeRule:
        def find_in_what_is_known(context: Context) -> Iterator[Risk]:
            return find(_without_unknowns(context if sees_all else _as_others_see(context), needed))

        find_in_what_is_known.__doc__ = find.__doc__
        return rule(id, *levels, subject=Context, judges="change", remedy=remedy, source=source)(find_in_what_is_known)

    return declare


def scopes_of(change: ResourceChange) -> list[tuple[Scope, Path]]:
    """What the rules judge of a resource, property by property."""
    kinds = (f"*:{change.kind}", *((change.kind,) if is_of(change, change.kind) else ()))
    return [(scope, path) for scope in _scopes for path in scope.paths(*kinds)]


def _as_others_see(context: Context) -> Context:
    """Without what only the engine lets go of, of which P-01a speaks; and what is nothing but made over itself, of
    which P-42 does, is what stays as it is."""
    changes = tuple(change for change in context.change.changes if not change.is_let_go)
    again = tuple(change for change in changes if is_nothing_but_made_over_itself(change))
    if len(changes) == len(context.change.changes) and not again:
        return context
    rest = tuple(change for change in changes if change not in again)
    stays = (
        *context.change.standing,
        *(replace(change, operation=Operation.UPDATE, properties=()) for change in again),
    )
    return replace(context, change=replace(context.change, changes=rest, standing=stays))


def _without_unknowns(context: Context, needed: Scope) -> Context:
    changes = tuple(
        change
        for change in context.change.changes
        if not (is_of(change, change.kind) and _misses(change, tuple(needed.paths(change.kind))))
    )
    if len(changes) == len(context.change.changes):
        return context
    return replace(context, change=replace(context.change, changes=changes))


def _misses(change: ResourceChange, needed: tuple[Path, ...]) -> bool:
    """Whether a value that a rule needs is not known yet."""
    return any(overlaps(path, pattern) for pattern in needed for path in change.unknown)
