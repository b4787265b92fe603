"""What `ebbtide rules --format json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebbtide.judgement.rule import RuleText


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesDocument:
    """Rules, in the order of their ids."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    rules: tuple[RuleText, ...]
