"""What the autoscaler sees is old, and of a new pod it sees nothing: both decide how late it reacts."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.capacity.conftest import even_load

from ebbtide.capacity.hpa import Metric
from ebbtide.capacity.hpa.spec import ControllerFlags
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.pods import Fleet
from ebbtide.capacity.signals import Metrics, State
from ebbtide.capacity.simulation import simulate

SECOND = 1_000_000
CPU = Metric("Resource", "Utilization", 60, "cpu")


def metrics_of(scenario: Scenario, *waiting: int) -> Metrics:
    """The states at 15 s, 30 s, ... with so many messages waiting."""
    metrics = Metrics(scenario, ControllerFlags())
    for place, count in enumerate(waiting, 1):
        metrics.record(State(15 * place * SECOND, count, 3, consuming=1))
    return metrics


def test_each_metric_is_as_old_as_its_source() -> None:
    scenario = Scenario(4, 30, None, 1, metric_lag_seconds=15, metric_lags=(("pubsub", 60.0),))
    metrics, fleet = metrics_of(scenario, 1, 2, 3, 4, 5), Fleet(scenario, Random(1))
    broker, cloud = (Metric("External", "AverageValue", 1_000, name) for name in ("broker", "pubsub"))
    assert metrics.read(broker, fleet, 75 * SECOND) == 4_000, "15 s old"
    assert metrics.read(cloud, fleet, 75 * SECOND) == 1_000, "60 s old"


def test_a_new_pod_has_no_cpu_sample_before_its_window_has_passed() -> None:
    """So the autoscaler takes it for idle while it scales up, instead of for a pod that works."""
    scenario = Scenario(4, 30, None, 1, metric_lag_seconds=0, cpu_window_seconds=15.0)
    fleet = Fleet(scenario, Random(1))
    fleet.start_pod(0, warm=True)
    made = fleet.start_pod(0)
    metrics = Metrics(scenario, ControllerFlags())
    # On a pod that is Ready only CPU initialization (5 min) and its sample's window decide.
    counted = {}
    for seconds in (15, 30, 45, 60, 330, 345):
        now = seconds * SECOND
        metrics.record(State(now, 0, 4, consuming=fleet.consuming(now)))
        fleet.settle(now, metrics.kept_us)
        found = metrics.read(CPU, fleet, now)
        counted[seconds] = (found.ready, found.unready + found.missing)
    assert counted[15] == (1, 1), f"ready at {made.ready_us / SECOND} s"
    assert counted[345] == (2, 0)
    assert list(counted.values()) == sorted(counted.values()), "a pod that counts does not stop to count"


def test_an_older_metric_makes_the_first_scale_up_later(on_backlog: Scenario) -> None:
    assert on_backlog.hpa is not None
    first = {}
    for lag in (0.0, 15.0, 60.0):
        rows = simulate(replace(on_backlog, metric_lags=(("queue", lag),)), even_load(9.97, 2.0, 6_000)).rows
        first[lag] = next(row.seconds for row in rows if row.replicas > 1)
    assert first[15.0] == first[0.0] + 15
    assert first[60.0] == first[0.0] + 60
