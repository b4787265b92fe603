"""A scenario is what the settings say, what they do not say is listed as a default, and the rest is refused."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from tests.capacity.conftest import CONSUMER, even_load, stack_of
from tests.strategies import valid_stacks

from ebbtide.capacity.from_settings import build_scenario, list_assumptions
from ebbtide.capacity.hpa.release import Release
from ebbtide.capacity.measured import Measured
from ebbtide.capacity.model import NodeTimes, PodTimes, Scenario
from ebbtide.capacity.simulation import simulate
from ebbtide.explain.scaling import build_scaling_limits
from ebbtide.judgement.findings import SettingsError
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR, OLDEST_KNOWN_MINOR
from ebbtide.settings.rules.check import check_stack

_BACKLOG = {"mail_backlog": "backlog"}
_HPA = CONSUMER["autoscaling"]
_BIG = {"resources": {"cpu": {"request": "490m"}, "memory": {"request": "6500Mi"}}}


def _scenario(stack, signals=None, seed=1):
    return build_scenario(stack, stack.consumers["mail"], _BACKLOG if signals is None else signals, seed)


def _metrics(*metrics):
    return {"autoscaling": {**_HPA, "metrics": list(metrics)}}


def test_a_scenario_is_what_the_settings_say():
    worker = {**CONSUMER["worker"], "messageLimit": 100}
    redis = {"kind": "redis", "redeliverTimeout": "2m", "claimInterval": "15s"}
    stack = stack_of(worker=worker, transport=redis, **_BIG)
    scenario = _scenario(stack, seed=7)
    assert scenario.processes == 4
    # 20 s for the longest message, and 10 + 5 + 15 s around it.
    assert scenario.grace_seconds == 50
    assert scenario.start_replicas == 1
    assert scenario.cpu_request_millicores == 490
    assert scenario.memory_request_bytes == 6500 * 1024**2
    assert scenario.message_limit == 100
    assert scenario.redelivery_seconds == 135
    assert scenario.signals == (("mail_backlog", "backlog"),)
    assert scenario.seed == 7
    assert scenario.hpa is not None
    assert (scenario.hpa.min_replicas, scenario.hpa.max_replicas) == (1, 4)
    assert [(metric.name, metric.target) for metric in scenario.hpa.metrics] == [("mail_backlog", 8000)]


def test_what_the_settings_do_not_say_is_a_default_of_the_model():
    scenario = _scenario(stack_of())
    assert scenario.pod == PodTimes()
    assert scenario.node == NodeTimes()
    assert scenario.message_limit == 0
    assert scenario.redelivery_seconds == Scenario.__dataclass_fields__["redelivery_seconds"].default


def test_a_fixed_number_of_pods_has_no_autoscaler():
    scenario = _scenario(stack_of(autoscaling={"kind": "fixed", "replicas": 3}), {})
    assert (scenario.hpa, scenario.start_replicas) == (None, 3)


@pytest.mark.parametrize(("version", "minor"), [("1.27", 27), ("1.34", 34), ("1.36", 36)])
def test_the_controller_is_the_clusters_own(version, minor):
    scenario = _scenario(stack_of({"kind": "gkeStandard", "kubernetesVersion": version}))
    assert scenario.hpa is not None
    assert scenario.hpa.release.minor == minor


@pytest.mark.parametrize("minor", [0, 24, 25, 37, 38, 99])
def test_a_version_that_nobody_has_read_is_simulated_as_the_nearest_and_said(minor):
    stack = stack_of({"kind": "gkeStandard", "kubernetesVersion": f"1.{minor}"})
    known = min(max(minor, OLDEST_KNOWN_MINOR), NEWEST_KNOWN_MINOR)
    assert _scenario(stack).hpa.release == Release.of(known)
    assert build_scaling_limits(stack, stack.consumers["mail"]) is not None, "explain and preview show these"
    said = any(finding.rule == "K-02" for finding in check_stack(stack))
    assert said == (minor != known), "the rule and the controller know different versions"


@pytest.mark.parametrize(
    ("machine", "cpu", "memory", "pods"),
    [
        # 3920m of 4 cores and 13.3 GiB of 16 are left to pods: eight by CPU, two by memory.
        ("e2-standard-4", "490m", "6500Mi", 2),
        ("e2-standard-4", "1500m", "1Gi", 2),
        ("e2-standard-4", "3920m", "1Gi", 1),
        # 118.7 GiB of 128, less 100 MiB: 18.7 pods.
        ("e2-highmem-16", "490m", "6500Mi", 18),
        ("e2-custom-4-8192", "490m", "6500Mi", NodeTimes().pods_per_node),
        (None, "490m", "6500Mi", NodeTimes().pods_per_node),
    ],
    ids=["by memory", "by CPU", "exactly one", "many", "a machine of no known size", "machines of Google's choice"],
)
def test_a_node_holds_as_many_pods_as_its_machine_has_room_for(machine, cpu, memory, pods):
    standard = {"kind": "gkeStandard", "nodePools": {"a": {"machineType": machine}}}
    resources = {"cpu": {"request": cpu}, "memory": {"request": memory}}
    stack = stack_of(standard if machine else {"kind": "gkeAutopilot"}, resources=resources)
    scenario = _scenario(stack)
    assert scenario.node.pods_per_node == pods
    source = {row.what: row.source for row in list_assumptions(stack, stack.consumers["mail"], scenario)}
    known = machine is not None and "custom" not in machine
    assert source["pods on a node"] == ("settings" if known else "default")


# Autoscalers that no load drives.

_PODS = {"kind": "pods", "metric": "busy", "targetAverageValue": 3}
_EXTERNAL = {"kind": "external", "metric": "orders", "targetAverageValue": 8}
_OBJECT = {
    "kind": "object", "metric": "depth", "targetValue": 8,
    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "broker"},
}  # fmt: skip
_MEMORY = {"kind": "memory", "targetAverageValue": "500Mi"}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ([_PODS], ["metrics[0]: scales on busy, which a load says nothing about"]),
        ([_EXTERNAL], ["metrics[0]: scales on orders, and the load does not say what it measures"]),
        ([_OBJECT], ["metrics[0]: scales on depth, and the load does not say what it measures"]),
        (
            [_MEMORY],
            ["metrics[0]: scales on memory, which does not follow from a load", "metrics: scales on memory alone"],
        ),
        ([_MEMORY, _HPA["metrics"][0]], ["metrics[0]: scales on memory, which does not follow from a load"]),
        ([_HPA["metrics"][0], _PODS, _EXTERNAL], ["metrics[1]: scales on busy", "metrics[2]: scales on orders"]),
    ],
    ids=["pods", "external", "object", "memory alone", "memory beside another", "all at once"],
)
def test_an_autoscaler_that_the_load_cannot_drive_is_refused_with_every_reason(metrics, said):
    with pytest.raises(SettingsError) as error:
        _scenario(stack_of(**_metrics(*metrics)))
    lines = str(error.value).splitlines()
    assert len(lines) == len(said)
    assert [text for text, line in zip(said, lines, strict=True) if text not in line] == []
    assert [line for line in lines if not line.startswith("consumers.mail.autoscaling.")] == []
    assert all(finding.remedy for finding in error.value.findings)


@pytest.mark.parametrize(
    ("metrics", "signals"),
    [
        ([_EXTERNAL], {"orders": "backlog"}),
        ([_OBJECT], {"depth": "backlogAndInFlight"}),
        ([{"kind": "cpu", "targetAverageValue": "100m"}], {}),
    ],
    ids=["external", "object", "cpu"],
)
def test_an_autoscaler_that_the_load_drives_is_simulated(metrics, signals):
    scenario = _scenario(stack_of(**_metrics(*metrics)), signals)
    assert scenario.hpa is not None
    assert len(scenario.hpa.metrics) == len(metrics)


def test_memory_is_simulated_as_what_was_measured_of_a_pod_and_said():
    stack = stack_of(**_metrics(_MEMORY, _HPA["metrics"][0]))
    measured = Measured(memory_mebibytes=450)
    scenario = build_scenario(stack, stack.consumers["mail"], _BACKLOG, measured=measured)
    rows = {row.what: row for row in list_assumptions(stack, stack.consumers["mail"], scenario, measured)}
    assert rows["memory of one pod"].value == "450Mi, whatever its load"
    assert rows["memory of one pod"].source == "measured"
    # 450 of 500 MiB on every pod: within the tolerance, and no reason for more pods.
    result = simulate(scenario, even_load(1, 1, 300))
    assert {row.replicas for row in result.rows} == {1}
    assert "memory is at 0.90 of its target of 524288000 and asks for 1" in result.rows[-1].reason


@pytest.mark.parametrize(("least", "start"), [(0, 1), (1, 1), (3, 3)])
def test_a_consumer_that_may_have_no_pods_begins_with_one(least, start):
    """At zero the controller is paused unless it went there itself, and a Deployment begins with one."""
    stack = stack_of({"kind": "gkeStandard", "kubernetesVersion": "1.37"}, autoscaling={**_HPA, "minReplicas": least})
    assert _scenario(stack).start_replicas == start


# Assumptions.


def _listed(stack, signals=None):
    return {row.what: row for row in list_assumptions(stack, stack.consumers["mail"], _scenario(stack, signals))}


def test_every_number_of_the_model_is_listed_with_where_it_came_from():
    rows = _listed(stack_of())
    assert {what: row.value for what, row in rows.items() if row.source == "settings"} == {
        "workers in a pod": "4",
        "grace period": "50s",
    }
    assert {what: row.value for what, row in rows.items() if row.source == "load"} == {
        "metric mail_backlog measures": "waiting messages"
    }
    assert rows["pulling the image takes"].value == "2s, on a new node 20s"
    assert rows["a new node takes"].value == "120s; it goes after 600s without pods"
    assert rows["a killed message can be taken again after"].source == "default", "nobody said which broker it is"


def test_a_broker_that_is_known_is_no_default():
    row = _listed(stack_of(transport={"kind": "rabbitmq"}))["a killed message can be taken again after"]
    assert (row.value, row.source) == ("0s", "settings")


def test_what_a_worker_takes_of_the_cpu_is_listed_where_it_counts():
    assert "CPU of one worker" not in _listed(stack_of())
    row = _listed(stack_of(**_metrics({"kind": "cpu", "targetAverageValue": "100m"})), {})["CPU of one worker"]
    assert (row.value, row.source) == ("0.32m idle, 0.11m with a message (it waits for others)", "default")


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(valid_stacks())
def test_settings_that_are_valid_become_a_scenario_or_a_refusal(stack):
    for consumer in stack.consumers.values():
        try:
            scenario = build_scenario(stack, consumer, {})
        except SettingsError:
            continue
        assert scenario.processes == consumer.worker.processes
        assert list_assumptions(stack, consumer, scenario)
