"""How a rule about changes is declared: `@change_rule("P-01", RiskLevel.DANGER, remedy=..., source=...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ebbtide.judgement.rule import Rule, rule
from ebbtide.preview.risk import Context, Risk, RiskLevel

ChangeRule = Rule[Context, Risk]


def change_rule(
    id: str,  # noqa: A002
    *levels: RiskLevel,
    remedy: str,
    source: str,
) -> Callable[[Callable[[Context], Iterator[Risk]]], ChangeRule]:
    """A rule about a change. With several levels, worst first, each risk states its own."""
    return rule(id, *levels, subject=Context, judges="change", remedy=remedy, source=source)
