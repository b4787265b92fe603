"""Settings that passed, and what they did: each from a public report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import Level
from ebbtide.settings.loading.loader import read_stack
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

SQS = {"kind": "sqs", "visibilityTimeout": "70s"}
EXTERNAL = {"kind": "external", "metric": "backlog", "targetAverageValue": 30}
TO_ZERO = {"kind": "hpa", "minReplicas": 0, "maxReplicas": 5, "metrics": [EXTERNAL]}


def check(**changes: Any) -> dict[str, Any]:
    cluster = {"kind": "existing", "kubernetesVersion": "1.37"}
    stack = {"name": "dev", "cluster": cluster, "consumers": {"jobs": {**CONSUMER, **changes}}}
    return {finding.rule: finding for finding in check_stack(StackSettings.model_validate(stack))}


def worker(**changes: Any) -> dict[str, Any]:
    return {**CONSUMER["worker"], **changes}


def test_a_visibility_timeout_runs_for_every_message_that_a_worker_takes_at_once():
    with pytest.raises(ValidationError, match=r"9 messages that a worker takes at once.*10m30s"):
        check(transport=SQS, shutdown={"longestMessage": "60s"})
    assert check(transport={**SQS, "bufferSize": 1}, shutdown={"longestMessage": "60s"})
    assert check(transport={**SQS, "visibilityTimeout": "630s"}, shutdown={"longestMessage": "60s"})
    with pytest.raises(ValidationError, match="bufferSize: 1 here, or write 10m30s in both places"):
        check(transport={**SQS, "visibilityTimeout": "629s"}, shutdown={"longestMessage": "60s"})


def test_another_program_takes_as_many_as_it_likes_and_is_not_judged_by_symfonys_buffer():
    command = {"kind": "command", "command": ["/app/worker"]}
    assert check(transport=SQS, shutdown={"longestMessage": "60s"}, worker=command)


def test_a_schedule_in_many_workers_is_generated_by_each():
    many = worker(receivers=["async", "scheduler_packages"], processes=20)
    finding = check(worker=many, autoscaling={**TO_ZERO, "minReplicas": 2, "maxReplicas": 6})["V-39"]
    assert finding.level is Level.WARNING
    assert "40 to 120 times" in finding.message
    assert finding.path[-1] == 1
    two = check(
        worker=worker(receivers=["scheduler_packages"], processes=2), autoscaling={"kind": "fixed", "replicas": 1}
    )
    assert "which each worker generates: 2 times here" in two["V-39"].message


SCHEDULE = {"kind": "symfonyMessenger", "receivers": ["scheduler_packages"], "processes": 1}


def test_a_schedule_in_one_pod_overlaps_its_successor_unless_it_is_a_singleton():
    assert (
        "overlaps the next one" in check(worker=SCHEDULE, autoscaling={"kind": "fixed", "replicas": 1})["V-39"].message
    )
    assert "V-39" not in check(worker=SCHEDULE, autoscaling={"kind": "singleton"})


def test_a_singleton_with_two_processes_is_two_workers():
    with pytest.raises(ValidationError, match=r"are 2, and singleton is for one worker at a time"):
        check(worker={**SCHEDULE, "processes": 2}, autoscaling={"kind": "singleton"})


RABBIT = {"kind": "rabbitmq"}


def test_rabbitmq_without_retries_and_failure_transport_removes_the_message_of_a_killed_worker():
    with pytest.raises(ValidationError, match=r"a message whose worker is killed is removed"):
        check(transport={**RABBIT, "maxRetries": 0})
    assert "V-51" not in check(transport={**RABBIT, "maxRetries": 0, "failureTransport": True})
    assert "one of 3 retries" in check(transport=RABBIT)["V-51a"].message
    assert "V-51a" not in check(transport={**RABBIT, "failureTransport": True})
    command = {"kind": "command", "command": ["/app/worker"]}
    assert not {"V-51", "V-51a"} & set(check(transport={**RABBIT, "maxRetries": 0}, worker=command))


def test_a_worker_that_fetches_several_needs_a_timeout_for_all_of_them():
    redis = {"kind": "redis", "redeliverTimeout": "90s", "claimInterval": "5s"}
    with pytest.raises(
        ValidationError, match=r"runs for the 4 messages .* at once; take --fetch-size out of arguments"
    ):
        check(transport=redis, worker=worker(arguments=["--fetch-size=4"]), shutdown={"longestMessage": "60s"})
    assert check(transport=redis, worker=worker(arguments=["--fetch-size=1"]), shutdown={"longestMessage": "60s"})


def test_messages_in_child_processes_are_said_to_be_not_judged():
    assert "is not judged" in check(worker=worker(arguments=["--concurrency=4"]))["V-52"].message


def test_recovery_waits_as_long_as_the_setting_says():
    """It took a message of 50 s at 35 s, while it was handled, although redeliverTimeout said 90 s; ten times over."""
    redis = {"kind": "redis", "redeliverTimeout": "90s", "claimInterval": "5s", "recover": True}
    consumer = {**CONSUMER, "transport": redis, "shutdown": {"longestMessage": "25s"}}
    stack = {"name": "dev", "cluster": {"kind": "existing"}, "consumers": {"jobs": consumer}}
    jobs = StackSettings.model_validate(stack).consumers["jobs"]
    assert jobs.image_environment["EBBTIDE_RECOVER_AFTER_SECONDS"] == "90"


def test_at_zero_pods_nobody_moves_what_redis_delays():
    redis = {"kind": "redis", "redeliverTimeout": "90s", "claimInterval": "5s"}
    assert check(autoscaling=TO_ZERO, transport=redis)["V-36"].level is Level.WARNING
    assert "V-36" not in check(autoscaling={**TO_ZERO, "minReplicas": 1}, transport=redis)
    assert "V-36" not in check(autoscaling=TO_ZERO, transport={"kind": "rabbitmq"})
    switched_off = {"kind": "fixed", "replicas": 0}
    assert "V-36" not in check(autoscaling=switched_off, transport=redis), "nobody expects them to be handled"


def test_a_memory_limit_below_what_all_processes_may_use_is_said():
    little = check(worker=worker(processes=70, memoryLimit="150M"), resources={"memory": {"limit": "8960Mi"}})
    assert "or the pod with every message in flight" in little["V-28b"].message
    assert "V-28b" not in check()


@pytest.mark.parametrize(
    ("start", "memory", "is_said"),
    [
        ("fork", {"measured": {"shared": "66Mi", "process": "3Mi"}}, True),
        ("auto", {"measured": {"shared": "66Mi", "process": "3Mi"}}, True),
        ("exec", {"measured": {"shared": "66Mi", "process": "11Mi"}}, False),
        ("fork", {}, False),
    ],
    ids=["measured and forked", "measured and perhaps forked", "measured and booted", "forked and at its limits"],
)
def test_a_request_that_only_forked_workers_keep_is_said(start, memory, is_said):
    found = check(worker=worker(processes=70, start=start), resources={"memory": memory})
    assert ("V-28c" in found) == is_said, "an image that must not fork takes more than the node has set aside"


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "8000::/1", "64.0.0.0/2"])
def test_egress_to_everything_is_said(cidr):
    assert check(network={"egress": [{"cidr": cidr, "ports": [6379]}]})["N-04"].path[-1] == "cidr"


def test_every_receiver_can_be_consumed():
    assert check(worker=worker(receivers=[], arguments=["--all"]))
    with pytest.raises(ValidationError, match="has 0 entries"):
        check(worker=worker(receivers=[]))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2026-11-28 00:00:00 +0000 UTC", '"2026-11-28"'),
        ("2026-11-28 12:00:00.5 -0700 -0700", '"2026-11-28T12:00:00.5-07:00"'),
        ("2026-11-28 12:00:00 +0000 UTC", '"2026-11-28T12:00:00Z"'),
    ],
)
@pytest.mark.parametrize("setting", ["environment", "arguments"])
def test_a_date_without_quotes_does_not_reach_a_pod_as_a_moment(setting, value, written):
    given = {"environment": {"RELEASE": value}, "arguments": {"worker": worker(arguments=[value])}}
    with pytest.raises(ValidationError, match=re.escape(f"write it in quotes, as it is meant: {written}")):
        check(**(given["arguments"] if setting == "arguments" else {"environment": given["environment"]}))


def test_a_date_in_quotes_is_text():
    assert check(environment={"RELEASE": "2026-11-28", "NOTE": "since 2026-11-28 00:00:00 +0000 UTC"})


def test_an_imported_environment_is_a_note_and_values_of_its_own_are_refused(tmp_path: Path):
    stack = tmp_path / "Pulumi.dev.yaml"
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    config = "config:\n  ebbtide:cluster: {kind: gkeAutopilot}\n  gcp:project: acme-dev\n  gcp:region: europe-west1\n"
    stack.write_text(f"environment:\n  - shop/google-login\n{config}")
    (note,) = read_stack("dev", tmp_path).notes
    assert (note.rule, note.level, note.source) == ("E-03", Level.INFO, "Pulumi.dev.yaml")
    assert "shop/google-login" in note.message
    accepted = config + '  ebbtide:accept: {E-03: "the login only"}\n'
    stack.write_text(f"environment:\n  - shop/google-login\n{accepted}")
    loaded = read_stack("dev", tmp_path)
    found = {finding.rule: finding.accepted for finding in check_stack(loaded.settings, loaded.notes)}
    assert found["E-03"] == "the login only"
    assert "A-01" not in found
    stack.write_text(f"environment:\n  values: {{a: b}}\n{config}")
    with pytest.raises(ValueError, match="environment"):
        read_stack("dev", tmp_path)
