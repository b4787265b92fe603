"""What a change asks a reviewer to live with from now on."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


@change_rule(
    "P-41",
    RiskLevel.INFO,
    remedy="Read the reason: from now on `check --strict` passes over this finding.",
    source="The settings of both sides; a plan of the engine does not hold them.",
)
def check_acceptance(context: Context) -> Iterator[Risk]:
    """A finding is accepted that was not before, or with another reason."""
    before = context.change.accepted
    if before is None:
        return
    for (consumer, rule), reason in context.accepted.items():
        if before.get((consumer, rule)) != reason:
            who = consumer or f"stack {context.change.stack}"
            yield Risk(who, f"{who} accepts {rule}: {reason}", f"`ebbtide rules {rule}` says what it is about")
