"""A warning says what is measured, and what to do about it."""

from __future__ import annotations

import pytest
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import Level
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

CPU = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetUtilization": 60}]}


def found(**changes):
    stack = {"name": "dev", "cluster": {"kind": "existing"}, "consumers": {"githubevents": {**CONSUMER, **changes}}}
    return {
        (finding.rule, finding.level, finding.path[-1]): finding
        for finding in check_stack(StackSettings.model_validate(stack))
    }


def test_many_waiting_workers_on_a_cpu_target_get_a_warning_with_the_measurement():
    findings = found(autoscaling=CPU, resources={"cpu": {"request": "490m"}})
    finding = findings["V-16", Level.WARNING, 0]
    assert "70 idle ones used 22.5m" in finding.message
    assert "kind: external" in finding.remedy


def test_workers_that_compute_may_scale_on_cpu():
    findings = found(
        autoscaling=CPU, resources={"cpu": {"request": "4"}}, worker={**CONSUMER["worker"], "processes": 4}
    )
    assert not [rule for rule, *_ in findings if rule == "V-16"]


def cpu_for_each_pod(target, limit=None, processes=70):
    return {
        "autoscaling": {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetAverageValue": target}]},
        "resources": {"cpu": {"request": "490m", "limit": limit}},
        "worker": {**CONSUMER["worker"], "processes": processes},
    }


@pytest.mark.parametrize(
    ("target", "limit", "complaint"),
    [
        ("22m", None, "it always runs maxReplicas"),
        ("23m", None, ""),
        ("70", None, ""),
        ("70001m", None, "which can use at most 70: it never scales up; lower the target or the request"),
        ("4", "4", ""),
        (
            "4001m",
            "4",
            "which can use at most 4: it never scales up; lower the target or the request, or raise the CPU",
        ),
    ],
)
def test_a_cpu_target_for_each_pod_lies_between_idle_and_all_that_it_can_use(refuse, target, limit, complaint):
    if not complaint:
        assert found(**cpu_for_each_pod(target, limit))
        return
    changes = cpu_for_each_pod(target, limit)
    message = refuse({**changes, "autoscaling": {**changes["autoscaling"], "replicas": None}})
    assert "autoscaling.metrics[0]: asks for" in message
    assert complaint in message
    assert message.endswith("limit") == (limit is not None)


@pytest.mark.parametrize(("request_of_a_pod", "waits"), [("3499m", True), ("3500m", False)])
def test_seventy_processes_with_less_than_50m_each_are_said_to_wait(request_of_a_pod, waits):
    findings = found(autoscaling=CPU, resources={"cpu": {"request": request_of_a_pod}})
    assert (("V-16", Level.WARNING, 0) in findings) == waits


def test_memory_hardly_ever_falls():
    scaling = {**CPU, "metrics": [{"kind": "memory", "targetAverageValue": "1Gi"}]}
    assert ("V-16a", Level.WARNING, 0) in found(autoscaling=scaling)


@pytest.mark.parametrize(
    ("transport", "level"),
    [
        ({"kind": "redis"}, Level.WARNING),
        ({"kind": "doctrine"}, Level.WARNING),
        ({"kind": "doctrine", "redeliverTimeout": "2m"}, None),
        ({"kind": "rabbitmq"}, None),
    ],
)
def test_symfonys_defaults_leave_a_killed_message_for_an_hour(transport, level):
    findings = found(transport=transport)
    assert (("V-34a", Level.WARNING, "transport") in findings) == (level is Level.WARNING)


def test_redis_gives_killed_messages_back_one_at_a_time():
    findings = found(transport={"kind": "redis", "redeliverTimeout": "2m"}, shutdown={"longestMessage": "60s"})
    assert "1h10m" in findings["V-34c", Level.INFO, "recover"].message
    claimed = {"kind": "redis", "redeliverTimeout": "2m", "recover": True}
    assert ("V-34c", Level.INFO, "recover") not in found(transport=claimed)


COMMAND = {"kind": "command", "command": ["celery", "-A", "shop", "worker"], "processes": 8}
REDIS = {"kind": "redis", "redeliverTimeout": "2m"}


def test_recovery_of_symfonys_streams_is_not_recommended_to_other_workers():
    assert ("V-34c", Level.INFO, "recover") not in found(transport=REDIS, worker=COMMAND)


def test_recovery_of_symfonys_streams_is_refused_for_other_workers(refuse):
    message = refuse({"worker": {**COMMAND, "receivers": None}, "transport": {**REDIS, "recover": True}})
    assert "transport.recover" in message
    assert "the worker is a command" in message


def test_a_consumer_that_reaches_no_broker_is_told_so():
    assert ("N-02", Level.WARNING, "egress") in found()
    assert ("N-02", Level.WARNING, "egress") not in found(
        network={"egress": [{"cidr": "10.20.0.7/32", "ports": [6379]}]}
    )


def test_a_request_that_was_measured_is_not_doubted_and_one_below_it_is():
    def memory(**values):
        return "V-28" in {rule for rule, *_ in found(resources={"memory": values})}

    assert memory(request="2Gi"), "70 processes may use more, and nobody has looked"
    measured = {"shared": "100Mi", "process": "20Mi"}
    assert not memory(measured=measured)
    assert not memory(measured=measured, request="2Gi")
    assert memory(measured=measured, request="1Gi")
