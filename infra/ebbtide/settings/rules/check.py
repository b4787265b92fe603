"""Every rule over a whole stack, and what the settings say they live with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from ebbtide.judgement.accept import ACCEPTED_IN_VAIN, accept
from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.judgement.rule import Rule, RuleText, register, rule, rules_on, run_rules
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumers_of

S = TypeVar("S")
_ORDER = list(Level)

# Found by who reads the files (loading/loader), which no model shows.
register(
    RuleText(
        "E-03",
        "settings",
        (Level.INFO,),
        "A stack imports no environment of Pulumi's service.",
        "What it sets is not seen in process, nor in a preview without a login.",
        "Keep to logins there, and write settings under config:.",
        "Pulumi ESC.",
    )
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A stack, and what the other rules found in it."""

    stack: StackSettings
    findings: tuple[Finding, ...]


@rule(
    ACCEPTED_IN_VAIN,
    Level.WARNING,
    subject=Checked,
    judges="settings",
    remedy="Remove it: what it accepted is gone, and the next finding of this rule would pass unread.",
    source="ebbtide: an acceptance stands for one thing that somebody looked at.",
)
def check_acceptances(checked: Checked) -> Iterator[Finding]:
    """What is accepted still occurs. This finding cannot be accepted: it would accept itself."""
    occurring = {(owner, one.rule) for one in checked.findings for owner in ("", _consumer_at(one.path))}
    for owner, id in acceptances(checked.stack):  # noqa: A001
        if (owner, id) not in occurring:
            at = ("consumers", owner) if owner else ()
            yield Finding((*at, "accept", id), f"accepts {id}, which finds nothing here any more", "remove it")


def acceptances(stack: StackSettings) -> dict[tuple[str, str], str]:
    """Every acceptance with its reason, by consumer (empty for the stack's own) and rule."""
    found = {("", id): reason for id, reason in stack.accept.items()}  # noqa: A001
    for name, consumer in stack.consumers.items():
        found |= {(name, id): reason for id, reason in consumer.accept.items()}  # noqa: A001
    return found


def check_stack(stack: StackSettings, notes: tuple[Finding, ...] = ()) -> list[Finding]:
    """What the rules say about settings that are valid, worst first: warnings and information, and last what the
    settings accept, with the reason.

    Errors cannot be among them: the model has refused those. `notes` are what was found where the settings were read
    (`LoadedStack.notes`); they can be accepted like the rest.
    """
    found = [*run_rules(_rules_on_valid(StackSettings), stack), *notes]
    rules = _rules_on_valid(ConsumerSettings)
    for path, consumer in consumers_of(stack):
        found += [finding.below(path) for finding in run_rules(rules, consumer)]
    found += run_rules(rules_on(Checked), Checked(stack, tuple(found)))
    judged = [accept(finding, _accepted_at(finding.path, stack)) for finding in found]
    return sorted(judged, key=lambda finding: (bool(finding.accepted), _ORDER.index(finding.level)))


def _rules_on_valid(subject: type[S]) -> list[Rule[S, Finding]]:
    """The rules that do more than refuse: those have been asked when the model was built."""
    return [one for one in rules_on(subject) if one.text.levels != (Level.ERROR,)]


def _accepted_at(path: Path, stack: StackSettings) -> dict[str, str]:
    """What the stack lives with at this place: of a consumer its own as well."""
    owner = stack.consumers.get(_consumer_at(path))
    return {**stack.accept, **(owner.accept if owner else {})}


def _consumer_at(path: Path) -> str:
    """The consumer that this is about; empty for the stack."""
    match path:
        case ("consumers", str(name), *_):
            return name
    return ""
