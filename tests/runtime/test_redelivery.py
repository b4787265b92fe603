"""A message whose worker was killed comes back soon enough, and never while somebody still handles it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import Message
from tests.runtime.lab.redelivery import LONGEST_SECONDS, MESSAGE_SECONDS, REDELIVER_TIMEOUT, kill_and_watch
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

PROMISED_SECONDS = LONGEST_SECONDS + 60
BUDGET = Budget(LONGEST_SECONDS)
WORKERS = 8
# What Symfony alone would need more than four minutes for.
MANY_WORKERS = 35
RECOVERY = {"EBBTIDE_RECOVER_AFTER_SECONDS": str(BUDGET.stop_wait)}


@pytest.mark.parametrize("broker", ["redis", "rabbitmq", pytest.param("postgresql", marks=pytest.mark.long)])
def test_killed_messages_come_back_in_time_to_an_idle_pod(
    open_scene: Callable[..., Scene],
    broker: str,
    record_property: Callable[[str, object], None],
) -> None:
    # Redis hands them out one after the other: a worker claims the oldest only, and only if nobody has it.
    serial = MESSAGE_SECONDS * WORKERS if broker == "redis" else 0

    result = kill_and_watch(open_scene(broker), WORKERS, PROMISED_SECONDS + serial + 30)

    record_property("seconds until each killed message was begun again", result.back_after_seconds)
    assert len(result.back_after_seconds) == result.killed
    assert max(result.back_after_seconds) <= PROMISED_SECONDS + serial, f"too late on {broker}: {result}"


def test_recovery_hands_out_all_killed_messages_together(
    open_scene: Callable[..., Scene],
    record_property: Callable[[str, object], None],
) -> None:
    scene = open_scene("redis")

    result = kill_and_watch(scene, MANY_WORKERS, PROMISED_SECONDS, RECOVERY)

    record_property("seconds until each killed message was begun again", result.back_after_seconds)
    assert max(result.back_after_seconds) <= PROMISED_SECONDS, result
    # Idle workers ask once a second. (Symfony itself brings the oldest back before that.) One after the other, each
    # begins when the one before it has ended.
    together = result.back_after_seconds[-1] - result.back_after_seconds[1]
    assert together < MANY_WORKERS * MESSAGE_SECONDS / 8, f"one after the other, as without recovery: {result}"
    assert any(pod.events("messagesRecovered") for pod in scene.pods)


def test_recovery_takes_nothing_that_is_still_being_handled(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    scene.send([Message(f"long-{number}", LONGEST_SECONDS) for number in range(4)])
    pod = scene.ours(10, BUDGET, RECOVERY).start()

    scene.wait_until(lambda: len(scene.account().finished) == 4, LONGEST_SECONDS + 240, "they are handled")
    time.sleep(8)

    assert scene.account().started_again == set()
    assert not pod.events("messagesRecovered")
    deletion = pod.delete(BUDGET.grace)
    assert deletion.exit_status == 0, f"the program that recovers must not spoil the end: {pod.output()}"


@pytest.mark.parametrize("broker", ["redis", "rabbitmq", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_message_that_is_still_being_handled_is_not_given_to_a_second_worker(
    open_scene: Callable[..., Scene],
    broker: str,
) -> None:
    scene = open_scene(broker)
    # The longest allowed, with nine idle workers that would love to have it.
    scene.send([Message("long", LONGEST_SECONDS)])
    pod = scene.ours(10, BUDGET, {"REDELIVER_TIMEOUT": str(REDELIVER_TIMEOUT)}).start()

    scene.wait_until(lambda: "long" in scene.account().finished, LONGEST_SECONDS + 240, "it is handled")
    time.sleep(8)  # longer than anybody's interval of looking

    assert scene.account().started_again == set()
    pod.delete(BUDGET.grace)


def test_a_heartbeat_is_seen_to_give_away_what_is_still_being_handled(open_scene: Callable[..., Scene]) -> None:
    """Why a short one is refused. Should PHP ever beat during a handler, the rule must go."""
    scene = open_scene("rabbitmq")
    scene.send([Message("long", LONGEST_SECONDS)])
    dsn = scene.broker.environment()["MESSENGER_TRANSPORT_DSN"] + "?heartbeat=2"
    # A longest message of 3 s is what the entrypoint is told, and lets the heartbeat pass.
    pod = scene.ours(4, Budget(3), {"MESSENGER_TRANSPORT_DSN": dsn}).start()

    scene.wait_until(lambda: "long" in scene.account().overlapping, LONGEST_SECONDS + 20, "two workers have it")

    pod.delete(Budget(LONGEST_SECONDS).grace)
