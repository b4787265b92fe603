"""A pod that was set up wrongly says so in one line and ends; it is never silently idle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.container import PATIENCE_SECONDS
from tests.runtime.lab.subjects import WORKER, Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(5)
# Time for a worker to boot and to say what is wrong.
SOON = {"EBBTIDE_START_DEADLINE_SECONDS": "10"}
CONSUME = WORKER[:3]


@pytest.mark.parametrize(
    ("environment", "arguments", "said", "status"),
    [
        ({"EBBTIDE_PROCESSES": "0"}, WORKER, "EBBTIDE_PROCESSES", 1),
        ({"EBBTIDE_PROCESSES": "10000"}, WORKER, "EBBTIDE_PROCESSES", 1),
        ({"EBBTIDE_STOP_WAIT_SECONDS": "soon"}, WORKER, "EBBTIDE_STOP_WAIT_SECONDS", 1),
        ({"EBBTIDE_WORKER_KIND": "laravel"}, WORKER, "EBBTIDE_WORKER_KIND", 1),
        ({}, (), "worker", 1),
        ({}, ("php", "bin/consoel", *WORKER[2:]), "bin/consoel", 1),
        ({}, ("phhp", *WORKER[1:]), "phhp", 1),
        ({"REDELIVER_TIMEOUT": "5"}, WORKER, "redeliver_timeout is not above the longest message", 1),
        ({"MESSENGER_TRANSPORT_DSN": "amqp://rabbit?heartbeat=2"}, WORKER, "heartbeat is too short", 1),
        ({"MESSENGER_TRANSPORT_DSN": "redis://redis/s/g/one?consumer=one"}, WORKER, "one Redis consumer name", 1),
        (SOON, CONSUME, "receiver", 1),
        (SOON, (*CONSUME, "no-such-queue"), "no-such-queue", 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_set_wrongly_is_named_and_the_container_ends(
    open_scene: Callable[..., Scene],
    environment: dict[str, str],
    arguments: tuple[str, ...],
    said: str,
    status: int,
) -> None:
    scene = open_scene()
    pod = scene.ours(2, BUDGET, environment, arguments=arguments).start()

    assert pod.wait(PATIENCE_SECONDS), f"it idles instead of saying what is wrong: {pod.output()}"
    assert pod.exit_status() == status, pod.output()
    assert said in pod.output(), f"the log does not name {said}: {pod.output()}"
    assert "Traceback" not in pod.output()
    assert not scene.account().consuming


def test_a_container_that_runs_as_root_is_refused(open_scene: Callable[..., Scene]) -> None:
    pod = open_scene().ours(1, BUDGET, user=0).start()

    assert pod.wait(PATIENCE_SECONDS)
    assert pod.exit_status() == 1
    assert "root" in pod.output()


def test_a_container_without_a_state_directory_is_refused(open_scene: Callable[..., Scene]) -> None:
    pod = open_scene().ours(1, BUDGET)
    del pod.volumes["/run/ebbtide"]
    pod.start()

    assert pod.wait(PATIENCE_SECONDS), "without the stop file a drain cannot hold"
    assert pod.exit_status() == 1
    assert "/run/ebbtide" in pod.output()
    assert "Traceback" not in pod.output()


def test_a_hook_in_a_container_without_our_supervisor_fails_with_a_reason(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(1, BUDGET)
    pod.image = type(pod.image)(**{**vars(pod.image), "arguments": ("sleep", "600")})
    pod.start()

    hook = pod.execute("/opt/ebbtide/drain", seconds=PATIENCE_SECONDS)

    assert hook.status not in (0, None), "a hook that did nothing must not look like a drain"
    assert hook.output.strip()
    assert "Traceback" not in hook.output
    # What a hook prints, nobody ever reads: it must stand in the pod's log.
    scene.wait_until(lambda: bool(pod.events("hookFailed")), 60, "the log says that the hook has failed")
    assert "PID 1 does not answer" in pod.events("hookFailed")[0]["reason"]


def test_a_hook_that_comes_first_thing_drains_a_pod_that_has_hardly_begun(open_scene: Callable[..., Scene]) -> None:
    scene, budget = open_scene(), Budget(60)
    pod = scene.ours(4, budget).start()

    deletion = pod.delete(budget.grace)  # the hook is there before supervisord listens

    assert not deletion.sigkilled, pod.output()
    assert deletion.seconds < budget.stop_wait, f"{deletion}\n{pod.output()}"
    time.sleep(0.2)
    assert len(pod.events("workerStarted")) == len(pod.events("workerEnded")), pod.output()
