"""Ctrl-C, and SIGTERM, by which CI systems end a job: they take away what was made, and a second does not stop that."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

_ENDS = (signal.SIGINT, signal.SIGTERM)


def take_as_interrupts() -> None:
    """Let both raise KeyboardInterrupt. For the main thread."""
    for number in _ENDS:
        signal.signal(number, _interrupt)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore both; SIGQUIT (Ctrl-\\) and SIGKILL still end the program. For the main thread."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - as `signal` wants it
    raise KeyboardInterrupt
