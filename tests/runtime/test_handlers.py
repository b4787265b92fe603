"""What a drain does to handlers of different kinds: Symfony's workers get a signal, and so do their handlers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab.application import messages
from tests.runtime.lab.promises import assert_a_clean_end, assert_nothing_was_lost
from tests.runtime.lab.subjects import WORKER, Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=10)
WORKERS = 6


@pytest.mark.parametrize("how", ["wait", "shell", "database"])
def test_a_signal_does_not_disturb_handlers_that_loop_shell_out_or_query(
    open_scene: Callable[..., Scene],
    how: str,
) -> None:
    scene = open_scene("postgresql" if how == "database" else "redis")
    scene.send(messages(seed=14, number=24, least=2, most=3, how=how))
    pod = scene.ours(WORKERS, BUDGET).start()
    scene.wait_for_messages_in_hand(WORKERS)
    time.sleep(0.5)

    deletion = pod.delete(BUDGET.grace)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    short = [one for one in scene.account().handlings if (one.ended_at or 0) - one.started_at < 2]
    assert not short, f"cut short by the signal: {short[:2]}"


@pytest.mark.parametrize("how", ["sleep", "select"])
def test_a_stop_file_alone_does_not_disturb_handlers_that_a_signal_would(
    open_scene: Callable[..., Scene],
    how: str,
) -> None:
    scene = open_scene("redis")
    scene.send(messages(seed=15, number=36, least=2, most=3, how=how))
    pod = scene.ours(WORKERS, BUDGET, {"EBBTIDE_DRAIN": "stopFile"}, arguments=(*WORKER, "--limit=1")).start()
    scene.wait_for_messages_in_hand(WORKERS)
    time.sleep(0.5)

    deletion = pod.delete(BUDGET.grace)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    short = [one for one in scene.account().handlings if (one.ended_at or 0) - one.started_at < 2]
    assert not short, f"cut short: {short[:2]}"


@pytest.mark.parametrize("how", ["sleep", "select"])
def test_a_signal_is_seen_to_disturb_handlers_that_sleep_once_or_select(
    open_scene: Callable[..., Scene],
    how: str,
) -> None:
    """Why EBBTIDE_DRAIN=stopFile exists. Should PHP ever stop doing this, the documentation must change."""
    scene = open_scene("redis")
    scene.send(messages(seed=16, number=6, least=6, most=6, how=how))
    pod = scene.ours(WORKERS, BUDGET).start()
    scene.wait_for_messages_in_hand(WORKERS)
    time.sleep(0.5)

    pod.delete(BUDGET.grace)

    disturbed = [
        one
        for one in scene.account().handlings
        if one.failed is not None or (one.ended_at is not None and one.ended_at - one.started_at < 5)
    ]
    assert len(disturbed) == WORKERS, scene.account().handlings
