"""A message whose worker was killed comes back soon enough, and never while somebody still handles it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import Message, messages
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

LONGEST_SECONDS = 15
# As the example's README says: above the longest message, and not by much.
REDELIVER_TIMEOUT = LONGEST_SECONDS + 5
PROMISED_SECONDS = LONGEST_SECONDS + 60
BUDGET = Budget(LONGEST_SECONDS)
WORKERS = 8
MESSAGE_SECONDS = 8


@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "postgresql"])
def test_killed_messages_come_back_in_time_to_an_idle_pod(
    open_scene: Callable[..., Scene], broker: str, record_property: Callable[[str, object], None],
) -> None:
    back = seconds_until_back(open_scene(broker), {})
    record_property("seconds until each killed message was begun again", back)
    # Redis hands them out one after the other: a worker claims the oldest only, and only if nobody has it.
    serial = MESSAGE_SECONDS * len(back) if broker == "redis" else 0
    assert max(back) <= PROMISED_SECONDS + serial, f"comes back after {back} s on {broker}"


@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "postgresql"])
def test_a_message_that_is_still_being_handled_is_not_given_to_a_second_worker(
    open_scene: Callable[..., Scene], broker: str,
) -> None:
    scene = open_scene(broker)
    # The longest allowed, with nine idle workers that would love to have it.
    scene.send([Message("long", LONGEST_SECONDS)])
    pod = scene.ours(10, BUDGET, {"REDELIVER_TIMEOUT": str(REDELIVER_TIMEOUT)}).start()

    scene.wait_until(lambda: "long" in scene.account().finished, LONGEST_SECONDS + 20, "it is handled")
    time.sleep(8)  # longer than anybody's interval of looking

    assert scene.account().started_again == set()
    pod.delete(BUDGET.grace)


def seconds_until_back(scene: Scene, environment: Mapping[str, str]) -> list[float]:
    """Kills a pod with messages in hand; how long until a second, idle pod began each of them again."""
    environment = {"REDELIVER_TIMEOUT": str(REDELIVER_TIMEOUT), **environment}
    doomed, other = (scene.ours(WORKERS, BUDGET, environment).start() for _ in range(2))
    scene.wait_for_consumers(2 * WORKERS)
    scene.send(messages(seed=17, number=2 * WORKERS, least=MESSAGE_SECONDS, most=MESSAGE_SECONDS))
    scene.wait_for_messages_in_hand(2 * WORKERS - 2)

    killed_at = time.monotonic()
    doomed.signal(signal.SIGKILL)

    scene.wait_until(
        lambda: len(scene.account().finished) == 2 * WORKERS, PROMISED_SECONDS + 60, "every message is handled")
    account = scene.account()
    assert len(account.killed) >= WORKERS - 2, "the kill was meant to meet messages in hand"
    assert {one.worker.rsplit("-", 1)[0] for one in account.killed} == {doomed.name}
    assert not account.handled_twice, f"handled twice: {account.handled_twice}"
    assert not account.overlapping
    deletion = other.delete(BUDGET.grace)
    assert not deletion.sigkilled
    again = account.started_again
    return sorted(
        round(one.started_at - killed_at, 1)
        for one in account.handlings if one.started_at > killed_at and one.message in again)
