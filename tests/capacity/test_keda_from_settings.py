"""`autoscaling: {kind: keda}` simulates as the ScaledObject that is applied says, and what cannot be is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.capacity.conftest import even_load, stack_of

from ebbtide.capacity.from_settings import build_scenario, list_assumptions
from ebbtide.capacity.measured import Measured
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.simulation import simulate
from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.models.stack import StackSettings

REDIS = {
    "kind": "redis", "address": "redis.brokers:6379", "stream": "mail",
    "redeliverTimeout": "2m", "claimInterval": "15s",
}  # fmt: skip
RABBITMQ = {
    "kind": "rabbitmq", "address": "rabbitmq.brokers:15672", "queue": "mail",
    "username": {"secret": "mail-broker-v1", "key": "user"},
    "password": {"secret": "mail-broker-v1", "key": "password"},
}  # fmt: skip
PROMETHEUS = {
    "type": "prometheus",
    "metadata": {"serverAddress": "http://p:9090", "query": "q", "threshold": "4", "ignoreNullValues": "false"},
}


def stack(transport: dict[str, Any] | None = None, **autoscaling: Any) -> StackSettings:
    scaling = {"kind": "keda", "maxReplicas": 4, **autoscaling}
    return stack_of(transport=transport or REDIS, autoscaling=scaling)


def scenario(stack: StackSettings, signals: Any = None, measured: Measured | None = None) -> Scenario:
    return build_scenario(stack, stack.consumers["mail"], signals or {}, 1, measured or Measured())


def test_keda_is_simulated_as_its_manifest_says():
    found = scenario(stack(minReplicas=0, pollingInterval="5s", cooldown="2m"))
    assert found.keda is not None
    assert found.hpa == found.keda.hpa
    assert (found.keda.polling_seconds, found.keda.cooldown_seconds, found.keda.initial_cooldown_seconds) == (
        5,
        120,
        120,
    )
    assert (found.keda.min_replicas, found.start_replicas) == (0, 1)
    assert found.hpa is not None
    # Four workers a pod, a message for each.
    assert [(metric.name, metric.target) for metric in found.hpa.metrics] == [("composite-metric", 4000)]
    assert [trigger.counts for trigger in found.keda.triggers] == ["backlogAndInFlight", "delayed"]


def test_it_goes_to_zero_and_back_and_leaves_nothing():
    result = simulate(scenario(stack(minReplicas=0, cooldown="1m")), even_load(0.001, 4.0, 3))
    assert min(row.replicas for row in result.rows) == 0
    assert (result.left, result.done) == (0, 3)


def test_brokers_are_as_late_as_they_are():
    for transport, seconds in ((REDIS, 0.0), (RABBITMQ, 5.0)):
        found = scenario(stack(transport))
        assert found.keda is not None
        assert {trigger.age_seconds for trigger in found.keda.triggers} == {seconds}


@pytest.mark.parametrize(
    ("paused", "pods"), [({"paused": True}, 1), ({"paused": True, "minReplicas": 3}, 3), ({"pausedReplicas": 2}, 2)]
)
def test_what_is_paused_stands_still(paused, pods):
    found = scenario(stack(**paused))
    assert (found.hpa, found.keda, found.start_replicas) == (None, None, pods)
    assert {row.replicas for row in simulate(found, even_load(1, 1.0, 60)).rows} == {pods}


def test_several_queues_share_the_load_and_no_message_counts_twice():
    """Two streams whose lengths are added up: the pods are those for the messages there are."""
    both = simulate(scenario(stack({**REDIS, "stream": ["mail", "spam"]})), even_load(2.0, 4.0, 4_000))
    one = simulate(scenario(stack()), even_load(2.0, 4.0, 4_000))
    assert [row.replicas for row in both.rows] == [row.replicas for row in one.rows]


def test_a_trigger_that_the_simulator_does_not_know_is_refused_by_its_type():
    cron = {
        "type": "cron",
        "metadata": {"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "2"},
    }
    with pytest.raises(SettingsError) as error:
        scenario(stack(minReplicas=1, triggers=[cron]))
    assert "spec.triggers[0]: cannot be simulated: it knows triggers of type redis-streams" in str(error.value)


def test_a_query_of_ones_own_needs_a_word_of_what_it_counts():
    own = stack(minReplicas=1, triggers=[PROMETHEUS])
    with pytest.raises(SettingsError) as error:
        scenario(own)
    said = "the load does not say what it counts; write `signals: {s0-prometheus: backlogAndInFlight}` in the load"
    assert said in str(error.value)
    found = scenario(own, {"s0-prometheus": "backlogAndInFlight"})
    result = simulate(found, even_load(2.0, 4.0, 2_000))
    assert result.peak_replicas > 1
    assert result.left == 0


def test_memory_needs_a_word_of_how_much_it_is():
    memory = {"type": "memory", "metricType": "Utilization", "metadata": {"value": "80"}}
    both = stack(minReplicas=1, triggers=[{**PROMETHEUS, "name": "waiting"}, memory])
    with pytest.raises(SettingsError) as error:
        scenario(both, {"s0-prometheus": "backlog"})
    assert "--measured memoryMebibytes=900" in str(error.value)
    assert scenario(both, {"s0-prometheus": "backlog"}, Measured(memory_mebibytes=300)).keda is not None


def test_the_result_says_what_keda_counts_and_how_late_it_is():
    own = stack(RABBITMQ, minReplicas=0)
    found = scenario(own)
    rows = {row.what: (row.value, row.source) for row in list_assumptions(own, own.consumers["mail"], found)}
    assert rows["KEDA polls"] == ("every 10s; to 0 pods 300s after the last message", "settings")
    assert rows["trigger s0-rabbitmq-mail counts"] == ("messages that wait or are in flight", "settings")
    assert rows["what s0-rabbitmq-mail tells is old by"] == ("5s", "default")
    lagging = scenario(own, measured=Measured(metric_lag_seconds={"s0-rabbitmq-mail": 2}))
    rows = {row.what: (row.value, row.source) for row in list_assumptions(own, own.consumers["mail"], lagging)}
    assert rows["what s0-rabbitmq-mail tells is old by"] == ("2s", "measured")
    above = stack(minReplicas=1)
    rows = {
        row.what: (row.value, row.source) for row in list_assumptions(above, above.consumers["mail"], scenario(above))
    }
    assert rows["KEDA polls"][0] == "for nothing: above zero only its HPA decides"


def test_a_consumer_that_is_held_at_no_pod_is_refused_where_that_is_written():
    with pytest.raises(SettingsError) as refused:
        scenario(stack(pausedReplicas=0))
    (finding,) = refused.value.findings
    assert finding.path == ("consumers", "mail", "autoscaling", "pausedReplicas")
    assert "nothing is handled" in finding.message
    assert "one pod" not in f"{finding.message} {finding.remedy}"
