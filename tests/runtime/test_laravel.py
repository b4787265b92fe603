"""Debian 12's Laravel 8.83, as `kind: laravelQueue` runs it: a busy pod that is deleted loses and repeats nothing, and
what a killed worker had comes back when its `retryAfter` is over."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.runtime.lab import debian, machine
from tests.runtime.lab.application import Message, messages
from tests.runtime.lab.container import PATIENCE_SECONDS
from tests.runtime.lab.frameworks import Framework, Program, Queue, Started, consumer_of, counted_by_keda, start
from tests.runtime.lab.promises import (
    assert_a_clean_end,
    assert_another_pod_handles_the_rest,
    assert_nothing_was_lost,
    assert_only_what_was_in_hand_came_again,
    outcomes,
)
from tests.runtime.lab.scene import Scene

from ebbtide.brokers import Depth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.runtime.lab.container import Pod

pytestmark = pytest.mark.runtime

RETRY_AFTER_SECONDS = 13
TRANSPORT = {"kind": "laravelRedis", "prefix": "shop_database_", "retryAfter": f"{RETRY_AFTER_SECONDS}s"}
SETTINGS: dict[str, Any] = {
    "worker": {"kind": "laravelQueue"},
    "transport": TRANSPORT,
    "shutdown": {"longestMessage": "3s"},
}


def _sees(one: Message) -> dict[str, Any]:
    delay = 3600 if one.how == "delayed" else None
    return {"message": one.delivery, "seconds": one.seconds, "delay": delay}


@pytest.fixture(scope="module")
def program(packages: Callable[[tuple[str, ...]], None]) -> Iterator[Program]:
    packages((*machine.FAST, "debootstrap"))
    # In a Debian of its own: of its suites only bookworm has Laravel, whose components of Symfony would switch on more
    # of the example application if they were installed on this machine.
    root = debian.file_system("bookworm", ("php-cli", "php-laravel-framework", "php-redis", "python3"))
    # Composer and artisan write these into an image. Here they are made in each pod, whose file system is read-only.
    caches = {"APP_PACKAGES_CACHE": "/tmp/packages.php", "APP_SERVICES_CACHE": "/tmp/services.php"}
    laravel = Framework("laravel", None, caches, ("php", "artisan", "shop:send"), root, _sees)
    with tempfile.TemporaryDirectory(prefix="ebbtide-laravel-") as directory:
        yield Program(laravel, Path(directory))


@pytest.fixture
def scene(program: Program, brokers: Callable[[str], Any]) -> Iterator[Scene]:
    server = brokers("redis")
    variables = {"REDIS_PORT": str(server.port), "RETRY_AFTER": str(RETRY_AFTER_SECONDS)}
    key = "shop_database_queues:default"
    count = f"echo $(redis-cli -p $PORT llen {key}) $(redis-cli -p $PORT zcard {key}:reserved)"
    with Scene(program, Queue(server, variables, count, "redis-cli -p $PORT flushall")) as opened:  # type: ignore[arg-type] - they answer the same
        yield opened


def start_laravel(scene: Scene, **worker: Any) -> Started:
    return start(scene, {**SETTINGS, "worker": {**SETTINGS["worker"], **worker}})


def kill_workers(pod: Pod) -> None:
    for pid, line in pod.processes().items():
        if line.startswith("php"):
            os.kill(pid, signal.SIGKILL)


def test_a_busy_pod_of_laravel_that_is_deleted_loses_and_repeats_nothing(scene: Scene) -> None:
    leaves, slots, grace = start_laravel(scene, processes=6)
    scene.wait_for_consumers(slots)
    scene.send(messages(seed=36, number=80, least=0.3, most=1))
    scene.wait_for_messages_in_flight(slots)
    stays, _, _ = start_laravel(scene, processes=4)

    deletion = leaves.delete(grace)

    assert_a_clean_end(deletion, leaves, scene)
    assert outcomes(leaves) == {"stopped": slots}, leaves.output()
    assert_another_pod_handles_the_rest(scene, leaves, stays, grace)


def test_the_keys_that_keda_is_given_are_those_that_laravel_fills(scene: Scene) -> None:
    """What waits, what is delayed, and what is in hand."""
    settings = {**SETTINGS, "shutdown": {"longestMessage": "70s"}, "transport": {**TRANSPORT, "retryAfter": "90s"}}
    assert counted_by_keda(scene, settings) == 0
    scene.send([Message(f"long-{number}", 60) for number in range(3)])
    assert counted_by_keda(scene, settings) == 3
    scene.send(messages(seed=5, number=2, least=0, most=0, how="delayed"))
    assert counted_by_keda(scene, settings) == 3 + 2
    start(scene, {**settings, "worker": {**settings["worker"], "processes": 3}})
    scene.wait_for_messages_in_flight(3)
    assert scene.broker.depth() == Depth(ready=0, taken=3)
    assert counted_by_keda(scene, settings) == 3 + 2


def test_what_a_killed_worker_of_laravel_had_comes_back_after_retry_after_and_not_sooner(scene: Scene) -> None:
    pod, slots, grace = start_laravel(scene, processes=2)
    scene.wait_for_consumers(slots)
    scene.send(messages(seed=37, number=4, least=2.5, most=3))
    scene.wait_for_messages_in_flight(slots)
    kill_workers(pod)

    scene.wait_until(lambda: len(scene.account().finished) == 4, 240, "all of them were handled")
    assert_a_clean_end(pod.delete(grace), pod, scene)
    assert_only_what_was_in_hand_came_again(scene, killed=2)
    account = scene.account()
    for one in account.killed:
        again = max(other.started_at for other in account.handlings if other.message == one.message)
        # Half of it: a worker reserves a job some time before it begins it, and Laravel counts in whole seconds.
        assert again - one.started_at > RETRY_AFTER_SECONDS / 2


@pytest.mark.long
def test_a_job_of_one_try_whose_worker_was_killed_is_failed_and_not_handled(scene: Scene) -> None:
    """What V-57 says of `tries: 1`."""
    scene.send(messages(seed=38, number=1, least=2.5, most=3))
    pod, _, grace = start_laravel(scene, processes=1, tries=1)
    scene.wait_for_messages_in_flight(1)
    kill_workers(pod)

    scene.wait_until(lambda: "attempted too many times" in pod.output(200), 60, "the job is failed")
    pod.delete(grace)
    assert scene.broker.depth() == Depth(ready=0, taken=0)
    assert not scene.account().finished


def test_php_that_can_hear_no_signal_starts_no_worker_of_laravel(scene: Scene) -> None:
    (scene.ledger.parent / "own.ini").write_text("disable_functions=pcntl_async_signals\n")
    consumer = consumer_of(SETTINGS)
    variables = {**consumer.image_environment, "PHP_INI_SCAN_DIR": ":/ledger"}
    pod = scene.pod(scene.application.image(consumer.argv), variables).start()
    assert pod.wait(PATIENCE_SECONDS)
    assert pod.exit_status() == 1
    assert "install pcntl" in pod.output()


@pytest.mark.long
def test_a_job_longer_than_the_budget_is_ended_by_laravel_itself_and_is_not_gone(scene: Scene) -> None:
    """Its `--timeout` kills the process that has it. That is no orderly end, and the drain says so."""
    scene.send([Message("too-long", 60)])
    pod, _, grace = start_laravel(scene, processes=1)
    scene.wait_for_messages_in_flight(1)

    deletion = pod.delete(grace)

    assert not deletion.sigkilled
    assert not pod.events("workerKilled"), "Laravel was before PID 1"
    assert [event["outcome"] for event in pod.events("drainEnded")] == ["killed"]
    assert scene.broker.depth() == Depth(ready=0, taken=1), "it comes back when its retryAfter is over"


def test_a_process_above_its_memory_limit_has_rotated_and_not_crashed(scene: Scene) -> None:
    """16 MiB are less than Laravel's own: each process ends with status 12, after its first job."""
    scene.send(messages(seed=39, number=3, least=0, most=0))
    pod, _, grace = start_laravel(scene, processes=1, memoryLimit="16M")
    scene.wait_until(lambda: len(scene.account().finished) == 3, 240, "all of them were handled")

    assert_a_clean_end(pod.delete(grace), pod, scene)
    rotated = [event for event in pod.events("workerEnded") if event["outcome"] == "rotated"]
    assert rotated
    assert {event["status"] for event in rotated} == {12}
    assert_nothing_was_lost(scene)
