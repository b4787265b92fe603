"""What the autoscaler is fed, and what a run is charged for: its decisions are upstream's, so these make a result."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from tests.capacity.conftest import MICROSECONDS, even_load, poisson_load

from ebbtide.capacity.accelerator import AcceleratedKernel
from ebbtide.capacity.hpa import Behavior, HpaSpec, Metric, PodSamples, Release, ScalingPolicy, ScalingRules
from ebbtide.capacity.kernel import PureKernel
from ebbtide.capacity.model import NodeTimes, PodTimes, Scenario
from ebbtide.capacity.pods import Fleet
from ebbtide.capacity.signals import Metrics
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.trace import Chunk

CPU = Metric("Resource", "Utilization", 60, "cpu")
# A worker that computes: a whole core while it handles a message, and none in between.
COMPUTING = Scenario(
    processes=10,
    grace_seconds=60,
    hpa=HpaSpec(1, 20, (CPU,)),
    start_replicas=1,
    cpu_request_millicores=10_000,
    cpu_busy_millicores=1_000,
    cpu_idle_millicores=0,
)
EAGER = Behavior(scale_down=ScalingRules((ScalingPolicy("Percent", 100, 15),), stabilization_window_seconds=0))


def batches(every_seconds: float, size: int, seconds: float, count: int, phase: float = 0.0) -> list[Chunk]:
    """So many messages at once, and again after a while: what a clock sends."""
    moments = [round((phase + place * every_seconds) * MICROSECONDS) for place in range(count)]
    arrivals = array("q", (moment for moment in moments for _ in range(size)))
    return [(arrivals, array("q", [round(seconds * MICROSECONDS)] * len(arrivals)))]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, PodSamples]]:
    """What each sync of a CPU metric is told, with its time in seconds."""
    seen: list[tuple[int, PodSamples]] = []
    read = Metrics.read

    def and_note(self: Metrics, metric: Metric, fleet: Fleet, now: int) -> Any:
        found = read(self, metric, fleet, now)
        seen.append((now // MICROSECONDS, found))  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(Metrics, "read", and_note)
    return seen


@pytest.mark.parametrize("window", [15.0, 40.0])
@pytest.mark.parametrize("seconds", [0.2, 1.0, 1.03, 7.5, 15.0, 30.0, 200.0])
@pytest.mark.parametrize("phase", [0.0, 4.9, 14.99])
def test_cpu_is_the_load_in_erlang_however_long_messages_take(readings, seconds, phase, window) -> None:
    """Twenty at once in every second duration are 10 Erlang, whatever the syncs see of them at their own instants."""
    assert COMPUTING.hpa is not None
    pair = replace(COMPUTING, hpa=replace(COMPUTING.hpa, min_replicas=2, max_replicas=2), start_replicas=2)
    every, count = 2 * seconds, max(150, round(9_000 / seconds))
    simulate(replace(pair, cpu_window_seconds=window), batches(every, 20, seconds, min(count, 6_000), phase))
    end = every * min(count, 6_000)
    used = [found.ready_usage_milli / 1_000 for at, found in readings if 0.1 * end < at <= end]
    assert len(used) > 60, "too few syncs to tell"
    assert fmean(used) == pytest.approx(10, rel=0.02)


def test_cpu_is_the_rate_of_the_window_and_not_of_the_moment(readings) -> None:
    """Six workers that are busy for five seconds in each fifteen use two cores, at every sync."""
    for phase in range(0, 15, 2):
        readings.clear()
        simulate(COMPUTING, batches(15, 6, 5, 60, phase))
        assert {found.ready_usage_milli for at, found in readings if 60 < at < 800} == {2_000}, f"phase {phase}"


def test_a_load_that_ends_at_every_sync_is_seen() -> None:
    """20,000 messages of a second at one instant: at each sync every worker is just free, and all have been busy."""
    one_each = replace(COMPUTING, processes=1, cpu_request_millicores=490, cpu_busy_millicores=490)
    result = simulate(one_each, batches(1, 20_000, 1, 1))
    assert result.peak_replicas == 20
    assert (result.left, result.done) == (0, 20_000)


def test_messages_of_draining_pods_are_no_load_of_those_that_stay(readings) -> None:
    """Ten pods, of which five hold all messages; nine go. The one that stays is as busy as it is, by chance."""
    assert COMPUTING.hpa is not None
    wide = replace(
        COMPUTING, processes=4, grace_seconds=900, hpa=replace(COMPUTING.hpa, behavior=EAGER), start_replicas=10
    )
    seen = set()
    for seed in range(12):
        readings.clear()
        simulate(replace(wide, seed=seed, node=NodeTimes(pods_per_node=100)), batches(1, 20, 600, 1))
        seen |= {found.ready_usage_milli for at, found in readings if 120 < at < 500 and found.ready == 1}
    assert seen == {0, 4_000}


def _drained_often(seed: int) -> tuple[Scenario, Iterator[Chunk]]:
    """Pods that come and go all the time, with drains of many lengths, some cut off, some before they have begun."""
    metric = Metric("External", "AverageValue", 8_000, "queue")
    scenario = Scenario(
        processes=4,
        grace_seconds=45,
        hpa=HpaSpec(1, 12, (metric,), EAGER),
        start_replicas=1,
        signals=(("queue", "backlog"),),
        pod=PodTimes(boot_seconds=31.7),
        crashes_per_worker_hour=0.5,
        seed=seed,
    )
    return scenario, poisson_load(seed, 2.0, 17.0, 8_000)


@pytest.mark.parametrize("kernel", [PureKernel, AcceleratedKernel])
@pytest.mark.parametrize("warm_up", [0.0, 600.0])
def test_no_pod_is_busier_than_its_workers_whatever_happens_to_them(readings, warm_up, kernel) -> None:
    """With crashes, workers that are made anew, pods that are told to go and others that begin between two syncs."""
    scenario, load = _drained_often(1)
    assert scenario.hpa is not None
    rough = replace(
        scenario,
        hpa=replace(scenario.hpa, metrics=(CPU, *scenario.hpa.metrics)),
        cpu_busy_millicores=1_000,
        cpu_idle_millicores=0,
        cpu_request_millicores=100_000,
        message_limit=7,
        worker_boot_seconds=4.0,
        warm_up_seconds=warm_up,
    )
    simulate(rough, load, kernel())
    found = [(seen.ready_usage_milli, seen.ready) for _, seen in readings if isinstance(seen, PodSamples)]
    assert all(0 <= usage <= 4_000 * ready for usage, ready in found)
    assert sum(usage > 3_600 * ready for usage, ready in found) > len(found) / 10


@pytest.mark.parametrize("kernel", [PureKernel, AcceleratedKernel])
@pytest.mark.parametrize("warm_up", [0.0, 600.0])
@pytest.mark.parametrize("seed", range(3))
def test_pod_seconds_and_peaks_are_those_of_the_pods_themselves(monkeypatch, seed, warm_up, kernel) -> None:
    """Every pod from its creation to the end of its drain, to the microsecond."""
    created: dict[int, int] = {}
    gone: dict[int, int] = {}
    start, release = Fleet.start_pod, Fleet.release

    def note_start(self: Fleet, now: int, *, warm: bool = False) -> Any:
        pod = start(self, now, warm=warm)
        created[pod.number] = now
        return pod

    def note_end(self: Fleet, pod: Any, now: int) -> None:
        gone[pod.number] = now
        release(self, pod, now)

    monkeypatch.setattr(Fleet, "start_pod", note_start)
    monkeypatch.setattr(Fleet, "release", note_end)
    scenario, load = _drained_often(seed)
    result = simulate(replace(scenario, warm_up_seconds=warm_up), load, kernel())
    end = result.horizon_seconds * MICROSECONDS
    lives = [(max(0, born), max(0, gone.get(number, end))) for number, born in created.items()]
    assert result.pod_seconds == sum(until - born for born, until in lives) / MICROSECONDS
    moments = {born for born, until in lives if until > born}
    most = max(sum(born <= moment < until for born, until in lives) for moment in moments)
    assert result.peak_pods == most
    assert result.peak_pods >= max(row.replicas + row.draining for row in result.rows)
    assert result.drains, "this test has seen no drain"


@pytest.mark.parametrize("kernel", [PureKernel, AcceleratedKernel])
@pytest.mark.parametrize("seed", range(4))
def test_a_warm_up_leaves_every_message_with_one_wait(seed, kernel) -> None:
    scenario, load = _drained_often(seed)
    result = simulate(replace(scenario, warm_up_seconds=900.0, redelivery_seconds=20.0), load, kernel())
    assert result.carried, "this test has not seen what the warm-up leaves in flight"
    assert result.cut_off + result.crashed, "and none of it was killed"
    assert (result.messages, result.done, result.left) == (8_000, 8_000, 0)
    assert result.waits.count == 8_000
    assert sum(result.waits.linear) == 8_000
    assert min(result.waits.linear) == 0, "a wait was taken back that was never counted"


@pytest.mark.parametrize("phase", [0.0, 3.3, 7.0, 11.1, 14.9])
def test_where_the_first_sync_falls_does_not_matter(phase) -> None:
    """A clock sends 24 messages of five seconds every fifteen: 8 Erlang, so two pods of ten workers at 60 %. At the
    syncs' own instants it would be all of them or none."""
    result = simulate(COMPUTING, batches(15, 24, 5, 400, phase))
    steady = [row.replicas for row in result.rows if 600 < row.seconds < 5_900]
    assert set(steady) == {2}
    assert result.pod_seconds / result.horizon_seconds == pytest.approx(2, rel=0.1)


