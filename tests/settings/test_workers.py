"""Kinds of worker beside Symfony's: what a stack says becomes the right command, budget and triggers, and what would
lose or repeat a message is refused in one line."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from tests.settings.conftest import Project

from ebbtide.explain.scaling import scaling_values
from ebbtide.judgement.findings import Finding
from ebbtide.manifests.kubernetes import build_consumer
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import add_kind, forget_kind
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.models.worker import WorkerSettings
from ebbtide.settings.rules.check import check_stack

CELERY = {"kind": "celery", "app": "shop", "queues": ["mail"]}
CELERY_REDIS = {"kind": "celeryRedis", "visibilityTimeout": "250s", "queue": "mail"}
FIXED = {"kind": "fixed", "replicas": 2}
KEDA = {"kind": "keda", "maxReplicas": 5}
AT = {"address": "redis.brokers:6379"}


def stack_of(worker: dict[str, Any], transport: dict[str, Any] | None = None, **more: Any) -> StackSettings:
    of_transport = {} if transport is None else {"transport": transport}
    jobs = {"image": "registry.example/jobs:1", "worker": worker, "autoscaling": FIXED, **of_transport, **more}
    return StackSettings.model_validate({"name": "dev", "cluster": {"kind": "existing"}, "consumers": {"jobs": jobs}})


def consumer_of(worker: dict[str, Any], transport: dict[str, Any] | None = None, **more: Any) -> ConsumerSettings:
    return stack_of(worker, transport, **more).consumers["jobs"]


def found(worker: dict[str, Any], transport: dict[str, Any] | None = None, **more: Any) -> dict[str, Finding]:
    return {finding.rule: finding for finding in check_stack(stack_of(worker, transport, **more))}


def triggers_of(worker: dict[str, Any], transport: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The spec of the ScaledObject."""
    stack = stack_of(worker, transport, **{"autoscaling": KEDA, **more})
    built = [one for one in build_consumer(stack, stack.consumers["jobs"]) if one["kind"] == "ScaledObject"]
    return dict(built[0]["spec"])


@pytest.fixture
def refusal(project: Project):
    """What is said of a consumer that is refused: one line."""

    def run(worker: dict[str, Any], transport: dict[str, Any] | None = None, **more: Any) -> str:
        of_transport = {} if transport is None else {"transport": transport}
        jobs = {"image": "registry.example/jobs:1", "worker": worker, "autoscaling": FIXED, **of_transport, **more}
        project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"jobs": jobs}})
        (message,) = project.messages()
        return message

    return run


# --- Celery -----------------------------------------------------------------------------------------------------------


def test_celerys_command_takes_what_it_can_begin_acknowledges_late_and_gives_back_what_a_killed_child_had():
    argv = consumer_of({**CELERY, "concurrency": 4, "messageLimit": 100, "memoryLimit": "300M"}).worker.argv
    assert argv[:4] == ("celery", "-A", "shop", "worker")
    assert {"--queues=mail", "--pool=prefork", "--concurrency=4", "--prefetch-multiplier=1"} <= set(argv)
    assert {"--max-tasks-per-child=100", "--max-memory-per-child=307200"} <= set(argv)
    assert argv[argv.index("--") + 1 :] == ("task.acks_late=true", "task.reject_on_worker_lost=true")


def test_what_only_prefork_has_is_not_told_to_threads():
    argv = consumer_of({**CELERY, "pool": "threads", "concurrency": 4}).worker.argv
    assert not [word for word in argv if "per-child" in word]


def test_threads_are_messages_in_hand_and_no_processes():
    """Budget, memory, connections and triggers count what is handled at the same time."""
    consumer = consumer_of({**CELERY, "processes": 2, "concurrency": 8})
    assert (consumer.worker.processes, consumer.worker.slots) == (2, 16)
    assert consumer.worker.process_memory_bytes == 9 * 200 * 1024**2, "the parent has loaded the application too"
    assert consumer.worker.database_connections == 16
    assert consumer.worker.broker_connections == 20
    threads = consumer_of({**CELERY, "processes": 2, "pool": "threads", "concurrency": 8})
    assert threads.worker.process_memory_bytes == 200 * 1024**2
    assert consumer_of({**CELERY, "pool": "solo", "concurrency": 8}).worker.slots == 1


