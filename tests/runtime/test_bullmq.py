"""BullMQ itself, as `kind: bullmq` runs it: a busy pod that is deleted loses and repeats nothing, and one that is
killed gives back what it had."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.runtime.lab import machine
from tests.runtime.lab.application import messages
from tests.runtime.lab.frameworks import (
    FRAMEWORKS,
    Framework,
    Program,
    Queue,
    Started,
    counted_by_keda,
    packages_of,
    start,
)
from tests.runtime.lab.promises import (
    assert_a_clean_end,
    assert_another_pod_handles_the_rest,
    assert_only_what_was_in_hand_came_again,
)
from tests.runtime.lab.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.runtime

WORKER = {"kind": "bullmq", "command": ["node", "worker.js"], "queues": ["jobs"]}
TRANSPORT = {"kind": "bullmqRedis", "queue": "jobs", "lockDuration": "4s", "stalledInterval": "2s"}
SETTINGS = {"transport": TRANSPORT, "shutdown": {"longestMessage": "5s"}}


@pytest.fixture(scope="module")
def program(packages: Callable[[tuple[str, ...]], None]) -> Iterator[Program]:
    if shutil.which("npm") is None:
        pytest.skip("NOT RUN: Node.js with npm is not on this machine, and no test installs it")
    packages(machine.FAST)
    installed = packages_of(FRAMEWORKS / "bullmq" / "package-lock.json")
    environment = {"NODE_PATH": "/opt/packages/node_modules"}
    bullmq = Framework("bullmq", installed, environment, ("node", "send.js"))
    with tempfile.TemporaryDirectory(prefix="ebbtide-bullmq-") as directory:
        yield Program(bullmq, Path(directory))


@pytest.fixture
def scene(program: Program, brokers: Callable[[str], Any]) -> Iterator[Scene]:
    server = brokers("redis")
    count = "redis-cli -p $PORT {} bull:jobs:{}"
    waiting, in_hand = count.format("llen", "wait"), count.format("llen", "active")
    queue = Queue(
        server,
        {"REDIS_PORT": str(server.port)},
        f"echo $({waiting}) $({in_hand})",
        "redis-cli -p $PORT flushall",
    )
    with Scene(program, queue) as opened:  # type: ignore[arg-type] - they answer the same
        yield opened


def start_bullmq(scene: Scene, **worker: int) -> Started:
    return start(scene, {"worker": {**WORKER, **worker}, **SETTINGS})


def test_a_busy_pod_of_bullmq_that_is_deleted_loses_and_repeats_nothing(scene: Scene) -> None:
    scene.send(messages(seed=33, number=60, least=0.5, most=3))
    leaves, slots, grace = start_bullmq(scene, processes=2, concurrency=4)
    scene.wait_for_messages_in_flight(slots)
    stays, _, _ = start_bullmq(scene, processes=1, concurrency=4)

    deletion = leaves.delete(grace)

    assert_a_clean_end(deletion, leaves, scene)
    assert_another_pod_handles_the_rest(scene, leaves, stays, grace)


def test_the_keys_that_keda_is_given_are_those_that_bullmq_fills(scene: Scene) -> None:
    settings = {"worker": WORKER, **SETTINGS}
    assert counted_by_keda(scene, settings) == 0
    scene.send(messages(seed=5, number=7, least=0, most=0))
    assert counted_by_keda(scene, settings) == 7


def test_what_a_killed_worker_of_bullmq_had_in_hand_is_handled_once_more_and_only_that(scene: Scene) -> None:
    scene.send(messages(seed=34, number=4, least=3, most=4))
    pod, slots, grace = start_bullmq(scene, processes=1, concurrency=2)
    scene.wait_for_messages_in_flight(slots)
    for pid, line in pod.processes().items():
        if line.startswith("node"):
            os.kill(pid, signal.SIGKILL)

    scene.wait_until(lambda: len(scene.account().finished) == 4, 240, "all of them were handled")
    assert_a_clean_end(pod.delete(grace), pod, scene)
    assert_only_what_was_in_hand_came_again(scene, killed=2)
