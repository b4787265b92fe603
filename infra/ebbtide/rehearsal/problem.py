"""How a rehearsal refuses: findings, as every command of this project does."""

from __future__ import annotations

from ebbtide.settings.findings import Finding, SettingsError

RULE = "rehearsal"


def refusal(where: str, message: str, remedy: str) -> SettingsError:
    """One sentence about what is in the way. `where` is an option, or what was asked."""
    return SettingsError([Finding((where,), message, remedy, rule=RULE)])
