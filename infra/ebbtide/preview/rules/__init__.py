"""The judgement: pure functions from a change to risks. Each docstring is the rule's entry in docs/preview.md."""

from __future__ import annotations

from ebbtide.preview.risk import Context, PreviewRule, Risk, RiskLevel
from ebbtide.preview.rules.autoscaling import AUTOSCALING_RULES
from ebbtide.preview.rules.loss import LOSS_RULES
from ebbtide.preview.rules.restart import RESTART_RULES
from ebbtide.preview.rules.security import SECURITY_RULES

PREVIEW_RULES: tuple[PreviewRule, ...] = (*LOSS_RULES, *RESTART_RULES, *AUTOSCALING_RULES, *SECURITY_RULES)

_ORDER = list(RiskLevel)


def judge(context: Context) -> tuple[Risk, ...]:
    """Every risk of a change, worst first, otherwise in the order of the rules."""
    found = [risk for rule in PREVIEW_RULES for risk in rule(context)]
    return tuple(sorted(found, key=lambda risk: _ORDER.index(risk.level)))
