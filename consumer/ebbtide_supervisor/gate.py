"""Which worker may start now.

Workers that fail wait behind one probe: while the broker is away a pod costs one start each `PROBE_SECONDS`
instead of 28 a second and every core, which is what 70 workers that restart at once cost. As soon as one probe
has settled, all the others start.
"""

from __future__ import annotations

from typing import Final

# One start each 2.5 s is 0.4 a second; with SETTLE_SECONDS it leaves 6 of the 10 s for the others' boot.
PROBE_SECONDS: Final = 2.5
# A worker whose broker refuses the connection is gone 0.1 to 0.3 s after its start.
SETTLE_SECONDS: Final = 1.5
LONGEST_SETTLE_SECONDS: Final = 30.0
# A gate that stayed open this long was opened rightly: what was learnt before is forgotten.
STEADY_SECONDS: Final = 60.0


class Gate:
    """Open: everyone may start. Closed: one probe at a time. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.is_open = True
        self.settle_seconds = SETTLE_SECONDS
        self.probe: int | None = None
        self._next_probe_at = 0.0
        self._opened_at = 0.0
        self._opened_by: int | None = None

    def failed(self, worker: int, lived_seconds: float, now: float) -> None:
        """A worker ended as it should not have: close the gate."""
        if self.is_open and now - self._opened_at > STEADY_SECONDS:
            self.settle_seconds, self._opened_by = SETTLE_SECONDS, None
        if worker in (self.probe, self._opened_by):
            # It had settled, or might have: a connection that times out needs longer to fail than one refused.
            # Only probes teach this; the others boot in a crowd and live long for want of CPU.
            self.settle_seconds = min(LONGEST_SETTLE_SECONDS, max(self.settle_seconds, 1.5 * lived_seconds))
            self.probe = self._opened_by = None
        self.is_open = False

    def may_start(self, now: float) -> bool:
        """Whether one more worker may start now."""
        return self.is_open or (self.probe is None and now >= self._next_probe_at)

    def started(self, worker: int, now: float) -> None:
        """A worker was started. Behind a closed gate it is the probe."""
        if not self.is_open:
            self.probe = worker
            self._next_probe_at = now + PROBE_SECONDS

    def settled(self, worker: int, now: float) -> bool:
        """A worker has proved that it consumes. True when it was the probe and so opened the gate."""
        if self.is_open or worker != self.probe:
            return False
        self.is_open, self._opened_at, self._opened_by, self.probe = True, now, worker, None
        return True

    def ended(self, worker: int) -> None:
        """A worker ended as it should: its place as a probe is free."""
        if worker == self.probe:
            self.probe = None

    def next_start_at(self) -> float | None:
        """When a start may become possible by time alone, None when something else must happen first."""
        return None if self.is_open or self.probe is not None else self._next_probe_at