def test_keda_counts_what_waits_and_what_celerys_workers_have_in_hand():
    spec = triggers_of({**CELERY, "processes": 2, "concurrency": 8}, {**CELERY_REDIS, **AT})
    names = {trigger["metadata"]["listName"]: trigger["name"] for trigger in spec["triggers"]}
    assert names == {"mail": "waiting", "unacked": "in_hand"}
    assert spec["advanced"]["scalingModifiers"]["formula"] == "waiting + in_hand"
    assert spec["advanced"]["scalingModifiers"]["target"] == "16"


def test_the_visibility_timeout_is_the_workers_own():
    environment = consumer_of(CELERY, CELERY_REDIS).image_environment
    assert environment["EBBTIDE_VISIBILITY_TIMEOUT_SECONDS"] == "250"
    assert environment["EBBTIDE_WORKER_KIND"] == "celery"


def test_a_delayed_task_is_not_given_to_a_second_worker_while_the_first_waits_for_its_time(refusal):
    """Celery's own pause before a retry is 180 s: kombu gives what is unacknowledged for longer to another worker."""
    message = refusal(CELERY, {**CELERY_REDIS, "visibilityTimeout": "100s"})
    assert "visibilityTimeout: 100s is shorter than the longest delay, the longest message" in message
    assert message.endswith("set at least 250s")
    assert not found(CELERY, {**CELERY_REDIS, "visibilityTimeout": "80s", "longestDelay": "0s"}).get("V-34")


def test_a_right_celery_worker_is_without_a_finding_of_its_kind():
    egress = {"egress": [{"namespace": "brokers", "ports": [6379]}]}
    assert found(CELERY, CELERY_REDIS, network=egress) == {}


@pytest.mark.parametrize("transport", [{"kind": "redis"}, {"kind": "doctrine"}], ids=str)
def test_a_worker_reads_no_other_frameworks_messages(refusal, transport):
    message = refusal(CELERY, {**transport, "redeliverTimeout": "100s"})
    assert f"transport.kind: is {transport['kind']}, which holds messages of symfonyMessenger" in message
    assert "write celeryRedis, rabbitmq or sqs" in message


def test_symfony_reads_no_messages_of_celery(refusal):
    message = refusal({"kind": "symfonyMessenger", "receivers": ["a"]}, CELERY_REDIS)
    assert "which holds messages of celery, and the worker is a symfonyMessenger" in message


def test_a_command_may_read_celerys_queues():
    command = {"kind": "command", "command": ["celery", "-A", "shop", "worker", "--concurrency=1"]}
    assert "V-55" not in found(command, {**CELERY_REDIS, **AT}, autoscaling=KEDA)


SOLO = {"kind": "command", "command": ["celery", "-A", "shop", "worker", "--pool=solo"]}


@pytest.mark.parametrize(
    "worker", [{**CELERY, "pool": "solo"}, SOLO, {**SOLO, "command": ["celery", "worker", "-Psolo"]}], ids=str
)
def test_a_solo_pool_is_refused_where_rabbitmq_would_miss_its_heartbeats(refusal, worker):
    message = refusal(worker, {"kind": "rabbitmq"}, shutdown={"longestMessage": "2m"})
    assert "RabbitMQ misses its heartbeats" in message
    assert "V-56" not in found(worker, {"kind": "rabbitmq"}, shutdown={"longestMessage": "30s"})


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("-B", "make a consumer of kind celeryBeat"),
        ("--beat", "make a consumer of kind celeryBeat"),
        ("--detach", "no signal reaches"),
        ("--autoscale=10,1", "set concurrency"),
        ("-nworker1", "one name"),
        ("--prefetch-multiplier=4", "a worker takes what it can begin"),
        ("-c4", "remove it and set concurrency"),
        ("--queues=high", "remove it and set queues"),
        ("--", "follow it"),
    ],
)
def test_an_option_that_takes_from_the_drain_what_it_counts_on_is_refused(refusal, argument, words):
    message = refusal({**CELERY, "arguments": [argument]})
    assert "worker.arguments[0]: " in message
    assert words in message


