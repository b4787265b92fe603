"""How a finding shows a command."""

from __future__ import annotations

from typing import Final

from ebbtide.judgement.secrets import redact

_MOST_SIGNS: Final = 60


def one_line(text: str) -> str:
    """On one line, without secrets. These go while the text is whole: behind an escaped line break, or cut in the
    middle, nothing knows them any more."""
    return " ".join(redact(text).split())


def shown(text: str) -> str:
    """The same, and short."""
    line = one_line(text)
    return line if len(line) <= _MOST_SIGNS else f"{line[: _MOST_SIGNS - 3]}..."
