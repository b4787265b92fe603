"""The line that the probes read: a shell reads it without a fork, where asking PID 1 costs a Python start each time.

Written in place, always the same length: a volume that fills up afterwards cannot make the heartbeat stop.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTH: Final = 128


class StatusFile:
    """`heartbeat phase everReady running ready waiting`, heartbeat in whole seconds of /proc/uptime."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._written = b""

    def write(self, phase: str, *, ever_ready: bool, counts: Mapping[str, int]) -> None:
        """Write when something changed; the heartbeat counts as a change."""
        fields = (uptime_seconds(), phase, int(ever_ready), counts["running"], counts["ready"], counts["waiting"])
        line = " ".join(map(str, fields)).ljust(LENGTH - 1).encode() + b"\n"
        if line != self._written:
            os.pwrite(self._fd, line, 0)
            self._written = line


def uptime_seconds() -> int:
    """The clock a shell can read too: /proc/uptime, which some runtimes count from the container's start."""
    return int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))
