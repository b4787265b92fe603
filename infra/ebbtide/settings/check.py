"""Every rule over a whole stack."""

from __future__ import annotations

from ebbtide.settings.findings import Finding, Level
from ebbtide.settings.rules import run_rules
from ebbtide.settings.rules.consumer import CONSUMER_RULES
from ebbtide.settings.rules.stack import STACK_RULES
from ebbtide.settings.stack import StackSettings

_ORDER = list(Level)


def check_stack(stack: StackSettings) -> list[Finding]:
    """What the rules say about settings that are valid: warnings and information, worst first.

    Errors cannot be among them: the model has refused those.
    """
    found = run_rules(STACK_RULES, stack)
    for name, consumer in stack.consumers.items():
        found += [finding.below(("consumers", name)) for finding in run_rules(CONSUMER_RULES, consumer)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.level))
