"""What nobody has judged: the rule that speaks where all others have nothing to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.preview.change import SECRET, Leaf, Operation, OptionChange, Path, PropertyChange, ResourceChange, leaves
from ebbtide.preview.harmless import JUDGED_WHEN_NEW, harmless_of
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED, matches, overlaps, parse_pattern
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import Scope, change_rule, scopes_of
from ebbtide.preview.show import show_path
from ebbtide.preview.successors import is_made_over_itself, is_nothing_but_made_over_itself

_AS_A_WHOLE = {Operation.CREATE: CREATED, Operation.DELETE: DELETED, Operation.REPLACE: REPLACED}
_DOES = {Operation.CREATE: "comes", Operation.DELETE: "goes", Operation.REPLACE: "is made anew"}
_NAMED = 6
_WHERE = {("metadata", "name"), ("metadata", "namespace")}
"""Which object of a cluster it is: no object can change these in place (pulumi-kubernetes, diff.go)."""


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A property of one resource that neither a rule nor the list of harmless ones knows."""

    change: ResourceChange
    what: str
    """The property's path; for a type that nobody knows, what happens to the resource."""
    is_unknown: bool = False
    """Whether a rule would judge it, and its value is known only after the update."""

    def __str__(self) -> str:
        return f"{self.what} (known after the update)" if self.is_unknown else self.what


@change_rule(
    "P-40",
    RiskLevel.NOT_JUDGED,
    remedy="Read it yourself; if it is harmless, or worth a rule, say so to ebbtide.",
    source="ebbtide.preview.harmless: what is known to be harmless, each with its reason.",
)
def check_not_judged(context: Context) -> Iterator[Risk]:
    """What a change does is known: every property of it is judged by a rule, or on the list of those that are known
    to be harmless. Whatever is neither, a type, a field, or a value that is known only after the update, is named."""
    said = _said_of_what_is_made_anew(context)
    for change in context.change.changes:
        found = [str(one) for one in not_judged(change, said)]
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            sentence = f"not judged, {change.kind} {change.title}: {', '.join(found[:_NAMED])}{more}"
            yield Risk(change.title, sentence, "read it yourself", change.key)


@change_rule(
    "P-40a",
    RiskLevel.NOT_JUDGED,
    remedy="Compare with a commit that is valid, or judge a plan of the engine's (`--plan`): it knows what is "
    "deployed.",
    source="A base that cannot be rendered is no empty one.",
)
def check_base_known(context: Context) -> Iterator[Risk]:
    """What there was before the change is known. Otherwise all is shown as new, and nobody can say what restarts, goes
    or is made anew."""
    if why := context.change.unknown_base:
        stack = context.change.stack
        sentence = f"what runs now is not known, and all is shown as new: {why}"
        yield Risk(stack, sentence, "compare with a commit that is valid, or judge a plan of the engine's")


def not_judged(change: ResourceChange, risks: Iterable[Risk]) -> Iterator[NotJudged]:
    """Every part of a change that nobody has judged, each once: not what is below one that is named already. `risks`
    are what rules say of it."""
    named: list[str] = []
    # What is only forgotten stays as it is, which P-01a says; what is made over itself goes, which P-42 says.
    for found in () if change.is_let_go or is_nothing_but_made_over_itself(change) else _not_judged(change, risks):
        if not any(found.what == what or found.what.startswith((f"{what}.", f"{what}[")) for what in named):
            named.append(found.what)
            yield found


def _not_judged(change: ResourceChange, risks: Iterable[Risk]) -> Iterator[NotJudged]:
    judged = scopes_of(change)
    if change.operation is Operation.UPDATE:
        if not change.properties and not change.options:
            yield NotJudged(change, "what changes is not said")
        yield from _parts(change, judged)
    elif not _is_known_as_a_whole(change, judged):
        yield NotJudged(change, f"{change.token} {_DOES[change.operation]}")
    else:
        yield from _unknowns(change, judged)
        if change.operation is Operation.CREATE and change.token in JUDGED_WHEN_NEW:
            yield from _of_a_new_one(change, judged)
        if change.operation is Operation.REPLACE and not _is_danger_as_a_whole(change, judged, risks):
            yield from _parts(change, judged)


def _is_known_as_a_whole(change: ResourceChange, judged: list[tuple[Scope, Path]]) -> bool:
    """Whether somebody knows what follows from that it comes, goes, or is made anew."""
    whole = (_AS_A_WHOLE[change.operation],)
    return any(path == whole for _, path in judged) or _is_harmless(change, whole)


