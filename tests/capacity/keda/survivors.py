"""Mutants that no case can notice, because they change nothing anyone can see. Keys: module, line, change."""

# fmt: off
from __future__ import annotations

EQUIVALENT: dict[tuple[str, str, str], str] = {
}
