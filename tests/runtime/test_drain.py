"""The fast cut: one small pod of the consumer image on Redis, ended in the ways that matter most."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import messages
from tests.runtime.lab.promises import (
    assert_a_clean_end,
    assert_no_new_work,
    assert_nothing_was_lost,
    drain_started,
    outcomes,
)
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

WORKERS = 12
BUDGET = Budget(longest_message=5)


@pytest.mark.runtime
@pytest.mark.parametrize(("hook", "told_by"), [(None, "hook"), ((), "SIGTERM")], ids=["with hook", "without hook"])
def test_a_busy_pod_that_is_deleted_finishes_what_it_has_and_takes_nothing_new(
    open_scene: Callable[..., Scene],
    hook: tuple[str, ...] | None,
    told_by: str,
) -> None:
    scene = open_scene()
    pod = scene.ours(WORKERS, BUDGET)
    scene.busy(messages(seed=3, number=200, least=0.5, most=4), pod, workers=WORKERS)
    time.sleep(1)

    deletion = pod.delete(BUDGET.grace, hook=hook)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert_no_new_work(scene, drain_started(pod))
    assert outcomes(pod) == {"stopped": WORKERS}, pod.output()
    assert pod.events("drainStarted")[0]["by"] == told_by
    # PID 1 has counted at some moment between these two, which are far apart where the hook or this process is slow.
    in_flight = in_flight_between(scene, deletion.deleted_at, drain_started(pod))
    assert min(in_flight) - 1 <= pod.events("drainStarted")[0]["inFlight"] <= max(in_flight) + 1, (
        "the log says how many messages were in flight"
    )
    if hook is None:
        assert deletion.hook is not None
        assert deletion.hook.status == 0, f"Kubernetes would report FailedPreStopHook: {deletion.hook}"


def in_flight_between(scene: Scene, first: float, last: float) -> list[int]:
    """How many messages were in flight, whenever that changed between two moments."""
    account = scene.account()
    times = {moment for one in account.handlings for moment in (one.started_at, one.ended_at) if moment}
    return [len(account.in_flight_at(moment)) for moment in (first, last, *(at for at in times if first < at < last))]


@pytest.mark.runtime
def test_a_pod_that_drains_is_not_noticed_by_the_pod_beside_it(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    leaves, stays = (scene.ours(6, BUDGET) for _ in range(2))
    scene.busy(messages(seed=4, number=60, least=0.5, most=2), leaves, stays, workers=12)

    deletion = leaves.delete(BUDGET.grace)

    assert_a_clean_end(deletion, leaves, scene)
    assert not stays.events("workerEnded"), f"a worker of the other pod was stopped: {stays.output()}"
    scene.wait_until(lambda: len(scene.account().finished) == 60, 240, "the other pod handles the rest")
    stays.delete(BUDGET.grace)
    assert_nothing_was_lost(scene)