def _is_danger_as_a_whole(change: ResourceChange, judged: list[tuple[Scope, Path]], risks: Iterable[Risk]) -> bool:
    """Whether it is said that all of it is lost for as long as it is made anew, beside which no part of it matters.
    That a rule may say so is not enough: of a Deployment whose new one comes first P-02 says only that pods drain, and
    what changes in it is judged as it is in an update."""
    rules = {scope.rule for scope, path in judged if path == (REPLACED,)}
    return is_made_over_itself(change) or any(
        risk.resource == change.key and risk.rule in rules and risk.level is RiskLevel.DANGER for risk in risks
    )


def _said_of_what_is_made_anew(context: Context) -> list[Risk]:
    replaced = [change for change in context.change.changes if change.operation is Operation.REPLACE]
    rules = {scope.rule for change in replaced for scope, path in scopes_of(change) if path == (REPLACED,)}
    return run_rules([one for one in rules_on(Context) if one.id in rules], context)


def _parts(change: ResourceChange, judged: list[tuple[Scope, Path]]) -> Iterator[NotJudged]:
    for found in change.properties:
        for leaf in found.leaves():
            yield from _judged_leaf(change, leaf, found, judged)
    for option in change.options:
        if not _is_left_to_rules(option):
            yield NotJudged(change, f"option {option.name}")


def _is_left_to_rules(option: OptionChange) -> bool:
    """P-04 says which safeguard is gone and what is no longer left alone, and P-20 who owns the number of pods; that a
    safeguard is there now takes nothing away. What is newly left alone is not judged: nobody knows who owns it now.
    Nor is an option that no rule knows."""
    if option.name != "ignoreChanges":
        return option.name in {"protect", "retainOnDelete"}
    before, after = (set(value) if isinstance(value, list) else set() for value in (option.old, option.new))
    return after - before <= {"spec.replicas"}


def _judged_leaf(
    change: ResourceChange, leaf: Leaf, found: PropertyChange, judged: list[tuple[Scope, Path]]
) -> Iterator[NotJudged]:
    if _is_harmless_leaf(change, leaf):
        return
    if change.operation is Operation.REPLACE and (found.replaces or found.path in _WHERE):
        # Why it is made anew, which not every plan says of each property: the rule on that says what follows.
        return
    scopes = [scope for scope, path in judged if matches(leaf, path)]
    if not scopes or (_is_hidden(leaf, found) and any(scope.how == "reads" for scope in scopes)):
        yield NotJudged(change, show_path(leaf.path), is_unknown=not leaf.is_known)


def _is_hidden(leaf: Leaf, found: PropertyChange) -> bool:
    """Whether a rule cannot see what changes: it is known later, secret, or only the live object differs."""
    return not leaf.is_known or leaf.value == SECRET or found.old == found.new


def _unknowns(change: ResourceChange, judged: list[tuple[Scope, Path]]) -> Iterator[NotJudged]:
    """What rules would read of a new resource, and nobody knows yet: they are kept from it, and say nothing of it."""
    for leaf in leaves(change.new):
        if not leaf.is_known and any(scope.how == "reads" and matches(leaf, path) for scope, path in judged):
            yield NotJudged(change, show_path(leaf.path), is_unknown=True)


def _of_a_new_one(change: ResourceChange, judged: list[tuple[Scope, Path]]) -> Iterator[NotJudged]:
    """What it has that no rule knows: that something comes says nothing of how it ends."""
    known = [parse_pattern(path) for path in JUDGED_WHEN_NEW[change.token]]
    for leaf in leaves(change.new):
        is_known = any(matches(leaf, path) for _, path in judged) or any(
            len(path) <= len(leaf.path) and overlaps(leaf.path, path) for path in known
        )
        if not (is_known or leaf.value in ({}, []) or _is_harmless_leaf(change, leaf)):
            yield NotJudged(change, show_path(leaf.path), is_unknown=not leaf.is_known)


def _is_harmless(change: ResourceChange, path: Path) -> bool:
    return path in {pattern for pattern, _ in _harmless(change.token)}


def _is_harmless_leaf(change: ResourceChange, leaf: Leaf) -> bool:
    return any(matches(leaf, pattern) for pattern, _ in _harmless(change.token))


@cache
def _harmless(token: str) -> tuple[tuple[Path, str], ...]:
    return tuple((parse_pattern(path), reason) for path, reason in harmless_of(token).items())