def test_figures_hold_no_cold_start_that_a_load_of_hours_has_not() -> None:
    """30 Erlang of four-worker pods, one pod for each four messages: eight or nine pods, once they are there. From one
    pod a backlog gathers first, which takes 40 for a while."""
    metric = Metric("External", "AverageValue", 4_000, "queue")
    scenario = Scenario(
        processes=4,
        grace_seconds=60,
        hpa=HpaSpec(1, 200, (metric,)),
        start_replicas=1,
        signals=(("queue", "backlogAndInFlight"),),
        node=NodeTimes(pods_per_node=1_000),
    )
    warm, cold = (
        simulate(replace(scenario, warm_up_seconds=seconds), poisson_load(1, 15, 2.0, 120_000))
        for seconds in (Scenario.__dataclass_fields__["warm_up_seconds"].default, 0.0)
    )
    assert cold.peak_replicas > 30
    assert warm.peak_replicas <= 15
    assert warm.waits.longest_us < cold.waits.longest_us / 4
    assert warm.messages == cold.messages == warm.done


def test_a_load_too_short_to_be_warm_begins_with_the_fewest_pods() -> None:
    scenario = replace(COMPUTING, warm_up_seconds=600.0)
    assert simulate(scenario, even_load(1, 8.0, 2_300)).rows[0].replicas == 1
    assert simulate(scenario, even_load(1, 8.0, 2_500)).rows[0].replicas == 2


