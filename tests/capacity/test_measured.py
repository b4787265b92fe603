"""What was measured takes the place of defaults, and a result says which is which."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.capacity.conftest import CONSUMER, stack_of

from ebbtide.capacity.measured import Measured
from ebbtide.capacity.model import NodeTimes, PodTimes, Scenario
from ebbtide.capacity.runs import LoadSource, Run
from ebbtide.cli.simulate_inputs import read_measured
from ebbtide.judgement.findings import SettingsError

SCENARIO = Scenario(4, 30, None, 1)
CPU = {**CONSUMER["autoscaling"], "metrics": [{"kind": "cpu", "targetUtilization": 60}]}


def test_every_measured_value_takes_the_place_of_a_default() -> None:
    values = {name: 7 for name in Measured.model_fields if name not in {"metric_lag_seconds", "deletion_cost"}}
    all_of_them = Measured(**values, metric_lag_seconds={"cpu": 9.0}, deletion_cost="messagesInHand")
    found = all_of_them.apply(SCENARIO)
    assert found.pod == PodTimes(7, 7, 7, 7)
    assert found.node == NodeTimes(7, 7, 7, 7)
    assert (found.memory_bytes, found.warm_up_seconds) == (7 * 2**20, 7)
    own = (found.worker_boot_seconds, found.crashes_per_worker_hour, found.cpu_idle_millicores)
    assert (*own, found.cpu_busy_millicores, found.cpu_window_seconds) == (7, 7, 7, 7, 7)
    assert (found.metric_lags, found.deletion_cost) == ((("cpu", 9.0),), "messagesInHand")


def test_nothing_measured_changes_nothing() -> None:
    assert Measured().apply(SCENARIO) == SCENARIO


def test_what_is_given_stands_over_what_is_committed() -> None:
    committed = Measured(boot_seconds=3, ready_seconds=5, metric_lag_seconds={"cpu": 30, "queue": 60})
    given = Measured(boot_seconds=12, metric_lag_seconds={"queue": 90})
    both = Measured(boot_seconds=12, ready_seconds=5, metric_lag_seconds={"cpu": 30, "queue": 90})
    assert given.over(committed) == both


def test_a_result_says_what_was_measured_and_what_was_not(tmp_path: Path) -> None:
    profile = (
        "messagesPerDay: 100\ndurations: {p50: 2s, max: 20s}\nmeasured: {bootSeconds: 12, crashesPerWorkerHour: 1}\n"
    )
    (tmp_path / "mail.yaml").write_text(profile)
    load = LoadSource(tmp_path / "mail.yaml", measured=Measured(metric_lag_seconds={"cpu": 45}))
    stack = stack_of(autoscaling=CPU, resources={"cpu": {"request": "100m"}})
    rows = {row.what: (row.value, row.source) for row in Run(stack, "mail", load).assumptions()}
    assert rows["from a container's start to its first message"] == ("12s", "measured")
    assert rows["what the autoscaler sees of cpu is old by"] == ("45s", "measured")
    assert rows["a worker dies"] == ("1 times an hour", "measured")
    assert rows["from there to Ready"] == ("10s", "default")
    assert rows["CPU is a rate over the last"] == ("15s; a new pod has none before", "default")


def test_values_are_given_by_the_names_of_the_profile() -> None:
    given = read_measured(["bootSeconds=12.5", "metricLagSeconds.cpu=60", "metricLagSeconds.queue=5", "podsPerNode=3"])
    assert given == Measured(boot_seconds=12.5, pods_per_node=3, metric_lag_seconds={"cpu": 60.0, "queue": 5.0})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["bootSeconds"], "is no name and value (got 'bootSeconds'); write bootSeconds=12"),
        (["botSeconds=3"], "did you mean bootSeconds?"),
        (["bootSeconds=soon"], "bootSeconds"),
        (["bootSeconds=-1"], "bootSeconds"),
        (["bootSeconds=true"], "bootSeconds"),
        (["bootSeconds=.nan"], ".nan is no number"),
        (["bootSeconds=["], "is not YAML"),
        (["metricLagSeconds=5"], "metricLagSeconds"),
        (["metricLagSeconds.cpu=late"], "metricLagSeconds.cpu"),
        (["deletionCost=all"], "deletionCost"),
        (["cpuWindowSeconds=0"], "cpuWindowSeconds"),
        (["podsPerNode=0", "readySeconds=x"], "readySeconds"),
    ],
)
def test_a_value_that_cannot_be_measured_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_measured(given)
    assert said in str(error.value)
    assert "--measured" in str(error.value)
