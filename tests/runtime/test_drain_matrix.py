"""Drains under load: 70 workers, messages of 0.5 to 30 s, every broker, every way a hook can go."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.runtime.lab.application import Application, messages
from tests.runtime.lab.promises import (
    assert_a_clean_end,
    assert_no_new_work,
    assert_nothing_was_lost,
    drain_started,
    outcomes,
)
from tests.runtime.lab.scene import Scene
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.runtime.lab.brokers import Broker
    from tests.runtime.lab.container import Deletion, Pod

pytestmark = pytest.mark.runtime

WORKERS = 70
BUDGET = Budget(longest_message=35)
BUSY_SECONDS = 5


def with_hook(pod: Pod) -> Deletion:
    return pod.delete(BUDGET.grace)


def without_hook(pod: Pod) -> Deletion:
    return pod.delete(BUDGET.grace, hook=())


def hook_twice(pod: Pod) -> Deletion:
    """Hooks are delivered at least once."""
    other = threading.Thread(target=pod.execute, args=("/opt/ebbtide/drain",))
    other.start()
    deletion = pod.delete(BUDGET.grace)
    other.join()
    return deletion


def hook_killed(pod: Pod) -> Deletion:
    return pod.delete(BUDGET.grace, hook=("timeout", "--signal=KILL", "2", "/opt/ebbtide/drain"))


def matrix() -> list[Any]:
    """Every broker with the hook, and every way of the hook on one. The rest repeats that, since no worker is told how
    the drain began."""
    return [
        pytest.param(
            broker,
            delete,
            id=f"{delete.__name__}-{broker}",
            marks=[] if broker == "redis" or delete is with_hook else pytest.mark.long,
        )
        for delete in (with_hook, without_hook, hook_twice, hook_killed)
        for broker in ("redis", "rabbitmq", "postgresql")
    ]


@pytest.mark.parametrize(("broker", "delete"), matrix())
def test_a_drain_under_load_loses_nothing(
    open_scene: Callable[..., Scene],
    broker: str,
    delete: Callable[[Pod], Deletion],
) -> None:
    scene = open_scene(broker)
    scene.send(messages(seed=5, number=500, least=0.5, most=30))
    pod = scene.ours(WORKERS, BUDGET).start()
    scene.wait_for_messages_in_flight(WORKERS - 5)
    time.sleep(BUSY_SECONDS)

    deletion = delete(pod)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert_no_new_work(scene, drain_started(pod))
    assert outcomes(pod)["stopped"] == WORKERS, outcomes(pod)
    hook_status = deletion.hook and deletion.hook.status
    assert hook_status == {with_hook: 0, without_hook: None, hook_twice: 0, hook_killed: 137}[delete], deletion.hook


@pytest.mark.parametrize("workers", [1, 200])
def test_a_drain_is_as_lossless_with_one_worker_and_with_two_hundred(
    open_scene: Callable[..., Scene],
    workers: int,
) -> None:
    scene = open_scene("redis")
    pod = scene.ours(workers, BUDGET).start()
    scene.wait_for_consumers(workers)
    scene.send(messages(seed=6, number=10 * workers, least=0.5, most=6))
    scene.wait_for_messages_in_flight(workers - workers // 10)
    time.sleep(BUSY_SECONDS)

    deletion = pod.delete(BUDGET.grace)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert outcomes(pod)["stopped"] == workers, outcomes(pod)


def test_a_drain_is_as_lossless_for_an_application_that_tells_nothing_about_its_messages(
    tmp_path: Path,
    application: Application,
    brokers: Callable[[str], Broker],
) -> None:
    source = tmp_path / "source"
    shutil.copytree(application.source, source, ignore=shutil.ignore_patterns("Ebbtide"))
    silent = Application(source, tmp_path / "built").build()
    with Scene(silent, brokers("redis")) as scene:
        scene.send(messages(seed=20, number=300, least=0.5, most=6))
        pod = scene.ours(30, BUDGET).start()
        scene.wait_for_messages_in_flight(27)
        time.sleep(BUSY_SECONDS)

        deletion = pod.delete(BUDGET.grace)

        assert_nothing_was_lost(scene)
        assert_a_clean_end(deletion, pod, scene)
        assert_no_new_work(scene, drain_started(pod))
        assert "inFlight" not in pod.events("drainStarted")[0], "what is not known is not claimed"


def test_an_idle_pod_is_gone_at_once(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    pod = scene.ours(WORKERS, BUDGET).start()
    scene.wait_for_consumers(WORKERS)

    deletion = pod.delete(BUDGET.grace)

    assert_a_clean_end(deletion, pod, scene)
    # A worker that waits for messages looks for a stop once in its --sleep of 1 s; none waits until it is killed.
    assert outcomes(pod) == {"stopped": WORKERS}, f"nothing was in flight, yet it took {deletion.seconds:.1f} s"
