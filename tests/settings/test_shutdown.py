"""The shutdown budget is one ladder: every number of a shutdown comes from the longest message."""

from __future__ import annotations

import pytest
from tests.settings.conftest import CONSUMER

from ebbtide.settings.models.consumer import ConsumerSettings


def consumer(**changes):
    return ConsumerSettings.model_validate({"name": "githubevents", **CONSUMER, **changes})


@pytest.mark.parametrize(
    ("longest", "stop_wait", "deadline", "grace"),
    [("200s", 210, 215, 230), ("1s", 11, 16, 31), ("20s", 30, 35, 50), ("9m", 550, 555, 570)],
)
def test_every_rung_follows_from_the_longest_message(longest, stop_wait, deadline, grace):
    budget = consumer(shutdown={"longestMessage": longest}).shutdown_budget
    assert (budget.stop_wait_seconds, budget.drain_deadline_seconds, budget.grace_seconds) == (
        stop_wait,
        deadline,
        grace,
    )


def test_the_image_reads_the_same_numbers():
    subject = consumer(shutdown={"longestMessage": "200s"})
    environment = subject.image_environment
    assert environment["EBBTIDE_STOP_WAIT_SECONDS"] == "210"
    assert environment["EBBTIDE_DRAIN_DEADLINE_SECONDS"] == "215"
    assert environment["EBBTIDE_GRACE_SECONDS"] == "230"


def test_a_worker_that_is_not_told_to_stop_may_run_until_its_time_limit_and_finish_one_message():
    worker = {**CONSUMER["worker"], "drain": "stopFile", "timeLimit": "2m"}
    budget = consumer(worker=worker, shutdown={"longestMessage": "60s"}).shutdown_budget
    assert budget.stop_wait_seconds == 120 + 60 + 10, "killed earlier, it would lose its last message"


def test_memory_covers_every_process_at_its_own_limit():
    worker = {**CONSUMER["worker"], "memoryLimit": "150M", "start": "exec"}
    subject = consumer(worker=worker)
    # PHP's own limit is a third above messenger's; the supervisor and the memory volume come on top.
    assert subject.memory_limit_bytes == (70 * 200 + 36 + 64) * 1024**2
    assert subject.memory_request_bytes == subject.memory_limit_bytes


@pytest.mark.parametrize(
    ("start", "processes", "mebibytes"),
    [("fork", 70, 192), ("fork", 2, 192), ("auto", 70, 192), ("auto", 8, 192), ("auto", 7, 0)],
)
def test_processes_that_may_be_forked_get_room_for_what_they_share_besides_every_process_at_its_own_limit(
    start, processes, mebibytes
):
    """Growth up to the limit is as possible as without: above the container's limit the kernel kills all of them."""
    worker = {**CONSUMER["worker"], "processes": processes}
    may, booted = (consumer(worker={**worker, "start": way}) for way in (start, "exec"))
    assert may.memory_limit_bytes == booted.memory_limit_bytes + mebibytes * 1024**2


def test_processes_are_forked_where_that_is_proved_unless_a_stack_says_otherwise():
    assert consumer().worker.start == "auto"


def test_what_was_measured_is_what_a_pod_requests_and_never_where_it_is_killed():
    worker = {**CONSUMER["worker"], "start": "fork", "memoryLimit": "150M"}
    measured = {"shared": "100Mi", "process": "20Mi"}
    derived = consumer(worker=worker)
    subject = consumer(worker=worker, resources={"memory": {"measured": measured}})
    assert subject.memory_request_bytes == (100 + 70 * 20 + 36 + 64) * 1024**2
    assert subject.memory_limit_bytes == derived.memory_limit_bytes


def test_a_request_wins_over_what_was_measured():
    memory = {"measured": {"shared": "100Mi", "process": "20Mi"}, "request": "4Gi"}
    assert consumer(resources={"memory": memory}).memory_request_bytes == 4 * 1024**3


def test_every_limit_of_a_worker_is_an_option_that_is_checked_between_messages():
    limits = {"messageLimit": 100, "failureLimit": 5, "memoryLimit": "150M", "sleep": "2s"}
    worker = ConsumerSettings.model_validate(
        {**CONSUMER, "name": "events", "worker": {**CONSUMER["worker"], **limits}}
    ).worker
    options = {"--limit=100", "--failure-limit=5", "--memory-limit=150M", "--sleep=2"}
    assert options <= set(worker.argv)
    assert not any(argument.startswith("--time-limit") for argument in worker.argv), "the image spreads it (V-33)"


def test_the_command_has_a_message_limit_and_no_ambiguous_option():
    worker = {**CONSUMER["worker"], "messageLimit": 100, "memoryLimit": "150M", "arguments": ["--queues=high"]}
    assert consumer(worker=worker).worker.argv == (
        *("php", "bin/console", "messenger:consume", "githubevents", "--limit=100", "--memory-limit=150M"),
        *("--sleep=1", "--no-interaction", "--queues=high"),
    )
