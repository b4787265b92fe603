"""What the probes answer while a pod lives, waits, drains and fails: a drain or an outage is no reason to kill it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import messages
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.container import Pod
    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=20)


def healthy(pod: Pod, probe: str) -> bool:
    return pod.execute("/opt/ebbtide/healthcheck", probe, seconds=60).status == 0


def test_a_pod_that_consumes_is_started_ready_and_alive(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(4, BUDGET).start()
    scene.wait_until(lambda: healthy(pod, "startup"), 120, "the startup probe succeeds")
    assert healthy(pod, "readiness")
    assert healthy(pod, "liveness")


def test_an_outage_of_the_broker_is_never_a_reason_to_restart_the_pod(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(4, BUDGET).start()
    scene.wait_for_consumers(4)
    scene.broker.stop()
    try:
        scene.wait_until(lambda: bool(pod.events("startsHeld")), 120, "the workers have noticed")
        for _ in range(5):
            assert healthy(pod, "liveness"), "the kubelet would restart every pod while the broker is away"
            time.sleep(1)
    finally:
        scene.broker.start()


def test_a_drain_is_alive_until_its_last_message(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(4, BUDGET)
    scene.busy(messages(seed=19, number=4, least=12, most=12), pod, workers=4)

    deleting = threading.Thread(target=pod.delete, args=(BUDGET.grace,))
    deleting.start()
    scene.wait_until(lambda: bool(pod.events("drainStarted")), 60, "the drain has begun")
    alive = healthy(pod, "liveness")
    deleting.join()

    assert alive, "the kubelet would kill a pod for draining"
    assert len(scene.account().finished) == 4


def test_a_supervisor_that_is_stuck_is_not_alive(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(2, BUDGET).start()
    scene.wait_for_consumers(2)
    supervisor = min(pod.processes())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        scene.wait_until(lambda: not healthy(pod, "liveness"), 180, "the liveness probe fails")
    finally:
        os.kill(supervisor, signal.SIGCONT)
