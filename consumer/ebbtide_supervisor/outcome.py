"""How a worker's end is judged, and the container's exit status that follows."""

from __future__ import annotations

import os
import signal
from enum import IntEnum, StrEnum
from typing import Final

STOPPED_BY_FILE: Final = 37
CANNOT_START: Final = (126, 127)  # what a shell's exec reports: not executable, not found


class ExitStatus(IntEnum):
    """What PID 1 ends with."""

    CLEAN = 0
    """Every worker ended by itself."""
    REFUSED = 1
    """The environment, the command or the image is wrong: nothing was started."""
    UNCLEAN = 3
    """Drained, but a worker was killed or failed meanwhile: its message comes back through the broker."""
    CANNOT_START = 4
    """The worker's program cannot be executed."""
    NEVER_READY = 5
    """No worker became ready before the start deadline."""
    NOT_TERMINATED = 6
    """Drained, and nobody ended the container within the grace period: the hook was run by hand."""


class Outcome(StrEnum):
    """How one worker ended."""

    ROTATED = "rotated"
    """By itself with status 0: a limit was reached. It starts again."""
    STOPPED = "stopped"
    """Asked to, with status 0, or it found the stop file (37)."""
    TERMINATED = "terminated"
    """By the stop signal itself: it had no handler for it, which is harmless while it boots or shuts down."""
    KILLED = "killed"
    """By SIGKILL: ours at stop wait, or someone else's, for example out of memory."""
    FAILED = "failed"
    """Any other status or signal."""


def judge(wait_status: int, *, asked: bool, stop_signal: signal.Signals, limit_status: int | None = None) -> Outcome:
    """The outcome of one wait status; `limit_status` is with which a program ends at a limit of its own, beside 0."""
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        if number == signal.SIGKILL:
            return Outcome.KILLED
        return Outcome.TERMINATED if asked and number == stop_signal else Outcome.FAILED
    status = os.waitstatus_to_exitcode(wait_status)
    if status == STOPPED_BY_FILE:
        return Outcome.STOPPED
    if status in {0, limit_status}:
        return Outcome.STOPPED if asked else Outcome.ROTATED
    return Outcome.FAILED


def describe(wait_status: int) -> dict[str, int | str]:
    """The wait status as event fields."""
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        try:
            return {"signal": signal.Signals(number).name}
        except ValueError:
            return {"signal": number}
    return {"status": os.waitstatus_to_exitcode(wait_status)}
