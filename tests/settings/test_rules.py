"""A warning says what is measured, and what to do about it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import Level
from ebbtide.settings.models.consumer import ConsumerSettings
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


@pytest.mark.parametrize(("timeout", "is_late"), [("115s", False), ("116s", True)])
def test_a_killed_message_is_back_within_the_longest_message_and_a_minute(timeout, is_late):
    transport = {"kind": "redis", "redeliverTimeout": timeout, "claimInterval": "5s"}
    assert (("V-34a", Level.WARNING, "transport") in found(transport=transport)) == is_late


@pytest.mark.parametrize(("timeout", "is_refused"), [("24h", False), ("86401s", True)])
def test_the_image_claims_what_is_pending_for_at_most_a_day(refuse, timeout, is_refused):
    transport = {"kind": "redis", "redeliverTimeout": timeout, "recover": True}
    if is_refused:
        assert "transport.recover: claims messages that are pending for longer" in refuse({"transport": transport})
    else:
        assert ("V-34a", Level.WARNING, "transport") in found(transport=transport), "accepted, and late"


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


@pytest.mark.parametrize("below", [0, 1])
def test_a_memory_limit_holds_every_process_at_its_own_limit_and_one_below_it_is_said(below):
    """A mebibyte less, and the kernel may kill the pod with every message in flight."""
    mebibytes = 70 * 171 + 192 + 36 + 64
    findings = found(resources={"memory": {"limit": f"{mebibytes - below}Mi"}})
    assert (("V-28b", Level.WARNING, "limit") in findings) == bool(below)
    if below:
        finding = findings["V-28b", Level.WARNING, "limit"]
        assert finding.path == ("consumers", "githubevents", "resources", "memory", "limit")
        assert finding.remedy.endswith(f"at least {mebibytes}Mi")


WEEK_SECONDS = 7 * 24 * 3600


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_worker_that_is_not_told_to_stop_ends_within_a_week(beyond):
    worker = {**CONSUMER["worker"], "drain": "stopFile", "timeLimit": f"{WEEK_SECONDS - 60}s"}
    consumer = {**CONSUMER, "name": "mail", "worker": worker, "shutdown": {"longestMessage": f"{60 + beyond}s"}}
    if beyond:
        with pytest.raises(ValidationError, match=r"shutdown\.longestMessage: and the time limit of a worker"):
            ConsumerSettings.model_validate(consumer)
    else:
        assert ConsumerSettings.model_validate(consumer).finish_seconds == WEEK_SECONDS


@pytest.mark.parametrize(
    ("worker", "remedy"),
    [
        ({**CONSUMER["worker"], "timeLimit": None}, "write drain: signal, or set timeLimit"),
        ({"kind": "command", "command": ["work"]}, "write drain: signal"),
    ],
)
def test_a_time_limit_is_asked_for_only_of_a_worker_that_has_one(worker, remedy):
    with pytest.raises(ValidationError) as caught:
        ConsumerSettings.model_validate({**CONSUMER, "name": "mail", "worker": {**worker, "drain": "stopFile"}})
    (finding,) = caught.value.errors()[0]["ctx"]["findings"]
    assert (finding.rule, finding.path, finding.remedy) == ("V-24", ("worker", "drain"), remedy)
