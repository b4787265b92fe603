"""Both kernels start the same messages on the same workers at the same microsecond."""

from __future__ import annotations

import copy
import heapq
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capacity.conftest import poisson_load

from ebbtide.capacity.accelerator import AcceleratedKernel
from ebbtide.capacity.histogram import LINEAR_STEPS, Histogram
from ebbtide.capacity.kernel import Cursor, PureKernel
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.workers import SLOT_BITS, Workers

_SECOND = 1_000_000


def _plain(
    arrivals: list[int], durations: list[int], free: list[int], end: int
) -> tuple[list[int], list[int], dict[int, list[int]]]:
    """The rule in its simplest form: the waits of the messages that start before `end`, when workers are free, and
    which durations each has had."""
    workers = sorted((at, slot) for slot, at in enumerate(free))
    waits = []
    had: dict[int, list[int]] = {slot: [0] for slot in range(len(free))}
    for arrival, duration in zip(arrivals, durations, strict=True):
        at, slot = workers[0]
        start = max(arrival, at)
        if start >= end:
            break
        waits.append(start - arrival)
        had[slot].append(duration)
        workers = sorted([*workers[1:], (start + duration, slot)])
    return waits, [(at << SLOT_BITS) | slot for at, slot in workers], had


@pytest.mark.slow
@settings(deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3 * _SECOND), min_size=1, max_size=300),
    lengths=st.lists(st.integers(0, 40_000 * _SECOND), min_size=300, max_size=300),
    free=st.lists(st.integers(0, 20 * _SECOND), min_size=1, max_size=12),
    end=st.integers(0, 200 * _SECOND),
    above=st.sampled_from([-1, 60 * _SECOND]),
)
def test_a_kernel_starts_messages_in_order_on_the_worker_that_is_free_first(gaps, lengths, free, end, above):
    arrivals = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    durations = lengths[: len(gaps)]
    waits, workers, had = _plain(arrivals, durations, free, end)
    for kernel in (PureKernel(), AcceleratedKernel()):
        heap = [(at << SLOT_BITS) | slot for slot, at in enumerate(free)]
        heapq.heapify(heap)
        team = Workers(heap, noted_above_us=above)
        team.reserve(len(free))
        cursor = Cursor(array("q", arrivals), array("q", durations), limit=len(arrivals))
        reached = kernel.run(cursor, team, end)
        kernel.finish(cursor.histogram)
        assert reached == (len(waits) == len(arrivals))
        assert kernel.count_unfree(team, end) == sum(key >> SLOT_BITS > end for key in workers)
        assert cursor.index == cursor.started == cursor.histogram.count == len(waits)
        assert cursor.histogram.total_us == sum(waits)
        assert cursor.histogram.longest_us == max(waits, default=0)
        assert sorted(team.heap) == workers
        # What may be killed is known, so that it can be done again.
        long = {slot: [length for length in lengths if length > above] for slot, lengths in had.items()}
        assert list(team.durations) == [found[-1] if found else 0 for found in long.values()]


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), rate=st.floats(0.5, 12.0), crashes=st.sampled_from([0.0, 4.0]))
def test_a_run_is_the_same_to_the_last_byte_with_either_kernel(seed, rate, crashes):
    """Crashes are drawn by place in the heap, so its layout must be the same as well."""
    scenario = Scenario(
        processes=70,
        grace_seconds=60,
        hpa=None,
        start_replicas=1,
        seed=seed,
        crashes_per_worker_hour=crashes,
        message_limit=20,
    )
    found = [
        simulate(scenario, poisson_load(seed, 6 * rate, 8.0, 3000), kernel)
        for kernel in (PureKernel(), AcceleratedKernel())
    ]
    pure, compiled = map(_everything, found)
    assert pure == compiled


def _everything(result):
    waits = result.waits
    plain = copy.copy(result)
    plain.waits = Histogram()
    return repr(plain).replace(repr(plain.waits), ""), list(waits.linear), waits.beyond, waits.total_us, waits.count


@pytest.mark.parametrize("kernel", [PureKernel, AcceleratedKernel])
def test_a_worker_that_is_free_at_the_moment_itself_is_free(kernel):
    workers = Workers([(at << SLOT_BITS) | (11 - at) for at in (9, 10, 11)])
    assert [kernel().count_unfree(workers, now) for now in (8, 9, 10, 11)] == [3, 2, 1, 0]


@pytest.mark.parametrize("kernel", [PureKernel, AcceleratedKernel])
def test_waits_of_hours_are_counted_where_they_belong(kernel):
    """70,000 seconds are beyond the linear part of the histogram."""
    count = 2000
    cursor = Cursor(array("q", [0] * count), array("q", [70 * _SECOND] * count), limit=count)
    instance = kernel()
    worker = Workers([0])
    worker.reserve(1)
    instance.run(cursor, worker, 10**12)
    instance.finish(cursor.histogram)
    histogram = cursor.histogram
    assert sum(histogram.linear) == count
    assert sum(histogram.beyond.values()) == histogram.linear[LINEAR_STEPS] > 0
    assert histogram.quantile(0.5) == pytest.approx(70 * 999, rel=0.01)
    assert histogram.quantile(1.0) == 70 * (count - 1)
