"""Kills a pod with messages in flight and watches when another pod begins each of them again."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.runtime.lab.application import messages
from tests.runtime.lab.container import PATIENCE_SECONDS
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.runtime.lab.scene import Scene

MESSAGE_SECONDS = 8
# As the example's README says: above the longest message, and not by much.
LONGEST_SECONDS = 15
REDELIVER_TIMEOUT = LONGEST_SECONDS + 5


@dataclass(frozen=True)
class Redelivery:
    """What was killed, and after how many seconds each was begun again, in order."""

    killed: int
    back_after_seconds: tuple[float, ...]


def kill_and_watch(
    scene: Scene,
    workers: int,
    patience_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Redelivery:
    """Two pods, every worker busy; one pod is killed, the other is idle once it has finished its own.

    Raises:
        AssertionError: a message was handled twice, was in two hands at once, or did not come back in time.
    """
    budget = Budget(LONGEST_SECONDS)
    environment = {"REDELIVER_TIMEOUT": str(REDELIVER_TIMEOUT), **(environment or {})}
    doomed, other = (scene.ours(workers, budget, environment).start() for _ in range(2))
    scene.wait_for_consumers(2 * workers)
    scene.send(messages(seed=17, number=2 * workers, least=MESSAGE_SECONDS, most=MESSAGE_SECONDS))
    scene.wait_for_messages_in_flight(2 * workers - 2)

    doomed.signal(signal.SIGKILL)
    assert doomed.wait(PATIENCE_SECONDS)
    killed_at = doomed.gone_at or 0

    scene.wait_until(lambda: len(scene.account().finished) == 2 * workers, patience_seconds, "every message is handled")
    account = scene.account()
    assert len(account.killed) >= workers - 2, "the kill was meant to meet messages in flight"
    assert {one.worker.rsplit("-", 1)[0] for one in account.killed} == {doomed.name}
    assert not account.handled_twice, f"handled twice: {account.handled_twice}"
    assert not account.overlapping, f"in two hands at once: {account.overlapping}"
    assert not other.delete(budget.grace).sigkilled
    killed = {one.message for one in account.killed}
    return Redelivery(
        len(killed),
        tuple(
            sorted(
                round(one.started_at - killed_at, 1)
                for one in account.handlings
                if not one.killed and one.message in killed
            )
        ),
    )
