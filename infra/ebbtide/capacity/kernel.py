"""The inner loop: workers pull messages first in, first out, up to an instant.

FIFO with pulling workers needs one heap step a message: the heap holds when each worker is free, a message starts at
`max(arrival, earliest free)`. Keys are integers, time in microseconds above the worker's number, so ties have one
order and every kernel gives the same result.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from heapq import heapreplace
from typing import Protocol

from ebbtide.capacity.histogram import LINEAR_END_US, LINEAR_STEP_US, LINEAR_STEPS, Histogram

# Bits of a key for the worker's number; 43 bits are left for the time, 101 days in microseconds.
SLOT_BITS = 20
SLOT_MASK = (1 << SLOT_BITS) - 1
MAX_SLOTS = 1 << SLOT_BITS
_WINDOW = 1024


@dataclass(slots=True)
class Cursor:
    """Where a run is: the chunk of the load at hand, and what was measured so far."""

    arrivals: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("q"))
    index: int = 0
    limit: int = 0
    """Messages of the chunk from here on stay, whoever is free."""
    started: int = 0
    busy_us: int = 0
    """Time that workers were set to spend on messages."""
    histogram: Histogram = field(default_factory=Histogram)
    _listed: tuple[array[int], list[int], list[int]] | None = None

    def lists(self) -> tuple[list[int], list[int]]:
        """The chunk as lists, made once: an array makes an integer anew at each access."""
        if self._listed is None or self._listed[0] is not self.arrivals:
            self._listed = (self.arrivals, self.arrivals.tolist(), self.durations.tolist())
        return self._listed[1], self._listed[2]


class Kernel(Protocol):
    """Starts messages, interval by interval."""

    def run(self, cursor: Cursor, heap: list[int], slot_durations: list[int], end_us: int) -> bool:
        """Start messages until an instant, the cursor's limit, or until nobody works; returns whether the limit is
        reached. Messages that would start at `end_us` or later stay."""
        ...

    def finish(self, histogram: Histogram) -> None:
        """A run has ended: what was counted elsewhere goes into the histogram."""
        ...


class PureKernel:
    """The kernel that every machine has."""

    def run(self, cursor: Cursor, heap: list[int], slot_durations: list[int], end_us: int) -> bool:
        """See `run_pure`."""
        return run_pure(cursor, heap, slot_durations, end_us)

    def finish(self, histogram: Histogram) -> None:
        """Nothing is counted elsewhere."""


def run_pure(cursor: Cursor, heap: list[int], slot_durations: list[int], end_us: int) -> bool:
    """The kernel in pure Python: 0.3 to 0.4 us a message. Returns whether the cursor's limit is reached."""
    first, last = cursor.index, cursor.limit
    if not heap:
        return first == last
    arrivals, durations = cursor.lists()
    histogram = cursor.histogram
    linear = histogram.linear
    index, waited, total, longest = first, 0, 0, histogram.longest_us
    # A window bounds what a slice copies; iterating over one is faster than an index.
    while index < last:
        window = slice(index, min(index + _WINDOW, last))
        for arrival, duration in zip(arrivals[window], durations[window], strict=True):
            key = heap[0]
            free = key >> SLOT_BITS
            if free > arrival:
                if free >= end_us:
                    break
                wait = free - arrival
                waited += 1
                total += wait
                if wait > longest:  # noqa: PLR1730 - a call of max costs a fifth of the loop
                    longest = wait
                if wait < LINEAR_END_US:
                    linear[wait // LINEAR_STEP_US] += 1  # type: ignore[index]
                else:
                    linear[LINEAR_STEPS] += 1  # type: ignore[index]
                    histogram.add_beyond(wait)
                heapreplace(heap, key + (duration << SLOT_BITS))
            elif arrival < end_us:
                heapreplace(heap, ((arrival + duration) << SLOT_BITS) | (key & SLOT_MASK))
            else:
                break
            slot_durations[key & SLOT_MASK] = duration
            index += 1
        else:
            continue
        break
    count = index - first
    linear[0] += count - waited  # type: ignore[index]
    histogram.count += count
    histogram.total_us += total
    histogram.longest_us = longest
    cursor.started += count
    cursor.busy_us += sum(durations[first:index])
    cursor.index = index
    return index == last


def start_one(cursor: Cursor, heap: list[int], slot_durations: list[int], arrival: int, duration: int) -> int:
    """Start a single message (one that was given back). Returns when it starts."""
    key = heap[0]
    start = max(arrival, key >> SLOT_BITS)
    slot = key & SLOT_MASK
    heapreplace(heap, ((start + duration) << SLOT_BITS) | slot)
    slot_durations[slot] = duration
    wait = start - arrival
    histogram = cursor.histogram
    histogram.count += 1
    histogram.total_us += wait
    histogram.longest_us = max(histogram.longest_us, wait)
    histogram.linear[min(wait // LINEAR_STEP_US, LINEAR_STEPS)] += 1  # type: ignore[index]
    if wait >= LINEAR_END_US:
        histogram.add_beyond(wait)
    cursor.busy_us += duration
    cursor.started += 1
    return start