def test_a_signal_that_celery_is_told_to_take_for_another_is_refused(refusal):
    assert "cold shutdown" in refusal(CELERY, environment={"REMAP_SIGTERM": "SIGQUIT"})


def test_queues_that_are_counted_and_not_consumed_are_said():
    counted = {**CELERY_REDIS, **AT, "queue": ["mail", "slow"]}
    assert "names slow, which the worker does not consume" in str(found(CELERY, counted, autoscaling=KEDA)["V-59"])
    consumed = {**CELERY, "queues": ["mail", "fast"]}
    uncounted = found(consumed, {**CELERY_REDIS, **AT}, autoscaling=KEDA)["V-59"]
    assert "does not name fast, which the worker consumes" in str(uncounted)
    assert "V-59" not in found(CELERY, {**CELERY_REDIS, **AT}, autoscaling=KEDA)


def test_an_application_calls_a_queue_of_sqs_as_it_likes():
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-mail"
    sqs = {"kind": "sqs", "queue": url, "region": "eu-west-1", "visibilityTimeout": "300s", "bufferSize": 1}
    assert "V-59" not in found(CELERY, sqs, autoscaling=KEDA)


def test_the_drop_to_zero_counts_connections_as_the_worker_does():
    consumer = consumer_of({"kind": "sidekiq"}, {"kind": "sidekiqRedis", **AT}, autoscaling={**KEDA, "minReplicas": 0})
    (drop,) = [budget for name, budget, _ in scaling_values(consumer.autoscaling, consumer) if name == "drop to zero"]
    assert drop == "5 pods at once, 5 processes and 50 broker connections"


def test_beat_is_one_also_while_it_is_replaced(refusal):
    beat = {"kind": "celeryBeat", "app": "shop"}
    assert "there must never be two" in refusal(beat)
    consumer = consumer_of(beat, autoscaling={"kind": "singleton"})
    assert consumer.worker.argv[:4] == ("celery", "-A", "shop", "beat")
    assert "--pidfile=" in consumer.worker.argv


# --- BullMQ -----------------------------------------------------------------------------------------------------------

BULLMQ = {"kind": "bullmq", "command": ["node", "worker.js"], "queues": ["mail"], "processes": 2, "concurrency": 5}
BULLMQ_REDIS = {"kind": "bullmqRedis", "queue": "mail"}


def test_keda_counts_what_waits_and_what_bullmq_has_in_hand_and_one_pod_comes_for_what_is_delayed():
    spec = triggers_of(BULLMQ, {**BULLMQ_REDIS, **AT, "prefix": "shop"})
    keys = {trigger["name"]: trigger["metadata"]["listName"] for trigger in spec["triggers"]}
    assert keys == {
        "waiting": "shop:mail:wait",
        "prioritized": "shop:mail:prioritized",
        "in_hand": "shop:mail:active",
        "delayed": "shop:mail:delayed",
    }
    modifiers = spec["advanced"]["scalingModifiers"]
    assert (modifiers["formula"], modifiers["target"]) == ("waiting + prioritized + in_hand + min(delayed, 1)", "10")
    one = triggers_of(BULLMQ, {**BULLMQ_REDIS, **AT}, autoscaling={**KEDA, "minReplicas": 1})
    assert one["advanced"]["scalingModifiers"]["formula"] == "waiting + prioritized + in_hand"


