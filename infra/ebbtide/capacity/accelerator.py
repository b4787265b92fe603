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
from ebbtide.capacity.kernel import SLOT_BITS, SLOT_MASK, Cursor, run_pure

# A call copies the heap and the workers' durations to and fro: below as many messages Python is done sooner.
_LEAST_MESSAGES = 64
# 101 days of waiting, the most that a key can say, are below the eleventh doubling of ten thousand seconds.
_BEYOND_STEPS = 11 * LOG_STEPS


class AcceleratedKernel:
    """A kernel with counts of its own, added to the histogram when a run ends."""

    def __init__(self) -> None:
        self._linear = np.zeros(LINEAR_STEPS + 1, np.int64)
        self._beyond = np.zeros(_BEYOND_STEPS, np.int64)

    def run(self, cursor: Cursor, heap: list[int], slot_durations: list[int], end_us: int) -> bool:
        """As `run_pure`, which it leaves short intervals to."""
        arrived = bisect_left(cursor.arrivals, end_us, cursor.index, cursor.limit) - cursor.index
        if not heap or arrived < max(_LEAST_MESSAGES, len(heap) // 2):
            return run_pure(cursor, heap, slot_durations, end_us)
        keys, longest_of = np.array(heap, np.int64), np.array(slot_durations, np.int64)
        arrivals, durations = _view(cursor.arrivals), _view(cursor.durations)
        end = cursor.index + arrived
        here = slice(cursor.index, end)
        found = _start_messages(arrivals[here], durations[here], keys, longest_of, end_us, self._linear, self._beyond)
        heap[:] = keys.tolist()
        slot_durations[:] = longest_of.tolist()
        started, total, longest = (int(value) for value in found)
        histogram = cursor.histogram
        histogram.count += started
        histogram.total_us += total
        histogram.longest_us = max(histogram.longest_us, longest)
        cursor.busy_us += int(durations[cursor.index : cursor.index + started].sum())
        cursor.started += started
        cursor.index += started
        return cursor.index == cursor.limit

    def finish(self, histogram: Histogram) -> None:
        """Add what was counted here."""
        histogram.linear = (np.array(histogram.linear, np.int64) + self._linear).tolist()
        for key in np.flatnonzero(self._beyond).tolist():
            histogram.beyond[key] = histogram.beyond.get(key, 0) + int(self._beyond[key])
        self._linear[:] = 0
        self._beyond[:] = 0


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
def _start_messages(arrivals, durations, keys, slot_durations, end_us, linear, beyond):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917
    total = longest = 0
    index = 0
    while index < arrivals.size:
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
        slot_durations[key & SLOT_MASK] = duration
        index += 1
    return index, total, longest


@_in_cache
def _replace_smallest(keys, key):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """`heapreplace`, step by step as CPython's _heapqmodule.c does it: down to a leaf, then up."""
    end, place = keys.size, 0
    while place < end >> 1:
        child = 2 * place + 1
        if child + 1 < end and keys[child + 1] <= keys[child]:
            child += 1
        keys[place] = keys[child]
        place = child
    while place > 0:
        parent = (place - 1) >> 1
        if key >= keys[parent]:
            break
        keys[place] = keys[parent]
        place = parent
    keys[place] = key
