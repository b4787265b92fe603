"""Waiting times in bounded memory: exact to 10 ms or 1 %, whichever is more."""

from __future__ import annotations

from collections.abc import Sequence

from ebbtide.capacity.clock import MICROSECONDS

LINEAR_STEP_US = 10_000
# Ten thousand seconds in steps of 10 ms: from one second on a step is below 1 %. 8 MB, whatever the load.
LINEAR_STEPS = 1_000_000
LINEAR_END_US = LINEAR_STEP_US * LINEAR_STEPS
# Above that, 128 steps for each doubling: 0.8 %.
LOG_STEPS = 128


class Histogram:
    """Counts of waits. The kernel writes `linear` itself; what one message does comes through `add` and `remove`."""

    __slots__ = ("beyond", "count", "linear", "longest_us", "total_us")

    def __init__(self) -> None:
        self.linear: Sequence[int] = [0] * (LINEAR_STEPS + 1)
        """Messages by wait in steps of 10 ms; the last one counts what `beyond` has."""
        self.beyond: dict[int, int] = {}
        self.count = 0
        self.total_us = 0
        self.longest_us = 0

    def add(self, wait_us: int) -> None:
        """Count the wait of one message."""
        self.longest_us = max(self.longest_us, wait_us)
        self._count(wait_us, 1)

    def remove(self, wait_us: int) -> None:
        """Take back a wait that was not the message's last. `longest_us` stays: the message waits longer yet."""
        self._count(wait_us, -1)

    def _count(self, wait_us: int, times: int) -> None:
        self.count += times
        self.total_us += times * wait_us
        self.linear[min(wait_us // LINEAR_STEP_US, LINEAR_STEPS)] += times  # type: ignore[index]
        if wait_us >= LINEAR_END_US:
            self.add_beyond(wait_us, times)

    def add_beyond(self, wait_us: int, times: int = 1) -> None:
        """Count a wait of more than ten thousand seconds."""
        exponent = (wait_us // LINEAR_END_US).bit_length() - 1
        step = (wait_us * LOG_STEPS // (LINEAR_END_US << exponent)) - LOG_STEPS
        key = exponent * LOG_STEPS + step
        self.beyond[key] = self.beyond.get(key, 0) + times

    @property
    def mean_seconds(self) -> float:
        """The exact mean, in seconds."""
        return self.total_us / self.count / MICROSECONDS if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The wait in seconds that `share` of the messages do not exceed: the upper end of its step."""
        wanted = max(1, -int(-share * self.count // 1))
        seen = 0
        for step in range(LINEAR_STEPS):
            seen += self.linear[step]
            if seen >= wanted:
                # The first step holds mostly messages that did not wait at all.
                upper = 0 if step == 0 else (step + 1) * LINEAR_STEP_US
                return min(upper, self.longest_us) / MICROSECONDS
        for key in sorted(self.beyond):
            seen += self.beyond[key]
            if seen >= wanted:
                exponent, step = divmod(key, LOG_STEPS)
                upper = (LINEAR_END_US << exponent) * (LOG_STEPS + step + 1) // LOG_STEPS
                return min(upper, self.longest_us) / MICROSECONDS
        return self.longest_us / MICROSECONDS
