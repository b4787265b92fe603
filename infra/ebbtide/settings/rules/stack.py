"""Rules about consumers and cluster together."""

from __future__ import annotations

STACK_RULES = ()
