"""Times as cron writes them, in the five fields that KEDA reads: github.com/robfig/cron/v3, parser.go."""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[int, int, dict[str, int]], ...]] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: at for at, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: at for at, name in enumerate(_DAYS)}),
)
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
_PART: Final = re.compile(r"([*?]|[^-/]+)(?:-([^-/]+))?(?:/([0-9]+))?")


def is_cron(text: str) -> bool:
    """Whether it is five fields, with a time zone of its own or without: minute, hour, day, month, weekday."""
    zone = _ZONE.match(text)
    fields = text[zone.end() if zone else 0 :].split()
    return len(fields) == len(_FIELDS) and all(
        all(_is_part(part, *field) for part in written.split(",") if part) and written.strip(",")
        for written, field in zip(fields, _FIELDS, strict=True)
    )


def zone_of(text: str) -> str | None:
    """The time zone that stands before the fields."""
    zone = _ZONE.match(text)
    return zone[1] if zone else None


def _is_part(text: str, least: int, most: int, names: dict[str, int]) -> bool:
    """One of a list: a number, a range, or all of them, each with a step or without."""
    found = _PART.fullmatch(text)
    if found is None:
        return False
    first, last, step = found.groups()
    if step is not None and int(step) == 0:
        return False
    if first in {"*", "?"}:
        return True
    begins, ends = _number(first, names), most if last is None else _number(last, names)
    return begins is not None and ends is not None and least <= begins <= ends <= most


def _number(text: str, names: dict[str, int]) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else names.get(text.lower())
