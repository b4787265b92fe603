"""Every rule over a whole stack."""

from __future__ import annotations

from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumers_of

_ORDER = list(Level)


def check_stack(stack: StackSettings) -> list[Finding]:
    """What the rules say about settings that are valid: warnings and information, worst first.

    Errors cannot be among them: the model has refused those.
    """
    found = run_rules(rules_on(StackSettings), stack)
    for path, consumer in consumers_of(stack):
        found += [finding.below(path) for finding in run_rules(rules_on(ConsumerSettings), consumer)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.level))
