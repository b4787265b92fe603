"""Each end of a pod is one line of the log that a count can be made of, or is found by the next container."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from ebbtide_supervisor.metric_texts import EVENT_COUNTS
from tests.consumer.conftest import until

if TYPE_CHECKING:
    from tests.consumer.conftest import Container

WORKERS = 3
SHORT = ("--tell", "--message-seconds", "1")
LONG = ("--tell", "--message-seconds", "30")


def busy(container: Container, *options: str, **variables: object) -> None:
    container.start(*container.command(*options), PROCESSES=WORKERS, **variables)
    until(lambda: len({line.split()[1] for line in container.ledger("started")}) == WORKERS, "every worker to be busy")


def counted(container: Container) -> Counter[tuple[str, object]]:
    """What the counts of log lines would be, by name and label."""
    return Counter(
        (count.name, event.get(count.label))
        for count in EVENT_COUNTS
        if count.label is not None
        for event in container.events(count.event)
    )


def kill(container: Container) -> None:
    """PID 1 as the kernel or the kubelet kills it; in a pod its processes go with it."""
    assert container.process is not None
    pids = [event["pid"] for event in container.events("workerStarted")]
    container.process.kill()
    container.process.wait()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_clean_drain_is_counted_once(container: Container) -> None:
    busy(container, *SHORT)
    container.terminate()
    assert container.wait() == 0
    assert counted(container) == {("ebbtide_drains_started", "SIGTERM"): 1, ("ebbtide_drains_ended", "clean"): 1}
    assert container.events("drainEnded")[0]["cutOff"] == 0


def test_a_drain_that_kills_says_how_many_messages_it_cut_off(container: Container) -> None:
    busy(container, *LONG, "--ignore-signal", LONGEST_MESSAGE_SECONDS=0, STOP_WAIT_SECONDS=1)
    container.terminate()
    assert container.wait() == 3
    assert counted(container) == {("ebbtide_drains_started", "SIGTERM"): 1, ("ebbtide_drains_ended", "killed"): 1}
    assert container.events("drainEnded")[0]["cutOff"] == WORKERS


def test_a_grace_period_that_is_too_short_is_said_before_it_is_over(container: Container) -> None:
    busy(container, *LONG)
    hook = container.popen("drain")
    container.until_event("drainStarted")
    time.sleep(0.5)
    container.terminate()  # while the hook waits: what a kubelet does whose grace period is over
    event = container.until_event("drainCutShort")
    assert (event["running"], event["inFlight"]) == (WORKERS, WORKERS)
    assert "the grace period is used up" in event["reason"]
    assert not container.events("drainEnded")
    hook.kill()
    hook.wait()


def test_a_hook_that_was_killed_leaves_the_rest_of_the_grace_period(container: Container) -> None:
    busy(container, "--tell", "--message-seconds", "2")
    hook = container.popen("drain")
    container.until_event("drainStarted")
    hook.kill()
    hook.wait()
    container.terminate()
    assert container.wait() == 0
    assert not container.events("drainCutShort"), "a warning of an end that does not come"


def test_the_last_words_of_a_pod_that_is_cut_off_say_what_was_in_flight(container: Container) -> None:
    busy(container, *LONG)
    container.terminate()
    event = container.until_event("drainWaiting")
    assert (event["running"], event["inFlight"]) == (WORKERS, WORKERS)
    assert 2 <= event["seconds"] < 15, "before the stop wait is over"
    kill(container)
    assert not container.events("drainEnded")


@pytest.mark.runtime
@pytest.mark.parametrize("outcome", ["cut_off", "never_asked"])
def test_a_container_that_was_killed_is_found_by_the_next_one_and_counted_once(
    container: Container, outcome: str
) -> None:
    busy(container, *LONG)
    if outcome == "cut_off":
        container.terminate()
        # Said two seconds later: until then the state that the next container reads may not be written.
        container.until_event("drainWaiting")
    kill(container)
    container.start(*container.command(*SHORT))
    event = container.until_event("containerLost")
    assert (event["outcome"], event["inFlight"]) == (outcome, WORKERS)
    assert event["silentSeconds"] <= 30
    container.until_event("workersReady")
    container.terminate()
    assert container.wait() == 0
    assert counted(container)["ebbtide_containers_lost", outcome] == 1
    assert len(container.events("containerLost")) == 1


def test_a_container_that_has_ended_by_itself_is_not_missed(container: Container) -> None:
    busy(container, *SHORT)
    container.terminate()
    assert container.wait() == 0
    before = len(container.events("workersReady"))
    container.start(*container.command(*SHORT))
    until(lambda: len(container.events("workersReady")) > before, "the second container")
    container.terminate()
    assert container.wait() == 0
    assert not container.events("containerLost")