def test_the_program_is_told_how_many_jobs_budget_and_triggers_count():
    environment = consumer_of(BULLMQ, BULLMQ_REDIS).image_environment
    assert (environment["EBBTIDE_CONCURRENCY"], environment["EBBTIDE_PROCESSES"]) == ("5", "2")


def test_no_job_is_too_long_for_a_lock_that_its_worker_renews():
    assert "V-34" not in found(BULLMQ, BULLMQ_REDIS, shutdown={"longestMessage": "5m"})


def test_after_how_many_killed_workers_a_job_fails_for_good_is_said():
    assert "is 1: a job fails for good when 2 workers that had it were killed" in str(
        found(BULLMQ, BULLMQ_REDIS)["V-57a"]
    )


def test_a_job_that_outlives_its_workers_is_not_said_to_fail_and_what_uses_up_retries_is_said_once():
    assert "V-57a" not in found(SIDEKIQ, SIDEKIQ_REDIS), "whatever was killed, nothing counts"
    symfony = {"kind": "symfonyMessenger", "receivers": ["mail"]}
    rules = set(found(symfony, {"kind": "rabbitmq", "consumerTimeout": "30m"}))
    assert {"V-51a", "V-57a"} & rules == {"V-51a"}


def test_a_package_manager_before_the_program_is_refused(refusal):
    """npm runs it below `sh -c`: it is gone 0.2 s after SIGTERM, and the worker never heard of it (measured)."""
    message = refusal({**BULLMQ, "command": ["npm", "start"]}, BULLMQ_REDIS)
    assert "runs the worker under npm, which does not hand the stop signal on and wait" in message


def test_a_bullmq_worker_reads_its_own_keys(refusal):
    assert "write bullmqRedis" in refusal(BULLMQ, {"kind": "rabbitmq"} | CELERY_REDIS)


# --- Laravel ----------------------------------------------------------------------------------------------------------

LARAVEL = {"kind": "laravelQueue", "queues": ["mail", "default"], "processes": 20}
LARAVEL_REDIS = {"kind": "laravelRedis", "queue": ["mail", "default"], "prefix": "shop_database_"}


def test_laravels_timeout_follows_the_longest_message_and_its_memory_is_phps_with_room():
    consumer = consumer_of({**LARAVEL, "memoryLimit": "150M"}, LARAVEL_REDIS, shutdown={"longestMessage": "70s"})
    assert consumer.argv[:5] == ("php", "artisan", "queue:work", "redis", "--queue=mail,default")
    assert {"--timeout=75", "--memory=150", "--tries=3", "--max-time=3600"} <= set(consumer.argv)
    assert consumer.shutdown_budget.stop_wait_seconds > 75, "it ends itself before it is killed"
    assert consumer.image_environment["EBBTIDE_MEMORY_LIMIT_MEBIBYTES"] == "200"


def test_a_job_of_laravel_is_not_given_to_a_second_worker_while_it_is_handled(refusal):
    message = refusal(LARAVEL, LARAVEL_REDIS, shutdown={"longestMessage": "90s"})
    assert "retryAfter: 90s is shorter than the longest message" in message
    assert "set at least 100s, here and in the transport's options" in message


def test_keda_adds_what_waits_and_what_is_reserved_of_every_queue_of_laravel():
    spec = triggers_of(LARAVEL, {**LARAVEL_REDIS, **AT})
    keys = {trigger["name"]: trigger["metadata"]["listName"] for trigger in spec["triggers"]}
    assert keys["in_hand1"] == "shop_database_queues:mail:reserved"
    modifiers = spec["advanced"]["scalingModifiers"]
    assert modifiers["formula"] == "waiting1 + in_hand1 + waiting2 + in_hand2 + min(delayed1 + delayed2, 1)"
    assert modifiers["target"] == "20"


def test_one_try_is_used_up_by_a_killed_worker():
    assert "its job is failed for good" in str(found({**LARAVEL, "tries": 1}, LARAVEL_REDIS)["V-57"])
    assert "V-57" not in found(LARAVEL, LARAVEL_REDIS)


