"""Rules about one consumer."""

from __future__ import annotations

CONSUMER_RULES = ()
