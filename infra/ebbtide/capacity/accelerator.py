"""The kernel compiled by numba, for loads of millions of messages; every result is the same, to the byte.

It takes over only where it pays: numba needs half a second to load. The heap keeps the very layout that `heapq` gives
it, because workers that crash are drawn by their place in it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

import numba
import numpy as np

from ebbtide.capacity.histogram import LINEAR_END_US, LINEAR_STEP_US, LINEAR_STEPS, LOG_STEPS, Histogram
from ebbtide.capacity.kernel import Cursor, run_pure
from ebbtide.capacity.workers import SLOT_BITS, SLOT_MASK, Workers

# A call copies the heap to and fro: below as many messages Python is done sooner.
_LEAST_MESSAGES = 64
# 101 days of waiting, the most that a key can say, are below the eleventh doubling of ten thousand seconds.
_BEYOND_STEPS = 11 * LOG_STEPS


class AcceleratedKernel:
    """A kernel with counts of its own, added to the histogram when a run ends."""

    def __init__(self) -> None:
        self._counts = (np.zeros(LINEAR_STEPS + 1, np.int64), np.zeros(_BEYOND_STEPS, np.int64))

    def run(self, cursor: Cursor, workers: Workers, end_us: int) -> bool:
        """As `run_pure`, which it leaves short intervals to."""
        first = cursor.index
        arrived = bisect_left(cursor.arrivals, end_us, first, cursor.limit)
        if not len(workers) or arrived - first < _LEAST_MESSAGES:
            return run_pure(cursor, workers, end_us)
        index, total, longest = _start_messages(
            (_view(cursor.arrivals), _view(cursor.durations)),
            first,
            arrived,
            end_us,
            _keys_of(workers),
            (_view(workers.durations), workers.noted_above_us),
            self._counts,
        )
        histogram = cursor.histogram
        histogram.count += index - first
        histogram.total_us += total
        histogram.longest_us = max(histogram.longest_us, longest)
        cursor.started += index - first
        cursor.index = index
        return bool(index == cursor.limit)

    def count_unfree(self, workers: Workers, now: int) -> int:
        """All at once."""
        return int(np.count_nonzero(_keys_of(workers) >= (now + 1) << SLOT_BITS))

    def finish(self, histogram: Histogram) -> None:
        """Add what was counted here."""
        linear, beyond = self._counts
        histogram.linear = (np.array(histogram.linear, np.int64) + linear).tolist()
        for key in np.flatnonzero(beyond).tolist():
            histogram.beyond[key] = histogram.beyond.get(key, 0) + int(beyond[key])
        linear[:] = 0
        beyond[:] = 0


def _keys_of(workers: Workers) -> Any:
    """The heap as numpy has it, and keeps it until Python changes it."""
    if workers.packed is None:
        workers.packed = np.fromiter(workers.heap, np.int64, len(workers))
    return workers.packed


def _view(values: array[int]) -> Any:
    """The same memory, as numpy sees it."""
    return np.frombuffer(values, np.int64)


def _in_cache(function: Any) -> Any:
    """Compile once a machine: the first run takes 3 s more, the others load what it has left beside this file, or in
    numba's own directory where that is read-only."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # There is no directory to write to: compiled anew each time.
        return numba.njit(nogil=True)(function)


@_in_cache
def _start_messages(load, index, arrived, end_us, keys, notes, counts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917
    arrivals, durations = load
    noted, noted_above = notes
    linear, beyond = counts
    total = longest = 0
    while index < arrived:
        arrival, duration = arrivals[index], durations[index]
        key = keys[0]
        free = key >> SLOT_BITS
        if free > arrival:
            if free >= end_us:
                break
            wait = free - arrival
            total += wait
            longest = max(longest, wait)
            if wait < LINEAR_END_US:
                linear[wait // LINEAR_STEP_US] += 1
            else:
                linear[LINEAR_STEPS] += 1
                doublings = 0
                while wait // LINEAR_END_US >> (doublings + 1):
                    doublings += 1
                step = wait * LOG_STEPS // (LINEAR_END_US << doublings) - LOG_STEPS
                beyond[doublings * LOG_STEPS + step] += 1
            _replace_smallest(keys, key + (duration << SLOT_BITS))
        else:
            linear[0] += 1
            _replace_smallest(keys, ((arrival + duration) << SLOT_BITS) | (key & SLOT_MASK))
        if duration > noted_above:
            noted[key & SLOT_MASK] = duration
        index += 1
    return index, total, longest


@_in_cache
def _replace_smallest(keys, key):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """`heapreplace`, step by step as CPython's _heapqmodule.c does it: down to a leaf, then up.

    Places are unsigned, or each access would first look for a negative one; and the smaller child is found without a
    branch, which the processor would guess wrong every other time. Both together take a third off.
    """
    one, place = np.uint64(1), np.uint64(0)
    end = np.uint64(keys.size)
    while place < (end - one) >> one:
        child = (place << one) + one
        child += np.uint64(keys[child + one] <= keys[child])
        keys[place] = keys[child]
        place = child
    if place < end >> one:
        child = (place << one) + one
        keys[place] = keys[child]
        place = child
    while place > 0:
        parent = (place - one) >> one
        if key >= keys[parent]:
            break
        keys[place] = keys[parent]
        place = parent
    keys[place] = key