# --- Sidekiq ----------------------------------------------------------------------------------------------------------

SIDEKIQ = {"kind": "sidekiq", "queues": ["critical", "default"], "concurrency": 10}
SIDEKIQ_REDIS = {"kind": "sidekiqRedis", "queue": ["critical", "default"]}


def test_sidekiq_puts_back_what_is_not_done_before_it_is_killed():
    consumer = consumer_of(SIDEKIQ, SIDEKIQ_REDIS, shutdown={"longestMessage": "70s"})
    assert consumer.argv[:5] == ("bundle", "exec", "sidekiq", "--concurrency", "10")
    assert consumer.argv[-2:] == ("--timeout", "75")
    assert consumer.shutdown_budget.stop_wait_seconds > 75
    assert "V-25a" not in found(SIDEKIQ, SIDEKIQ_REDIS, shutdown={"longestMessage": "70s"})


def test_that_a_killed_sidekiq_loses_what_it_had_is_said_unless_it_is_pro():
    assert "takes a job out of Redis before it handles it" in str(found(SIDEKIQ, SIDEKIQ_REDIS)["V-57"])
    assert "V-57" not in found({**SIDEKIQ, "fetch": "super"}, SIDEKIQ_REDIS)


def test_that_nothing_counts_what_sidekiq_has_in_hand_is_said_before_keda_ends_all_pods_at_once():
    said = found(SIDEKIQ, {**SIDEKIQ_REDIS, **AT}, autoscaling=KEDA)["KE-05"]
    assert "nothing in this transport counts what is in hand" in str(said)
    assert "up to 5 pods with 50 messages in hand drain at once" in str(said)
    spec = triggers_of(SIDEKIQ, {**SIDEKIQ_REDIS, **AT})
    assert spec["advanced"]["scalingModifiers"]["formula"] == "waiting1 + waiting2 + min(scheduled + retried, 1)"


@pytest.mark.parametrize(("worker", "argument"), [(SIDEKIQ, "-t30"), (LARAVEL, "--timeout=30"), (LARAVEL, "--once")])
def test_a_timeout_of_ones_own_is_refused(refusal, worker, argument):
    assert "worker.arguments[0]: -" in refusal({**worker, "arguments": [argument]})


@pytest.mark.parametrize(("worker", "transport"), [(LARAVEL, LARAVEL_REDIS)], ids=str)
def test_what_nobody_has_run_is_said(worker, transport):
    assert "no Laravel above 8.83 was drained here, nor one on SQS" in str(found(worker, transport)["V-58"])
    assert "V-58" not in found(CELERY, CELERY_REDIS)


# --- A kind from outside ----------------------------------------------------------------------------------------------


class TideWorker(WorkerSettings):
    """A framework that this package does not know."""

    framework = "tide"
    transports = "rabbitmq"

    kind: Literal["tide"]
    """The tide."""
    memory_limit: int = 64 * 1024**2
    """What it uses."""
    stop_signal: Literal["TERM"] = "TERM"
    """What it ends on."""
    message_limit: None = None
    """None."""
    time_limit: None = None
    """None."""

    @property
    def process_memory_bytes(self) -> int:
        return self.memory_limit

    @property
    def argv(self) -> tuple[str, ...]:
        return ("tide", "work")

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        return "arguments", ()


def test_a_worker_from_outside_is_a_command_to_the_image_and_judged_like_the_others(refusal):
    add_kind(ConsumerSettings, "worker", TideWorker)
    try:
        consumer = consumer_of({"kind": "tide", "processes": 3}, {"kind": "rabbitmq"})
        assert consumer.image_environment["EBBTIDE_WORKER_KIND"] == "command"
        assert (consumer.argv, consumer.worker.slots) == (("tide", "work"), 3)
        assert "and the worker is a tide; write rabbitmq" in refusal({"kind": "tide"}, CELERY_REDIS)
    finally:
        forget_kind(ConsumerSettings, "worker", TideWorker)
