"""What workers tell about themselves, if the application has consumer/php/WorkerProgress.php: two files each.

`workers/N` is there once the worker has heard from the broker; its time is when it took the message it has in flight,
or one second after 1970 for none. `workers/N.counts` is what this worker and those before it with its number are done
with. Without the class PID 1 only knows processes.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple


class Counts(NamedTuple):
    """What one worker has counted."""

    handled: int
    retried: int
    failed: int
    seconds: float
    """All durations together."""
    buckets: tuple[int, ...]
    """How many took at most each bound and more than the one before; the last one above all bounds."""


class Progress:
    """The workers' files."""

    def __init__(self, state_directory: Path) -> None:
        # Text: to join a Path takes longer than the look itself, and 70 are looked at each 2 s.
        self._files = f"{state_directory}/workers/"
        self.is_told = False
        """Whether any worker of this container has ever told anything."""

    def forget(self, worker: int) -> None:
        """A worker has ended, or starts: what the one before it told does not count."""
        with contextlib.suppress(OSError):
            os.unlink(f"{self._files}{worker}")  # noqa: PTH108

    def is_consuming(self, worker: int) -> bool:
        """Whether this worker has heard from the broker since its start."""
        return self._time(worker) is not None

    def in_flight_seconds(self, worker: int) -> float | None:
        """For how long this worker has had its message, None for no message or a worker that does not tell."""
        began_at = self._time(worker)
        return None if began_at is None or began_at <= 1 else max(0.0, time.time() - began_at)

    def counts(self, worker: int, buckets: int) -> Counts | None:
        """What this worker has counted; None for nothing yet, and for a line that is just being written."""
        try:
            fields = Path(f"{self._files}{worker}.counts").read_text(encoding="ascii").split()
            first, handled, retried, failed, seconds, *counted, last = fields
            # Written by one call, first and last field alike.
            if first != last or len(counted) != buckets:
                return None
            return Counts(int(handled), int(retried), int(failed), float(seconds), tuple(map(int, counted)))
        except (OSError, ValueError):
            return None

    def _time(self, worker: int) -> float | None:
        try:
            at = os.stat(f"{self._files}{worker}").st_mtime  # noqa: PTH116
        except OSError:
            return None
        self.is_told = True
        return at
