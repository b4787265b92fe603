"""Which stop signals a program of PHP or Python handles itself, as far as its own file tells."""

from __future__ import annotations

import re
from typing import Final

from ebbtide.doctor.files import File

_REGISTERS: Final = re.compile(
    r"\b(?:pcntl_signal\(\s*\\?|signal\.signal\(\s*(?:signal\.)?|add_signal_handler\(\s*(?:signal\.)?)"
    r"SIG(TERM|INT|QUIT)\b(?!\s*,\s*(?:signal\.)?\\?SIG_(?:IGN|DFL))"
)
_SIGNAL: Final = re.compile(r"\bSIG(TERM|INT|QUIT|HUP|USR1|USR2|WINCH)\b")


def own_signals(file: File) -> frozenset[str]:
    """Every signal that a file names, where it handles one that stops; nothing where it handles none."""
    if not _REGISTERS.search(file.text):
        return frozenset()
    return frozenset(found[1] for found in _SIGNAL.finditer(file.text))
