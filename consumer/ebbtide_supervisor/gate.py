"""Which worker may start now.

Workers that fail wait behind one probe: while the broker is away a pod costs one start each `PROBE_SECONDS`
instead of 28 a second and every core, which is what 70 workers that restart at once cost. As soon as one probe
has settled, all the others start. The gate is closed at first, too: the first worker compiles PHP's files into the
opcache once instead of 70 at a time, and finds out alone whether the broker is there.
"""

from __future__ import annotations

from typing import Final

# One start each 2.5 s is 0.4 a second; with SETTLE_SECONDS it leaves 6 of the 10 s for the others' boot.
PROBE_SECONDS: Final = 2.5
# A worker whose broker refuses the connection is gone 0.1 to 0.3 s after its start.
SETTLE_SECONDS: Final = 1.5
# At the container's start nothing has failed yet and everyone waits.
FIRST_SETTLE_SECONDS: Final = 0.3
# The probe that opened the gate failed before this: perhaps it was still waiting for a connection to time out.
SHORT_OPENING_SECONDS: Final = 15.0


class Gate:
    """Open: everyone may start. Closed: one probe at a time. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.is_open = False
        self.settle_seconds = FIRST_SETTLE_SECONDS
        self.probe: int | None = None
        self._next_probe_at = 0.0
        self._opened_at = 0.0
        self._opened_by: int | None = None
        self._short_openings = 0

    def failed(self, worker: int, lived_seconds: float, now: float) -> None:
        """A worker ended as it should not have: close the gate."""
        self.settle_seconds = max(SETTLE_SECONDS, self.settle_seconds)
        if worker == self._opened_by:
            self._learn(lived_seconds, now - self._opened_at)
        if worker == self.probe:
            self.probe = None
        self.is_open = False

    def _learn(self, lived_seconds: float, opened_seconds: float) -> None:
        # A broker whose address does not answer looks like one that is there until the connection times out: each
        # opening then starts everyone in vain. One short opening may be a real outage, a second one is a pattern.
        self._opened_by = None
        if opened_seconds > SHORT_OPENING_SECONDS:
            self._short_openings, self.settle_seconds = 0, SETTLE_SECONDS
            return
        self._short_openings += 1
        if self._short_openings > 1:
            self.settle_seconds = max(self.settle_seconds, 1.5 * lived_seconds)

    def may_start(self, now: float) -> bool:
        """Whether one more worker may start now."""
        return self.is_open or (self.probe is None and now >= self._next_probe_at)

    def started(self, worker: int, now: float) -> None:
        """A worker was started. Behind a closed gate it is the probe."""
        if not self.is_open:
            self.probe = worker
            self._next_probe_at = now + PROBE_SECONDS

    def settled(self, lived_seconds: float, *, asleep: bool) -> bool:
        """Whether a probe of that age has proved itself: its boot is over, or has taken longer than any boot alone."""
        return (asleep and lived_seconds >= self.settle_seconds) or lived_seconds >= 2 * self.settle_seconds + 2

    def open(self, now: float) -> None:
        """The probe has settled: everyone may start."""
        self.is_open, self._opened_at, self._opened_by, self.probe = True, now, self.probe, None

    def ended(self, worker: int) -> None:
        """A worker found the stop file: its place as a probe is free."""
        if worker == self.probe:
            self.probe = None

    def not_started(self, worker: int) -> None:
        """A start came to nothing, and not by the worker's own fault: it does not count."""
        if worker == self.probe:
            self.probe = None
            self._next_probe_at = 0.0

    def next_start_at(self) -> float | None:
        """When a start may become possible by time alone, None when something else must happen first."""
        return None if self.is_open or self.probe is not None else self._next_probe_at
