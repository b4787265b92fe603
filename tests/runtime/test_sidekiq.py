"""Debian's Sidekiq, as `kind: sidekiq` runs it: a busy pod that is deleted loses and repeats nothing, and puts back
what is longer than `longestMessage` before it would be killed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.runtime.lab import machine
from tests.runtime.lab.application import Message, messages
from tests.runtime.lab.frameworks import Framework, Program, Queue, Started, counted_by_keda, start
from tests.runtime.lab.promises import assert_a_clean_end, assert_another_pod_handles_the_rest
from tests.runtime.lab.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.runtime

WORKER = {"kind": "sidekiq", "command": ["sidekiq"], "arguments": ["--require", "./jobs.rb"]}


@pytest.fixture(scope="module")
def program(packages: Callable[[tuple[str, ...]], None]) -> Iterator[Program]:
    packages((*machine.FAST, "ruby-sidekiq"))
    sidekiq = Framework("sidekiq", None, {}, ("ruby", "jobs.rb"))
    with tempfile.TemporaryDirectory(prefix="ebbtide-sidekiq-") as directory:
        yield Program(sidekiq, Path(directory))


@pytest.fixture
def scene(program: Program, brokers: Callable[[str], Any]) -> Iterator[Scene]:
    server = brokers("redis")
    # What is in hand is in no key: it has left Redis.
    asks = "echo $(redis-cli -p $PORT llen queue:default) 0"
    queue = Queue(server, {"REDIS_PORT": str(server.port)}, asks, "redis-cli -p $PORT flushall")
    with Scene(program, queue) as opened:  # type: ignore[arg-type] - they answer the same
        yield opened


def start_sidekiq(scene: Scene, longest: str, **worker: int) -> Started:
    settings = {"transport": {"kind": "sidekiqRedis"}, "shutdown": {"longestMessage": longest}}
    return start(scene, {"worker": {**WORKER, **worker}, **settings})


def test_a_busy_pod_of_sidekiq_that_is_deleted_loses_and_repeats_nothing(scene: Scene) -> None:
    scene.send(messages(seed=35, number=60, least=0.5, most=3))
    leaves, slots, grace = start_sidekiq(scene, "5s", processes=2, concurrency=4)
    scene.wait_for_messages_in_flight(slots)
    stays, _, _ = start_sidekiq(scene, "5s", processes=1, concurrency=4)

    deletion = leaves.delete(grace)

    assert_a_clean_end(deletion, leaves, scene)
    assert_another_pod_handles_the_rest(scene, leaves, stays, grace)


def test_the_key_that_keda_is_given_is_the_key_that_sidekiq_fills(scene: Scene) -> None:
    settings = {"worker": WORKER, "transport": {"kind": "sidekiqRedis"}}
    assert counted_by_keda(scene, settings) == 0
    scene.send(messages(seed=5, number=7, least=0, most=0))
    assert counted_by_keda(scene, settings) == 7


def test_a_job_longer_than_the_budget_is_put_back_by_sidekiq_itself_before_it_is_killed(scene: Scene) -> None:
    scene.send([Message("too-long", 60)])
    pod, _, grace = start_sidekiq(scene, "2s", processes=1, concurrency=2)
    scene.wait_for_messages_in_flight(1)

    deletion = pod.delete(grace)

    assert not deletion.sigkilled
    assert deletion.exit_status == 0, pod.output()
    assert not pod.events("workerKilled"), pod.output()
    assert scene.broker.depth().ready == 1, "it waits for its next worker"
