"""Celery itself, as `kind: celery` runs it, on Redis and RabbitMQ: a busy pod that is deleted loses and repeats
nothing, and one that is killed gives back what it had."""

from __future__ import annotations

import os
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

    from tests.runtime.lab.brokers import Broker

pytestmark = pytest.mark.runtime

WORKER = {"kind": "celery", "app": "shop", "program": ["python3", "-m", "celery"], "arguments": ["--loglevel=INFO"]}
REDIS = {"kind": "celeryRedis", "visibilityTimeout": "20s", "longestDelay": "0s"}
LONGEST = {"shutdown": {"longestMessage": "5s"}}


@pytest.fixture(scope="module")
def program(packages: Callable[[tuple[str, ...]], None]) -> Iterator[Program]:
    packages(machine.FAST)
    environment = {
        "PYTHONPATH": "/opt/packages",
        "PYTHONDONTWRITEBYTECODE": "1",
        # The sender has no worker's environment.
        "CELERY_BROKER_URL": "memory://",
    }
    installed = packages_of(FRAMEWORKS / "celery" / "requirements.lock")
    celery = Framework("celery", installed, environment, ("python3", "shop.py"))
    with tempfile.TemporaryDirectory(prefix="ebbtide-celery-") as directory:
        yield Program(celery, Path(directory))


def queue_of(server: Broker) -> Queue:
    if server.name == "redis":
        asks = "echo $(redis-cli -p $PORT llen celery) $(redis-cli -p $PORT hlen unacked)"
        return Queue(
            server, {"CELERY_BROKER_URL": f"redis://127.0.0.1:{server.port}/0"}, asks, "redis-cli -p $PORT flushall"
        )
    listed = "rabbitmqctl -q --no-table-headers list_queues name messages_ready messages_unacknowledged"
    return Queue(
        server,
        {"CELERY_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{server.port}/%2f"},
        f"{listed} | awk '$1 == \"celery\" {{print $2, $3}}'",
        "rabbitmqctl -q list_queues name | grep -qx celery && rabbitmqctl -q delete_queue celery || true",
    )


@pytest.fixture
def open_scene(program: Program, brokers: Callable[[str], Broker]) -> Iterator[Callable[[str], Scene]]:
    scenes: list[Scene] = []

    def new(broker: str) -> Scene:
        scenes.append(Scene(program, queue_of(brokers(broker))))  # type: ignore[arg-type] - they answer the same
        return scenes[-1]

    yield new
    for scene in scenes:
        scene.close()


def start_celery(scene: Scene, transport: dict[str, Any], **worker: Any) -> Started:
    return start(scene, {"worker": {**WORKER, **worker}, "transport": transport, **LONGEST})


@pytest.mark.parametrize(
    ("broker", "worker", "hook"),
    [
        ("redis", {"processes": 2, "concurrency": 3}, None),
        pytest.param("redis", {"processes": 2, "pool": "threads", "concurrency": 3}, (), marks=pytest.mark.long),
        pytest.param("redis", {"processes": 6, "pool": "solo"}, None, marks=pytest.mark.long),
        ("rabbitmq", {"processes": 2, "concurrency": 3}, None),
    ],
    ids=["redis-prefork", "redis-threads-without-hook", "redis-solo", "rabbitmq-prefork"],
)
def test_a_busy_pod_of_celery_that_is_deleted_loses_and_repeats_nothing(
    open_scene: Callable[[str], Scene], broker: str, worker: dict[str, Any], hook: tuple[str, ...] | None
) -> None:
    scene = open_scene(broker)
    scene.send(messages(seed=31, number=60, least=0.5, most=3))
    transport = REDIS if broker == "redis" else {"kind": "rabbitmq"}
    leaves, slots, grace = start_celery(scene, transport, **worker)
    scene.wait_for_messages_in_flight(slots)
    stays, _, _ = start_celery(scene, transport, processes=1, concurrency=4)

    deletion = leaves.delete(grace, hook=hook)

    assert_a_clean_end(deletion, leaves, scene)
    assert not leaves.events("workerKilled"), leaves.output()
    assert_another_pod_handles_the_rest(scene, leaves, stays, grace)


def test_the_keys_that_keda_is_given_are_those_that_celery_fills(open_scene: Callable[[str], Scene]) -> None:
    scene, settings = open_scene("redis"), {"worker": WORKER, "transport": REDIS, **LONGEST}
    assert counted_by_keda(scene, settings) == 0
    scene.send(messages(seed=5, number=7, least=0, most=0))
    assert counted_by_keda(scene, settings) == 7
    scene.send(messages(seed=6, number=3, least=3, most=4))
    start_celery(scene, REDIS, processes=1, concurrency=2)
    scene.wait_until(lambda: scene.broker.depth().taken > 0, 240, "some are in hand")
    assert counted_by_keda(scene, settings) >= scene.broker.depth().taken


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)], ids=["a child", "a worker"])
def test_what_celery_had_in_hand_when_it_was_killed_is_handled_once_more_and_only_that(
    open_scene: Callable[[str], Scene], *, whole: bool
) -> None:
    """A child's task comes back from its parent at once; a whole worker's when the visibility timeout is over."""
    scene = open_scene("redis")
    scene.send(messages(seed=32, number=4, least=4, most=5))
    pod, slots, grace = start_celery(scene, REDIS, processes=1, concurrency=2)
    scene.wait_for_messages_in_flight(slots)
    celery = [pid for pid, line in pod.processes().items() if "-m celery" in line]
    children = {one.pid for one in scene.account().handlings}
    assert len(celery) == 3
    for pid in celery if whole else [pid for pid in celery if _pid_inside(pid) in children][:1]:
        os.kill(pid, signal.SIGKILL)

    scene.wait_until(lambda: len(scene.account().finished) == 4, 240, "all of them were handled")
    assert_a_clean_end(pod.delete(grace), pod, scene)
    assert_only_what_was_in_hand_came_again(scene, killed=2 if whole else 1)


def _pid_inside(pid: int) -> int:
    """What a process of a container calls itself."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])
