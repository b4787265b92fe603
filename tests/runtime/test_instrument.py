"""The laboratory itself: it must see losses where there are some, and none where there are none."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import machine, subjects
from tests.runtime.lab.application import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

WORKERS = 12
GRACE_SECONDS = 30


@pytest.mark.runtime
def test_the_articles_recipe_is_seen_to_kill_messages(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    # The first worker to end a message takes the stop file away, and the hook sees that at its next poll, 5 s later at
    # most: longer on a busy machine. All others have one in flight then, whenever it is.
    for seed, (number, seconds) in enumerate(((1, 7), (1, 14), (58, 60))):
        scene.send(messages(seed, number, least=seconds, most=seconds))
    pod = scene.pod(subjects.article(scene.application, scene.directory / "set-up", WORKERS)).start()
    scene.wait_for_messages_in_flight(WORKERS)

    deletion = pod.delete(GRACE_SECONDS)

    account = scene.account()
    # At least 9 of 12: the measured share is 65 of 70, and one worker always ends by the stop file.
    assert len(account.killed) >= 9, (
        f"the sandbox saw only {len(account.killed)} killed messages where 65 of 70 were measured: "
        f"what it says about our own image cannot be believed ({deletion})"
    )
    assert scene.broker.depth().taken == len(account.killed), "the broker and the ledger disagree about the killed"


@pytest.mark.runtime
def test_the_simplest_correct_set_up_loses_nothing(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    scene.send(messages(seed=2, number=200, least=0.5, most=4))
    image = subjects.simplest(scene.application, scene.directory / "set-up", WORKERS, GRACE_SECONDS - 3)
    pod = scene.pod(image).start()
    scene.wait_for_messages_in_flight(WORKERS)
    time.sleep(1)

    deletion = pod.delete(GRACE_SECONDS)

    account = scene.account()
    assert not account.killed, f"the mark to reach lost {account.killed}: something is wrong with the sandbox"
    assert not account.started_again
    assert not deletion.sigkilled
    assert scene.broker.depth().taken == 0
    assert len(account.finished) + scene.broker.depth().ready == len(scene.sent)


@pytest.mark.runtime
def test_a_pod_that_ignores_sigterm_is_killed_when_the_grace_period_ends(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    # PID 1 without a handler: the kernel drops the signal.
    pod = scene.pod(scene.application.image(("sleep", "300"))).start()

    deletion = pod.delete(2.5)

    assert deletion.sigkilled
    assert 2.5 <= deletion.seconds < 40, "SIGKILL comes when the grace period ends, not before and not much later"
    assert deletion.exit_status == 137


@pytest.mark.runtime
def test_a_hook_that_uses_the_whole_grace_period_leaves_two_seconds(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.pod(scene.application.image(("sleep", "300"))).start()

    deletion = pod.delete(1, hook=("sleep", "300"))

    assert deletion.hook is not None
    assert deletion.hook.status is None, "a kubelet waits for a hook only as long as the grace period"
    assert deletion.sigkilled
    assert 3.0 <= deletion.seconds < 40


BROKER = """
import time
from tests.runtime.lab.brokers import BROKERS
broker = BROKERS["redis"]()
broker.start()
print(broker.processes[0].pid, broker.directory, flush=True)
time.sleep(600)
"""


@pytest.mark.runtime
def test_tests_that_are_killed_leave_no_broker_behind(packages: Callable[[tuple[str, ...]], None]) -> None:
    packages(machine.FAST)
    command = [sys.executable, "-c", BROKER]
    with subprocess.Popen(command, cwd=machine.ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        pid, directory = tests.stdout.readline().split()
        tests.kill()
    deadline = time.monotonic() + 30
    while (runs := Path("/proc", pid).exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    shutil.rmtree(directory)
    assert not runs
