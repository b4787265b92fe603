"""Time zones by their names in IANA's database, as the package `tzdata` has them: no machine's own list."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

import tzdata  # type: ignore[import-untyped]

_EXAMPLE = "Europe/Berlin"


def is_zone(name: str) -> bool:
    """Whether the database has it, in this spelling: Go opens a file of this name."""
    return _spellings().get(name.casefold()) == name


def is_zone_in_any_case(name: str) -> bool:
    """The same for who does not tell small letters from capital ones, as PostgreSQL."""
    return name.casefold() in _spellings()


def likely_zone(name: str) -> str:
    """The zone that was meant, as the database spells it; an example where that would be a guess: of an abbreviation,
    or of hours, the nearest name is another time."""
    spellings = _spellings()
    near = difflib.get_close_matches(name.casefold(), spellings, n=1) if "/" in name and name[-1].isalpha() else []
    return spellings[near[0]] if near else spellings.get(name.casefold(), _EXAMPLE)


@cache
def _spellings() -> dict[str, str]:
    """By the name in small letters."""
    names = Path(tzdata.__file__).with_name("zones").read_text(encoding="utf-8").split()
    return {name.casefold(): name for name in names}
