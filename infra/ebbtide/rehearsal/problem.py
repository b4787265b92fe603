"""How a rehearsal refuses: findings, as every command of this project does."""

from __future__ import annotations

import json
from typing import Any

from ebbtide.judgement.findings import SettingsError, refused


def refusal(where: str, message: str, remedy: str) -> SettingsError:
    """One sentence about what is in the way. `where` is an option, or what was asked."""
    return refused("rehearsal", message, remedy, (where,))


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, SettingsError):
        return str(error)
    if hasattr(error, "status") and hasattr(error, "body"):
        return answer_of(error)
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def answer_of(error: Any) -> str:
    """What an API server said, in one line: the client's ApiException prints headers and body over several."""
    try:
        said = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        said = ""
    more = f": {said}" if said not in {"", error.reason} else ""
    return " ".join(f"{error.status} {error.reason}{more}".split())
