"""Faults inside the pod: what is killed, ignored, too slow or in the way, and who pays for it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import Message, messages
from tests.runtime.lab.container import PATIENCE_SECONDS
from tests.runtime.lab.promises import (
    assert_a_clean_end,
    assert_no_new_work,
    assert_nothing_was_lost,
    drain_started,
    outcomes,
)
from tests.runtime.lab.subjects import WORKER, Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.runtime.lab.container import Deletion, Pod
    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=10)
# Kills come back soon, so that the tests see them come back; above every message used here.
SOON = {"REDELIVER_TIMEOUT": "20"}


@pytest.mark.parametrize("seconds_after_start", [0.1, 0.4, 0.8, 1.5, 3.0])
def test_a_pod_deleted_while_its_workers_boot_takes_nothing_down_with_it(
    open_scene: Callable[..., Scene],
    seconds_after_start: float,
) -> None:
    scene = open_scene()
    scene.send(messages(seed=7, number=200, least=0.5, most=4))
    pod = scene.ours(40, BUDGET).start()
    time.sleep(seconds_after_start)

    deletion = pod.delete(BUDGET.grace, hook=())

    assert not deletion.sigkilled, f"SIGTERM was lost while booting: {pod.output()}"
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)


def test_a_pod_deleted_while_its_workers_rotate_starts_none_again(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    scene.send(messages(seed=8, number=400, least=0.2, most=1))
    pod = scene.ours(20, BUDGET, arguments=(*WORKER, "--limit=1")).start()
    scene.wait_until(lambda: len(scene.account().finished) > 60, 240, "workers have rotated")

    deletion = pod.delete(BUDGET.grace)

    assert outcomes(pod)["rotated"] >= 40, outcomes(pod)
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    # One worker in two is booting when the order comes; none of them may reach its first message.
    assert_no_new_work(scene, drain_started(pod))


def test_one_killed_worker_is_replaced_and_only_its_own_message_comes_again(
    open_scene: Callable[..., Scene],
) -> None:
    scene = open_scene()
    pod = scene.ours(5, BUDGET, SOON)
    scene.busy(messages(seed=9, number=5, least=6, most=7), pod, workers=5)

    os.kill(pod.workers()[2], signal.SIGKILL)

    scene.wait_until(lambda: len(scene.account().finished) == 5, 240, "the killed message came again")
    account = scene.account()
    assert len(account.started_again) == 1, account.started_again
    assert not account.handled_twice
    assert not account.overlapping
    assert len(account.killed) == 1, "and nobody else was disturbed"
    assert [event["signal"] for event in pod.events("workerEnded")] == ["SIGKILL"], pod.output()
    # What happened before the drain says nothing about it.
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)


def test_a_pod_deleted_while_a_worker_waits_in_its_back_off_starts_it_no_more(
    open_scene: Callable[..., Scene],
) -> None:
    # The back-off is over in at most 2.5 s: a machine that holds this process up for as long gets another try.
    for _ in range(5):
        scene = open_scene()
        pod = scene.ours(6, BUDGET, SOON)
        deletion = deleted_in_a_back_off(scene, pod)
        drain = pod.events("drainStarted")[0]
        if drain["waiting"]:
            break
    assert_a_clean_end(deletion, pod, scene)
    assert (drain["running"], drain["waiting"]) == (5, 1), "the log tells of the one that was never started again"
    assert outcomes(pod) == {"killed": 2, "stopped": 5}, pod.output()
    account = scene.account()
    assert len({handling.message for handling in account.killed}) == 1, "the drain itself killed nothing"
    assert len(account.finished) == 5
    assert not account.handled_twice
    assert scene.broker.depth().taken == 1, "the killed one waits in the broker for its next worker"


def deleted_in_a_back_off(scene: Scene, pod: Pod) -> Deletion:
    scene.busy(messages(seed=23, number=6, least=9, most=10), pod, workers=6)
    first = pod.workers()
    os.kill(first[0], signal.SIGKILL)
    # It is started again at once, as a probe; when that fails too, the next is 2.5 s later.
    scene.wait_until(lambda: bool(set(pod.workers()) - set(first)), 60, "it is started again")
    os.kill((set(pod.workers()) - set(first)).pop(), signal.SIGKILL)
    scene.wait_until(lambda: len(pod.events("workerEnded")) == 2, 60, "it waits in its back-off")
    return pod.delete(BUDGET.grace, hook=())


def test_a_worker_that_ignores_sigterm_is_killed_at_the_stop_wait_and_reported(
    open_scene: Callable[..., Scene],
) -> None:
    scene = open_scene()
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    pod = scene.ours(2, Budget(1), {"EBBTIDE_WORKER_KIND": "command"}, arguments=stubborn).start()
    scene.wait_until(lambda: len(pod.events("workerStarted")) == 2, 120, "both workers run")
    time.sleep(1)

    deletion = pod.delete(Budget(1).grace)

    assert not deletion.sigkilled, "two deaf workers must not cost the pod its orderly end"
    assert Budget(1).stop_wait <= deletion.seconds < Budget(1).grace, deletion
    assert deletion.hook is not None
    assert deletion.hook.status == 1, "the hook says that it had to kill"
    assert deletion.exit_status == 3, "and so does the container"
    assert outcomes(pod) == {"killed": 2}, pod.output()


def test_a_message_longer_than_the_budget_is_the_only_one_lost_and_the_log_names_its_worker(
    open_scene: Callable[..., Scene],
) -> None:
    scene = open_scene()
    budget = Budget(3)
    scene.send([Message("too-long", 60), *messages(seed=10, number=30, least=0.5, most=3)])
    pod = scene.ours(6, budget).start()
    scene.wait_for_messages_in_flight(6)

    deletion = pod.delete(budget.grace)

    account = scene.account()
    assert [handling.message for handling in account.killed] == ["too-long"]
    assert outcomes(pod) == {"killed": 1, "stopped": 5}, pod.output()
    killed = [event["worker"] for event in pod.events("workerEnded") if event["outcome"] == "killed"]
    assert account.killed[0].worker == f"{pod.name}-{killed[0]}", "the log must lead to the message"
    assert not deletion.sigkilled
    assert budget.stop_wait <= deletion.seconds < budget.grace, deletion
    assert deletion.exit_status == 3
    assert deletion.hook is not None
    assert deletion.hook.status == 1
    assert scene.broker.depth().taken == 1, "it waits in the broker for its next worker"


def test_a_killed_supervisor_costs_its_messages_one_more_try_and_the_pod_recovers(
    open_scene: Callable[..., Scene],
) -> None:
    scene = open_scene()
    pod = scene.ours(6, BUDGET, SOON)
    scene.busy(messages(seed=11, number=6, least=6, most=7), pod, workers=6)

    pod.signal(signal.SIGKILL)
    assert pod.wait(PATIENCE_SECONDS)
    assert pod.exit_status() == 137
    assert len(scene.account().killed) == 6
    pod.start()  # the kubelet starts the container again, in the same volumes

    scene.wait_until(lambda: len(scene.account().finished) == 6, 300, "the killed messages came again")
    account = scene.account()
    assert len(account.started_again) == 6
    assert not account.handled_twice
    assert not account.overlapping


def test_a_state_directory_that_cannot_be_written_is_said_at_once(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(2, BUDGET)
    pod.volumes["/run/ebbtide"].chmod(0o555)
    pod.start()

    assert pod.wait(PATIENCE_SECONDS), "a container that can never drain must not start to consume"
    assert pod.exit_status() == 1
    assert "/run/ebbtide" in pod.output()
    assert not scene.account().consuming


def test_a_full_disk_at_start_is_said_at_once(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(2, BUDGET)
    with small_volume(pod.volumes["/run/ebbtide"]) as volume:
        fill(volume)
        pod.start()

        assert pod.wait(PATIENCE_SECONDS), "a container that can never drain must not start to consume"
        assert pod.exit_status() == 1
        assert "/run/ebbtide" in pod.output()
        pod.destroy()


def test_a_disk_that_fills_up_later_does_not_harm_the_drain(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    scene.send(messages(seed=12, number=60, least=0.5, most=3))
    pod = scene.ours(6, BUDGET)
    with small_volume(pod.volumes["/run/ebbtide"]) as volume:
        pod.start()
        scene.wait_for_messages_in_flight(6)
        fill(volume)

        deletion = pod.delete(BUDGET.grace)

        assert_nothing_was_lost(scene)
        assert_a_clean_end(deletion, pod, scene)
        assert_no_new_work(scene, drain_started(pod))
        pod.destroy()


@contextmanager
def small_volume(directory: Path) -> Iterator[Path]:
    """A memory volume with a size limit, as `emptyDir: {medium: Memory, sizeLimit: 16Mi}` gives."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(volume: Path) -> None:
    with (volume / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return
