"""The broker is away: how hard the pod knocks, how soon it is back, and that it can still be deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import messages
from tests.runtime.lab.container import PATIENCE_SECONDS
from tests.runtime.lab.promises import assert_a_clean_end, assert_nothing_was_lost
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=10)
WORKERS = 70
# The article's set-up: 27.8 a second and both cores.
MOST_STARTS_PER_SECOND = 0.5
# The bar is 10 s, measured in benchmarks/draining/; rows of this tier share two cores with each other, and 70 workers
# boot then. Who forgets a worker lets it never come.
SECONDS_TO_CONSUME_AGAIN = 150


@pytest.mark.parametrize(
    ("broker", "seconds"),
    # How the pod holds its starts back does not depend on the broker; that workers of the others come back is seen
    # under load: of RabbitMQ below, of PostgreSQL in test_broker_crashes.py.
    [("redis", 60), *(pytest.param(broker, 30, marks=pytest.mark.long) for broker in ("rabbitmq", "postgresql"))],
)
def test_an_outage_is_waited_out_by_one_probe_and_all_workers_consume_soon_after(
    open_scene: Callable[..., Scene],
    broker: str,
    seconds: int,
) -> None:
    scene = open_scene(broker)
    pod = scene.ours(WORKERS, BUDGET).start()
    scene.wait_for_consumers(WORKERS)

    scene.broker.stop()
    scene.wait_until(lambda: len(pod.workers()) <= 1, 120, "the workers have lost the broker")
    before, since = len(pod.events("workerStarted")), time.monotonic()
    time.sleep(seconds)
    knocks, away = len(pod.events("workerStarted")) - before, time.monotonic() - since
    already = len(scene.account().consuming)
    scene.broker.start()

    scene.wait_until(
        lambda: len(scene.account().consuming) >= already + WORKERS,
        SECONDS_TO_CONSUME_AGAIN,
        "all workers consume again, now that the broker is back",
    )
    assert knocks <= MOST_STARTS_PER_SECOND * away + 1, f"{knocks} starts in {away:.0f} s: a hot loop"
    assert pod.running, "an outage of the broker is no reason to restart the pod"
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)


@pytest.mark.parametrize(
    "broker", ["redis", *(pytest.param(name, marks=pytest.mark.long) for name in ("rabbitmq", "postgresql"))]
)
def test_an_outage_under_load_loses_nothing_and_repeats_only_what_was_in_flight(
    open_scene: Callable[..., Scene],
    broker: str,
) -> None:
    scene = open_scene(broker)
    scene.send(messages(seed=22, number=100, least=2, most=6))
    # Longer than a message on a slow machine, and over when the broker is back.
    pod = scene.ours(20, BUDGET, {"REDELIVER_TIMEOUT": "40"}).start()
    scene.wait_for_messages_in_flight(18)
    time.sleep(3)

    stopping = time.monotonic()
    scene.broker.stop()
    stopped = time.monotonic()
    time.sleep(60)
    scene.broker.start()

    scene.wait_until(lambda: len(scene.account().finished) == 100, 300, "every message is handled")
    deletion = pod.delete(BUDGET.grace)
    account = scene.account()
    scene.settle()
    assert_a_clean_end(deletion, pod, scene)
    assert (scene.broker.depth().ready, scene.broker.depth().taken) == (0, 0), "some would come again"
    assert not account.killed
    assert not account.overlapping, f"in two hands at once: {account.overlapping}"
    # Their handlers went on while the broker was away, and nobody was there to take the acknowledgement.
    in_flight = {one.message for at in (stopping, stopped) for one in account.in_flight_at(at)}
    assert account.started_again <= in_flight, f"not in flight, yet repeated: {account.started_again - in_flight}"
    assert len(in_flight) <= 2 * 20


def test_a_pod_waits_for_a_broker_that_comes_late(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    scene.broker.stop()
    pod = scene.ours(20, BUDGET).start()
    time.sleep(8)
    assert pod.running
    assert not scene.account().consuming

    scene.broker.start()

    scene.wait_for_consumers(20, SECONDS_TO_CONSUME_AGAIN)


def test_a_pod_whose_broker_never_comes_ends_at_its_start_deadline(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    scene.broker.stop()
    try:
        pod = scene.ours(20, BUDGET, {"EBBTIDE_START_DEADLINE_SECONDS": "6"}).start()

        assert pod.wait(PATIENCE_SECONDS), "a pod that never became ready must not idle for ever"
        assert (pod.gone_at or 0) - pod.started_at > 5, "not before its deadline"
        assert pod.exit_status() == 5, pod.output()
        assert pod.events("gaveUp")[0]["exitStatus"] == 5, pod.output()
    finally:
        scene.broker.start()


def test_a_pod_that_waits_for_its_broker_is_gone_at_once_when_deleted(open_scene: Callable[..., Scene]) -> None:
    scene, budget = open_scene("redis"), Budget(60)
    scene.broker.stop()
    try:
        pod = scene.ours(20, budget).start()
        scene.wait_until(lambda: bool(pod.events("startsHeld")), 120, "the workers are held back")

        deletion = pod.delete(budget.grace)

        assert not deletion.sigkilled
        assert deletion.exit_status in (0, 3), "3 when a probe was just failing"
        assert pod.events("drainEnded")[0]["running"] == 0
        assert deletion.seconds < budget.stop_wait, f"nothing ran, yet it took {deletion.seconds:.1f} s: {pod.output()}"
    finally:
        scene.broker.start()


def test_messages_queued_before_an_outage_are_handled_after_it(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    scene.send(messages(seed=13, number=60, least=0.1, most=0.3))
    scene.broker.stop()
    pod = scene.ours(10, BUDGET).start()
    time.sleep(4)

    scene.broker.start()

    scene.wait_until(lambda: len(scene.account().finished) == 60, 240, "every message is handled")
    deletion = pod.delete(BUDGET.grace)
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