# The end of a run.


def test_a_backlog_is_worked_off_and_nobody_s_wait_is_cut_short() -> None:
    one = Scenario(processes=1, grace_seconds=60, hpa=None, start_replicas=1)
    result = simulate(one, batches(1, 20_000, 1, 1))
    assert result.left == 0
    assert result.waits.quantile(0.5) == pytest.approx(9_999, rel=0.001)
    assert result.waits.longest_us == 19_999 * MICROSECONDS


@pytest.mark.parametrize("seed", range(3))
def test_a_run_ends_when_the_last_pod_has_gone_back_to_the_minimum(seed) -> None:
    scenario, load = _drained_often(seed)
    assert scenario.hpa is not None
    slow = replace(scenario, hpa=replace(scenario.hpa, behavior=None))
    last = simulate(slow, load).rows[-1]
    assert (last.replicas, last.draining, last.waiting, last.in_flight) == (1, 0, 0, 0)


def test_a_run_ends_though_the_autoscaler_stays_where_it_is() -> None:
    """Idle workers that use more than the target hold the maximum for ever."""
    restless = replace(COMPUTING, cpu_idle_millicores=900)
    result = simulate(restless, even_load(1, 1, 100))
    assert result.rows[-1].replicas == 20
    assert result.horizon_seconds < 3_600


def test_what_can_never_be_done_is_left_and_its_wait_counts_to_the_end() -> None:
    """Workers that die every few seconds, with messages of 200 s."""
    doomed = Scenario(processes=2, grace_seconds=60, hpa=None, start_replicas=1, crashes_per_worker_hour=2_000.0)
    result = simulate(doomed, batches(1, 10, 200, 1))
    assert result.left == 10
    assert result.done == 0
    assert result.waits.count == 10
    assert result.waits.longest_us == result.horizon_seconds * MICROSECONDS


# Zero.

TO_ZERO = Scenario(
    processes=4,
    grace_seconds=60,
    hpa=HpaSpec(0, 5, (Metric("External", "AverageValue", 4_000, "queue"),), release=Release.of(37)),
    start_replicas=1,
    signals=(("queue", "backlog"),),
)


def test_an_autoscaler_that_went_to_zero_itself_wakes() -> None:
    late = [(array("q", [0] * 8 + [2_000_000_000] * 8), array("q", [1_000_000] * 16))]
    result = simulate(TO_ZERO, late)
    assert {row.replicas for row in result.rows if 1_200 < row.seconds < 2_000} == {0}
    assert (result.left, result.rows[-1].replicas) == (0, 0)


def test_an_autoscaler_that_was_put_at_zero_is_paused_and_that_is_said() -> None:
    result = simulate(replace(TO_ZERO, start_replicas=0), batches(60, 5, 1, 10))
    assert {row.replicas for row in result.rows} == {0}
    assert "paused (ScalingDisabled)" in result.rows[0].reason
    assert (result.left, result.done) == (50, 0)
    assert result.horizon_seconds < 600, "nobody will come"
    assert result.waits.longest_us == result.horizon_seconds * MICROSECONDS
