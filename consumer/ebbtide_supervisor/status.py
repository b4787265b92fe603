"""What PID 1 keeps current in the state directory: a line for the probes, which a shell reads without a fork where
asking PID 1 costs a Python start each time, and a line for the helper.

Written in place, always the same length: a volume that fills up afterwards cannot make the heartbeat stop.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ebbtide_supervisor.progress import Progress

# The phase of a container whose PID 1 has come to its end.
ENDED: Final = "ended"


class _Line:
    """One line of a fixed length, in place of the one before."""

    def __init__(self, path: Path, length: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._length = length
        self._written = b""

    def put(self, text: str) -> None:
        line = text.ljust(self._length - 1).encode() + b"\n"
        if line != self._written:
            os.pwrite(self._fd, line, 0)
            self._written = line


class StatusFile:
    """`heartbeat phase everReady running ready waiting`, heartbeat in whole seconds of /proc/uptime."""

    LENGTH: Final = 128

    def __init__(self, path: Path) -> None:
        self._line = _Line(path, self.LENGTH)

    def write(self, phase: str, *, ever_ready: bool, counts: Mapping[str, int]) -> None:
        """Write when something changed; the heartbeat counts as a change."""
        fields = (uptime_seconds(), phase, int(ever_ready), counts["running"], counts["ready"], counts["waiting"])
        self._line.put(" ".join(map(str, fields)))


def lost_container(path: Path, progress: Progress, processes: int) -> dict[str, Any] | None:
    """What is left of the container before this one in the same pod, as fields of an event, if it was killed; None for
    none, or for one that has ended by itself.
    """
    try:
        heartbeat, phase, *_ = path.read_text(encoding="ascii").split()
        silent = uptime_seconds() - int(heartbeat)
    except (OSError, ValueError):
        return None
    if phase == ENDED:
        return None
    ages = [progress.in_flight_seconds(number) for number in range(processes)]
    told = {"inFlight": sum(age is not None for age in ages)} if progress.is_told else {}
    outcome = "cut_off" if phase == "draining" else "never_asked"
    return {"outcome": outcome, "phase": phase, "silentSeconds": silent, **told}


class SnapshotFile:
    """The pool's counts as JSON. They are PID 1's own, so that a helper that is started again goes on with them."""

    LENGTH: Final = 1024

    def __init__(self, path: Path) -> None:
        self._line = _Line(path, self.LENGTH)

    def write(self, snapshot: Mapping[str, Any]) -> None:
        """Write when something changed."""
        self._line.put(json.dumps(snapshot, separators=(",", ":")))


def read_snapshot(path: Path) -> dict[str, Any] | None:
    """What PID 1 last wrote; None where it has not yet, or is just writing."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return None


def uptime_seconds() -> int:
    """The clock a shell can read too: /proc/uptime, which some runtimes count from the container's start."""
    return int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))
