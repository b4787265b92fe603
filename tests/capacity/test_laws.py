"""What queueing theory says, held against the simulation: whoever trusts its numbers relies on these."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import factorial, sqrt
from statistics import fmean, stdev

import pytest
from tests.capacity.conftest import even_load, poisson_load

from ebbtide.capacity.hpa import Metric
from ebbtide.capacity.model import Result, Scenario
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.trace import Chunk


def erlang_c(servers: int, load: float) -> float:
    """The share of messages that wait, for an offered load in Erlang (A. K. Erlang, 1917)."""
    own = load**servers / factorial(servers) * servers / (servers - load)
    return own / (sum(load**k / factorial(k) for k in range(servers)) + own)


@pytest.mark.slow
@pytest.mark.parametrize(("load", "seeds"), [(4.0, 16), (6.4, 16), (7.2, 40)])
def test_fixed_workers_wait_as_erlang_says(fixed: Scenario, load: float, seeds: int) -> None:
    """M/M/8 at 50, 80 and 90 %: within three standard errors over the seeds, and those errors are small."""
    mean_seconds, count = 2.0, 20_000
    waits = [
        simulate(fixed, poisson_load(seed, load / mean_seconds, mean_seconds, count)).waits.mean_seconds
        for seed in range(seeds)
    ]
    expected = erlang_c(8, load) * mean_seconds / (8 - load)
    error = stdev(waits) / sqrt(seeds)
    assert abs(fmean(waits) - expected) < 3 * error, f"mean wait {fmean(waits):.4f} s, Erlang says {expected:.4f} s"
    assert error < 0.06 * expected


@pytest.mark.slow
@pytest.mark.parametrize("load", [7.2, *(pytest.param(load, marks=pytest.mark.long) for load in (4.0, 6.4))])
def test_fixed_workers_wait_as_erlang_says_to_one_per_cent(fixed: Scenario, load: float) -> None:
    """The same with a standard error of at most 1 %."""
    mean_seconds, count, seeds = 2.0, 200_000, 120 if load > 7 else 40
    waits = [
        simulate(fixed, poisson_load(seed, load / mean_seconds, mean_seconds, count)).waits.mean_seconds
        for seed in range(seeds)
    ]
    expected = erlang_c(8, load) * mean_seconds / (8 - load)
    error = stdev(waits) / sqrt(seeds)
    assert error < 0.01 * expected
    assert abs(fmean(waits) - expected) < 3 * error


def test_messages_in_flight_follow_littles_law(fixed: Scenario) -> None:
    """L = lambda W for the workers: 2 a second of 1.5 s each keep 3 busy."""
    # A rate that has nothing in common with the syncs, which would otherwise always look at the same moment.
    result = simulate(fixed, even_load(1.9973, 1.502, 8_000))
    steady = result.rows[4:-4]
    assert fmean(row.in_flight for row in steady) == pytest.approx(3.0, rel=0.02)


def test_what_waits_or_is_in_flight_settles_at_pods_times_the_target(on_backlog: Scenario) -> None:
    """With a target of one message a worker, 20 busy workers are five pods of four, give or take the tolerance of
    10 %, and nothing swings: the sum never falls to zero while there is work (Little)."""
    assert on_backlog.hpa is not None
    one_each = replace(on_backlog.hpa, metrics=(Metric("External", "AverageValue", 4_000, "queue"),))
    both = replace(on_backlog, hpa=one_each, signals=(("queue", "backlogAndInFlight"),))
    steady = [row for row in simulate(both, even_load(9.97, 2.0, 60_000)).rows if 1_800 < row.seconds < 5_400]
    assert {row.replicas for row in steady} <= {5, 6}
    for row in steady:
        assert row.waiting + row.in_flight <= 1.1 * 4 * row.replicas, f"{row}: more than the target lets wait"


def test_a_target_on_waiting_messages_alone_swings_between_the_bounds(on_backlog: Scenario) -> None:
    """With enough workers nothing waits, so the metric says that nobody is needed: whoever scales on the backlog
    alone must know. That the simulation shows it is what it is for."""
    rows = [row for row in simulate(on_backlog, even_load(9.97, 2.0, 60_000)).rows if 1_800 < row.seconds < 5_400]
    assert {1, 10} <= {row.replicas for row in rows}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_appears_or_disappears_at_any_instant(on_backlog: Scenario, seed: int) -> None:
    """In = done + waiting + in flight, at every sync; with crashes, rotations and pods that are cut off."""
    rough = replace(
        on_backlog, grace_seconds=3, crashes_per_worker_hour=2.0, message_limit=50, redelivery_seconds=20, seed=seed
    )
    count = 6_000
    result = simulate(rough, poisson_load(seed, 8.0, 3.0, count))
    _conserved(result, count)
    assert result.crashed > 0, "this test has not seen what it is about"


def _conserved(result: Result, count: int) -> None:
    assert result.messages == count
    assert result.done + result.left == count
    assert result.left == 0
    assert result.waits.count == count, "each message has one wait, however often it was begun"
    assert all(row.waiting >= 0 and row.in_flight >= 0 for row in result.rows)


@pytest.mark.parametrize("seed", range(4))
def test_more_pods_allowed_never_make_messages_wait_longer(on_backlog: Scenario, seed: int) -> None:
    """Where what is in flight counts as well. On waiting messages alone there is an exception: a higher maximum empties
    the queue sooner, so the autoscaler is back at its minimum, and at its next swing, sooner too."""
    assert on_backlog.hpa is not None
    one_each = replace(on_backlog.hpa, metrics=(Metric("External", "AverageValue", 4_000, "queue"),))
    both = replace(on_backlog, signals=(("queue", "backlogAndInFlight"),), seed=seed)
    means = [
        simulate(
            replace(both, hpa=replace(one_each, max_replicas=most)), poisson_load(seed, 6.0, 2.0, 20_000)
        ).waits.mean_seconds
        for most in (2, 4, 6, 8, 12)
    ]
    for fewer, more in pairwise(means):
        assert more <= fewer * 1.02 + 0.02, f"mean waits by maxReplicas 2, 4, 6, 8, 12: {means}"


def test_a_grace_period_below_the_longest_message_cuts_off_and_one_above_does_not(on_backlog: Scenario) -> None:
    short = simulate(replace(on_backlog, grace_seconds=20), _waves())
    long = simulate(replace(on_backlog, grace_seconds=40), _waves())
    assert short.cut_off > 0, "a grace period of 20 s for messages of 30 s must kill"
    assert all(drain.took_seconds <= 20 for drain in short.drains), "no pod outlives its grace period"
    assert long.cut_off == 0, "a drain that has time for the longest message kills nothing"
    assert long.done == long.messages


@pytest.mark.parametrize("seconds", [12, 200])
def test_a_message_that_is_cut_off_waits_for_its_redelivery_and_takes_all_of_its_time_again(
    on_backlog: Scenario, seconds: int
) -> None:
    """Two workers, of which one goes at a known time: it has a second's work behind it and is given ten more."""
    two = replace(on_backlog, processes=1, start_replicas=2, grace_seconds=10, redelivery_seconds=25)
    going = simulate(two, even_load(0.1, 0.01, 60)).drains[0].seconds
    begun, length = going - 1, seconds * 1_000_000
    result = simulate(two, [(array("q", [begun * 1_000_000] * 2), array("q", [length] * 2))])
    assert (result.cut_off, result.done) == (1, 2)
    # Back 25 s after the kill, and then as long as ever, once the other worker is free. Whoever waits for it has waited
    # since it arrived; the other message found a free worker.
    again = max(going + 10 + 25, begun + seconds)
    assert result.waits.total_us == result.waits.longest_us == (again - begun) * 1_000_000
    assert [row.done for row in result.rows if row.seconds < again + seconds][-1] < 2, "is done too soon"
    assert next(row.seconds for row in result.rows if row.done == 2) < again + seconds + 15


def _waves() -> Iterator[Chunk]:
    """Half an hour of load, then a trickle of long messages while the autoscaler shrinks."""
    arrivals = [round(place * 1e6 / 12) for place in range(12 * 900)]
    begin = arrivals[-1]
    arrivals += [begin + round(place * 2e6) for place in range(600)]
    durations = [2_000_000] * (12 * 900) + [30_000_000] * 600
    yield array("q", arrivals), array("q", durations)


def test_the_same_seed_gives_the_same_result_and_another_one_another(on_backlog: Scenario) -> None:
    rough = replace(on_backlog, crashes_per_worker_hour=5.0)
    first, again, other = (simulate(replace(rough, seed=seed), poisson_load(1, 6.0, 2.0, 5_000)) for seed in (1, 1, 2))
    assert (first.rows, first.drains, first.waits.linear) == (again.rows, again.drains, again.waits.linear)
    assert first.rows != other.rows


def test_erlang_itself_is_right() -> None:
    """The reference of this file: C(1, rho) is rho, and a textbook value."""
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
