"""Numbers as PHP takes them from what is written. None: only the running container knows, or nobody has written it."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final

_NUMBER: Final = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)", re.ASCII)
_MOST: Final = 2.0**63


def cast(value: Any) -> int | None:
    """`(int)` and `%d`, as most transports do: 240 of `240.0`, 4 of `4m`, and 1000 of `1e3`."""
    if value is None or "%env(" in str(value):
        return None
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return int(value) if isfinite(value) else 0
    found = _NUMBER.match(str(value))
    return int(min(max(float(found[1]), -_MOST), _MOST)) if found else 0


def filtered(value: Any) -> int | None:
    """FILTER_VALIDATE_INT, as Redis' transport does: it takes what is no whole number, as the text 240.0, for 0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else 0
    number = cast(value)
    if number is None or isinstance(value, (bool, int)):
        return number
    return number if re.fullmatch(r"\s*[+-]?(?:0|[1-9][0-9]*)\s*", str(value)) else 0
