"""Text that others wrote, on a terminal: shown, and never obeyed."""

from __future__ import annotations

import re

from rich.text import Text

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def inert(text: str, style: str = "") -> Text:
    """The text without what a terminal obeys (C0, C1), and without rich's markup."""
    return Text(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text), style)
