"""The simulation against a ledger that is kept message by message, slowly and in plain sight."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capacity.conftest import poisson_load

from ebbtide.capacity.model import Result, Scenario
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.trace import Chunk

Message = tuple[int, int]
"""Arrival and duration, in microseconds."""
SYNC_US = 15_000_000


@dataclass
class Entry:
    """What became of one message."""

    arrived: int
    started: int
    ended: int


def keep_ledger(messages: list[Message], workers: int) -> list[Entry]:
    """Workers that never change. Whoever is free first takes the first message."""
    free = [0] * workers
    ledger = []
    for arrived, duration in messages:
        worker = free.index(min(free))
        started = max(arrived, free[worker])
        free[worker] = started + duration
        ledger.append(Entry(arrived, started, free[worker]))
    return ledger


def chunk(messages: list[Message]) -> list[Chunk]:
    return [(array("q", [at for at, _ in messages]), array("q", [took for _, took in messages]))] if messages else []


def compare(result: Result, ledger: list[Entry]) -> None:
    waits = [entry.started - entry.arrived for entry in ledger]
    assert (result.waits.count, result.waits.total_us, result.waits.longest_us) == (len(waits), sum(waits), max(waits))
    for row in result.rows:
        now = row.seconds * 1_000_000
        seen = (row.waiting, row.in_flight, row.done)
        waiting = sum(entry.arrived < now <= entry.started for entry in ledger)
        in_flight = sum(entry.started < now < entry.ended for entry in ledger)
        done = sum(entry.started < now and entry.ended <= now for entry in ledger)
        assert seen == (waiting, in_flight, done), f"after {row.seconds} s: (waiting, in flight, done)"


def lists_of(unit_us: int) -> st.SearchStrategy[list[Message]]:
    """Loads of a minute and a half, in units of time: in whole seconds much happens at once."""
    moments = st.integers(0, 90_000_000 // unit_us).map(lambda number: number * unit_us)
    durations = st.integers(0, 40_000_000 // unit_us).map(lambda number: number * unit_us)
    return st.lists(st.tuples(moments, durations), min_size=1, max_size=40).map(sorted)


messages = lists_of(1) | lists_of(1_000_000)


@settings(max_examples=60, deadline=None)
@given(messages=messages, workers=st.integers(1, 5))
def test_every_message_waits_and_ends_as_in_the_ledger(messages: list[Message], workers: int) -> None:
    scenario = Scenario(processes=workers, grace_seconds=60, hpa=None, start_replicas=1)
    compare(simulate(scenario, chunk(messages)), keep_ledger(messages, workers))


@pytest.mark.parametrize("seed", range(8))
def test_every_instant_accounts_for_every_message(on_backlog: Scenario, seed: int) -> None:
    """In = done + waiting + in flight + on its way back, at every sync: with crashes, workers that are made anew, pods
    that come and go, and a grace period that cuts messages off."""
    rough = replace(
        on_backlog,
        grace_seconds=2 + seed,
        crashes_per_worker_hour=2.0,
        message_limit=20,
        worker_boot_seconds=1.0,
        redelivery_seconds=20.0,
        seed=seed,
    )
    arrived = [at for chunk in poisson_load(seed, 7.5, 3.0, 4_000) for at in chunk[0]]
    result = simulate(rough, poisson_load(seed, 7.5, 3.0, 4_000))
    for row in result.rows:
        come = bisect_left(arrived, row.seconds * 1_000_000)
        assert row.done + row.waiting + row.in_flight + row.returning == come, f"after {row.seconds} s"
    assert result.crashed, "this test has not seen a crash"
    assert result.left == 0
    assert result.waits.count == len(arrived), "each message has one wait, however often it was begun"


def test_a_worker_that_is_made_anew_holds_nothing_and_is_not_cut_off(on_backlog: Scenario) -> None:
    """Boots of 60 s and messages of 10 ms: whoever counted a boot as a message would see dozens in flight, and a grace
    period of 5 s would kill them."""
    slow_boots = replace(on_backlog, grace_seconds=5, message_limit=5, worker_boot_seconds=60.0)
    random = Random(1)
    load = sorted((random.randrange(900_000_000), 10_000) for _ in range(2_000))
    result = simulate(slow_boots, chunk(load))
    assert result.drains, "this test has not seen a pod go"
    assert max(row.in_flight for row in result.rows) <= 3
    assert result.cut_off == 0
    assert all(drain.took_seconds < 0.1 for drain in result.drains), "a drain waits for a worker that only boots"
