"""Time zones by their names in IANA's database, of the package `tzdata`: the same list on every machine."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

import tzdata  # type: ignore[import-untyped]

_EXAMPLE = "Europe/Berlin"


def is_zone(name: str) -> bool:
    """Whether the database has it, in this spelling: Go opens a file of this name."""
    return name in _spellings().values()


def likely_zone(name: str) -> str:
    """The zone that was meant, as the database spells it; an example where nothing is near."""
    spellings = _spellings()
    near = difflib.get_close_matches(name.casefold(), spellings, n=1)
    return spellings[near[0]] if near else _EXAMPLE


@cache
def _spellings() -> dict[str, str]:
    """By the name in small letters."""
    names = Path(tzdata.__file__).with_name("zones").read_text(encoding="utf-8").split()
    return {name.casefold(): name for name in names}
