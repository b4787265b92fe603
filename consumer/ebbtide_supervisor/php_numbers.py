"""Numbers as PHP takes them from what is written. None: only the running container knows, or nobody has written it."""

from __future__ import annotations

import re
from typing import Any


def cast(value: Any) -> int | None:
    """`(int)` and `%d`, as most transports do: 240 of `240.0`, and 4 of `4m`."""
    if value is None or "%env(" in str(value):
        return None
    if isinstance(value, (bool, int, float)):
        return int(value)
    found = re.match(r"\s*([+-]?[0-9]+)", str(value))
    return int(found[1]) if found else 0


def filtered(value: Any) -> int | None:
    """FILTER_VALIDATE_INT, as Redis' transport does: it takes what is no whole number, as the text 240.0, for 0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else 0
    number = cast(value)
    if number is None or isinstance(value, (bool, int)):
        return number
    return number if re.fullmatch(r"\s*[+-]?(?:0|[1-9][0-9]*)\s*", str(value)) else 0
