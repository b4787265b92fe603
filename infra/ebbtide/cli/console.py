"""Where text goes: a terminal, or a pipe or file, which gets plain text."""

from __future__ import annotations

import re
from typing import IO, cast

from rich.console import Console

_PADDING = re.compile(r" +(?=\n)")


def make_console(out: IO[str] | None = None) -> Console:
    """A console as wide as the terminal. A pipe or a file gets 120 columns, without colours or blanks at line ends."""
    console = Console(file=out, highlight=False)
    if console.is_terminal:
        return console
    return Console(file=cast("IO[str]", _Unpadded(console.file)), highlight=False, width=120, soft_wrap=False)


class _Unpadded:
    """A text file without the blanks with which rich fills the last column of a table."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self.encoding = getattr(out, "encoding", "utf-8")

    def write(self, text: str) -> int:
        """Write whole lines, which is what rich hands on."""
        return self._out.write(_PADDING.sub("", text))

    def flush(self) -> None:
        """Write what is buffered."""
        self._out.flush()
