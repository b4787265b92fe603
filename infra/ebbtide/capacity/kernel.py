"""The inner loop: workers pull messages first in, first out, up to an instant.

FIFO with pulling workers needs one heap step a message: the heap holds when each worker is free, a message starts at
`max(arrival, earliest free)`. Keys are integers, so every kernel gives the same result.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from heapq import heapreplace
from operator import length_hint
from typing import Protocol

from ebbtide.capacity.histogram import LINEAR_END_US, LINEAR_STEP_US, LINEAR_STEPS, Histogram
from ebbtide.capacity.trace import is_sound_by_bytes
from ebbtide.capacity.workers import SLOT_BITS, SLOT_MASK, Workers

# Messages that become Python's integers at a time: few enough to be thrown away when an interval ends among them.
_WINDOW = 256


@dataclass(slots=True)
class Cursor:
    """Where a run is: the chunk of the load at hand, and what was measured so far."""

    arrivals: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("q"))
    index: int = 0
    limit: int = 0
    """Messages of the chunk from here on stay, whoever is free."""
    started: int = 0
    work_us: int = 0
    """What the started messages take, all together."""
    histogram: Histogram = field(default_factory=Histogram)


class Kernel(Protocol):
    """Starts messages, interval by interval."""

    def run(self, cursor: Cursor, workers: Workers, end_us: int) -> bool:
        """Start messages until an instant, the cursor's limit, or until nobody works; returns whether the limit is
        reached. Messages that would start at `end_us` or later stay."""
        ...

    def count_unfree(self, workers: Workers, now: int) -> int:
        """How many workers are free only after `now`."""
        ...

    def unfree_us(self, workers: Workers, now: int) -> int:
        """How long after `now` they are free, all together."""
        ...

    def is_sound(self, arrivals: array[int], durations: array[int]) -> bool:
        """See `IsSound`."""
        ...

    def finish(self, histogram: Histogram) -> None:
        """A run has ended: what was counted elsewhere goes into the histogram."""
        ...


class PureKernel:
    """The kernel that every machine has."""

    def run(self, cursor: Cursor, workers: Workers, end_us: int) -> bool:
        """See `run_pure`."""
        return run_pure(cursor, workers, end_us)

    def count_unfree(self, workers: Workers, now: int) -> int:
        """One by one."""
        edge = (now + 1) << SLOT_BITS
        return len([key for key in workers.heap if key >= edge])

    def unfree_us(self, workers: Workers, now: int) -> int:
        """One by one."""
        edge = (now + 1) << SLOT_BITS
        return sum([(key >> SLOT_BITS) - now for key in workers.heap if key >= edge])

    def is_sound(self, arrivals: array[int], durations: array[int]) -> bool:
        """See `is_sound_by_bytes`."""
        return is_sound_by_bytes(arrivals, durations)

    def finish(self, histogram: Histogram) -> None:
        """Nothing is counted elsewhere."""


def run_pure(cursor: Cursor, workers: Workers, end_us: int) -> bool:
    """The kernel in pure Python: 0.3 to 0.4 us a message. Returns whether the cursor's limit is reached."""
    heap, noted, noted_arrivals, noted_above = (
        workers.heap,
        workers.durations,
        workers.arrivals,
        workers.noted_above_us,
    )
    first = index = cursor.index
    if not heap:
        return first == cursor.limit
    arrivals, durations = cursor.arrivals, cursor.durations
    # Whatever has not arrived by then cannot start before it.
    arrived = bisect_left(arrivals, end_us, first, cursor.limit)
    histogram, end = cursor.histogram, end_us << SLOT_BITS
    linear = histogram.linear
    idle, total, work, longest = 0, 0, 0, histogram.longest_us
    while index < arrived:
        edge = min(index + _WINDOW, arrived)
        unread, lengths = iter(arrivals[index:edge].tolist()), durations[index:edge].tolist()
        for arrival, duration in zip(unread, lengths, strict=True):
            key = heap[0]
            wait = (key >> SLOT_BITS) - arrival
            if wait > 0:
                if key >= end:
                    break
                total += wait
                if wait > longest:  # noqa: PLR1730 - a call of max costs a fifth of the loop
                    longest = wait
                if wait < LINEAR_END_US:
                    linear[wait // LINEAR_STEP_US] += 1  # type: ignore[index]
                else:
                    linear[LINEAR_STEPS] += 1  # type: ignore[index]
                    histogram.add_beyond(wait)
                heapreplace(heap, key + (duration << SLOT_BITS))
            else:
                idle += 1
                heapreplace(heap, key + ((duration - wait) << SLOT_BITS))
            if duration > noted_above:
                noted[key & SLOT_MASK] = duration
                noted_arrivals[key & SLOT_MASK] = arrival
        else:
            index = edge
            work += sum(lengths)
            continue
        stays = length_hint(unread) + 1
        index = edge - stays
        work += sum(lengths[:-stays])
        break
    count = index - first
    linear[0] += idle  # type: ignore[index]
    histogram.count += count
    histogram.total_us += total
    histogram.longest_us = longest
    cursor.started += count
    cursor.work_us += work
    cursor.index = index
    return index == cursor.limit


def start_one(workers: Workers, ready_us: int, arrival: int, duration: int) -> int:
    """Start a single message, one that was given back and can be taken from `ready_us` on. Returns when it starts."""
    key = workers.heap[0]
    start = max(ready_us, key >> SLOT_BITS)
    slot = key & SLOT_MASK
    heapreplace(workers.heap, ((start + duration) << SLOT_BITS) | slot)
    workers.durations[slot] = duration
    workers.arrivals[slot] = arrival
    return start
