"""Workers that are forked where that is proved: by the build, and by the boots of two processes of the container."""
# ruff: noqa: F811 - a fixture of another module

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.consumer.conftest import until
from tests.consumer.test_forks import notes, prove, start, workers_of  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.consumer.conftest import Container
    from tests.consumer.test_forks import Start

AUTO = {"WORKER_START": "auto", "PROCESSES": 8}


def alone(container: Container) -> list[str]:
    return [line.split()[0].rpartition("-")[2] for line in notes(container, "booted-by-itself")]


def forked(container: Container) -> set[int]:
    return {int(line.split("=")[0].rpartition("-")[2]) for line in notes(container, "limit-")}


def assert_nothing_of_the_comparison_is_left(container: Container) -> None:
    assert not [file.name for file in container.state.iterdir() if file.name.startswith("first-boot")]


@pytest.mark.runtime
def test_the_first_worker_boots_by_itself_and_the_others_are_forked_from_a_boot_like_its_own(start: Start) -> None:
    container = start(**AUTO)
    container.until_event("workersReady")
    assert container.events("containerStarted")[0]["start"] == "auto"
    assert alone(container) == ["0"]
    assert forked(container) == set(range(1, 8))
    assert len(notes(container, "compared ")) == len(notes(container, "parent ")) == 1
    assert not container.events("forkOff")
    assert_nothing_of_the_comparison_is_left(container)


@pytest.mark.runtime
def test_no_worker_has_a_name_that_another_has(start: Start) -> None:
    container = start(**AUTO)
    container.until_event("workersReady")
    assert len(set(workers_of(container).values())) == 8
    names = [variables(pid)["MESSENGER_CONSUMER_NAME"] for pid in pids(container, "first", "parent")]
    assert sorted(names) == ["pod-a-0", "pod-a-1009"], "the parent has one of its own, so that who keeps it is found"


def pids(container: Container, *words: str) -> list[int]:
    return [int(line.split()[1]) for word in words for line in notes(container, f"{word} ")]


def variables(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/environ") as file:  # noqa: PTH123
        return dict(entry.split("=", 1) for entry in file.read().split("\0") if entry)


def test_the_first_worker_is_forked_like_the_others_when_it_rotates(start: Start) -> None:
    container = start(worker="--messages 1", **AUTO)
    until(lambda: 0 in forked(container), "worker 0 to rotate")
    assert alone(container) == ["0"]


@pytest.mark.runtime
def test_with_fewer_than_eight_processes_each_boots_by_itself_and_nothing_is_said(start: Start) -> None:
    container = start(WORKER_START="auto", PROCESSES=7)
    container.until_event("workersReady")
    assert container.events("containerStarted")[0]["start"] == "exec"
    assert len(alone(container)) == 7
    assert not container.events("forkOff"), "there is nothing to mend"
    assert not notes(container, "first "), "and nothing to compare"


@pytest.mark.runtime
@pytest.mark.parametrize("start_by", ["auto", "fork"])
def test_what_nobody_could_look_into_keeps_auto_from_forking_and_not_who_asks_for_it(
    image: Path,
    start: Start,
    start_by: str,
) -> None:
    prove(image, doubts=("it is not known here whether the extensions imagick live through a fork",))
    container = start(**AUTO | {"WORKER_START": start_by})
    container.until_event("workersReady")
    assert (not alone(container)) == (start_by == "fork")
    assert ["imagick" in event["reason"] for event in container.events("forkOff")] == [True] * (start_by == "auto")


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("kept", "facts", "words"),
    [
        ("MESSENGER_CONSUMER_NAME", {}, "would be the same in all workers: MESSENGER_CONSUMER_NAME"),
        ("EBBTIDE_PROCESS_NUMBER", {}, "would be the same in all workers: EBBTIDE_PROCESS_NUMBER"),
        ("SUPERVISOR_PROCESS_NAME", {}, "would be the same in all workers: SUPERVISOR_PROCESS_NAME"),
        ("", {"extensions": ["core", "uuid"]}, "the extensions uuid live"),
        ("", {"extensions": ["core", "grpc"]}, "the extension grpc"),
        ("", {"unseen": ["a Redis (service r)"]}, "a Redis (service r)"),
        ("", {"draws": ["1", "1"]}, "lcg_value()"),
        ("", {"descriptors": ["socket:[4711]"]}, "socket:[4711]"),
    ],
)
def test_what_only_the_container_s_own_boots_have_is_found_before_anybody_is_forked(
    start: Start,
    container: Container,
    kept: str,
    facts: dict[str, object],
    words: str,
) -> None:
    container.variables |= {"FAKE_KEPT": kept, "FAKE_FACTS": json.dumps(facts)}
    start(**AUTO)
    container.until_event("workersReady")
    (off,) = container.events("forkOff")
    assert words in off["reason"]
    assert not forked(container)
    assert len(alone(container)) == 8
    assert_nothing_of_the_comparison_is_left(container)
    assert not container.events("startsHeld"), "the application is not at fault"
    container.terminate()
    assert container.wait() == 0


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("is not seen", "the first worker consumes, and its boot was not seen"),
        ("cannot record", "could not be noted"),
        ("does not compare", "could not hold its boot against the first worker's"),
        ("tells a list", "could not hold its boot against the first worker's"),
        ("hangs while comparing", "has not booted within 4 s"),
        ("refuses", "booting has opened socket:[4711]"),
        ("ends", "before it had booted"),
    ],
)
def test_where_the_boots_cannot_be_compared_nobody_is_forked(start: Start, parent: str, words: str) -> None:
    container = start(parent=parent, START_DEADLINE_SECONDS=16, **AUTO)
    container.until_event("workersReady")
    (off,) = container.events("forkOff")
    assert words in off["reason"]
    assert len(alone(container)) == 8
    assert not forked(container)
    assert_nothing_of_the_comparison_is_left(container)


@pytest.mark.runtime
def test_a_first_worker_that_ends_before_it_has_booted_leaves_the_others_to_boot_by_themselves(
    start: Start,
) -> None:
    container = start(parent="dies at first", **AUTO)
    assert "has ended, and its boot was not seen" in container.until_event("forkOff")["reason"]
    container.until_event("workersReady")
    assert not container.events("parentReady")


@pytest.mark.runtime
def test_a_first_worker_that_ends_while_its_copy_is_at_work_costs_nothing(start: Start) -> None:
    container = start(parent="records slowly", **AUTO)
    pid = container.until_event("workerStarted")["pid"]
    until(lambda: notes(container, "booted-by-itself"), "the copy to be made")
    os.kill(pid, signal.SIGKILL)
    container.until_event("parentReady")
    container.until_event("workersReady")
    assert forked(container) == set(range(8))


def test_nobody_waits_for_the_comparison_but_who_would_be_forked(start: Start) -> None:
    container = start(parent="hangs while comparing", START_DEADLINE_SECONDS=120, **AUTO)
    ready = container.until_event("firstWorkerReady")
    assert ready["worker"] == 0
    assert container.run("healthcheck", "startup").returncode == 0
    until(lambda: container.run("healthcheck", "readiness").returncode == 0, "a pod that consumes")
    assert len(container.events("workerStarted")) == 1


@pytest.mark.runtime
def test_a_parent_that_is_killed_while_it_compares_is_replaced_by_one_that_compares(start: Start) -> None:
    container = start(parent="is killed while comparing", **AUTO)
    container.until_event("workersReady")
    assert container.events("parentEnded")[0]["signal"] == "SIGKILL"
    assert len(notes(container, "compared ")) == 1, "and only then is anybody forked"
    assert alone(container) == ["0"]


@pytest.mark.parametrize("parent", ["records slowly", "hangs while comparing"])
def test_a_drain_does_not_wait_for_the_comparison(start: Start, parent: str) -> None:
    container = start(parent=parent, **AUTO)
    until(lambda: notes(container, "booted-by-itself" if parent == "records slowly" else "parent"), "the comparison")
    time.sleep(0.2)
    began = time.monotonic()
    assert container.run("drain").returncode == 0
    container.terminate()
    assert container.wait() == 0
    assert time.monotonic() - began < 30, "it would hang for 300 s"
    assert len(container.events("workerStarted")) == 1, "and nobody starts after it"


@pytest.mark.runtime
def test_a_second_parent_is_held_against_the_one_before_it_and_needs_no_worker_for_that(start: Start) -> None:
    container = start(**AUTO)
    container.until_event("workersReady")
    os.kill(container.events("parentReady")[0]["pid"], signal.SIGKILL)
    until(lambda: len(container.events("parentReady")) == 2, "another parent")
    assert len(notes(container, "compared ")) == 1
    os.kill(workers_of(container)[3], signal.SIGKILL)
    container.until_event("workerStarted", worker=3, again=True)
    assert alone(container) == ["0"]
    assert_nothing_of_the_comparison_is_left(container)


@pytest.mark.runtime
def test_a_second_parent_that_has_booted_otherwise_forks_nobody(start: Start) -> None:
    container = start(parent="boots otherwise later", **AUTO)
    container.until_event("workersReady")
    os.kill(container.events("parentReady")[0]["pid"], signal.SIGKILL)
    assert "the parent before it had made otherwise" in container.until_event("forkOff")["reason"]
    os.kill(workers_of(container)[3], signal.SIGKILL)
    container.until_event("workerStarted", worker=3, again=True)
    until(lambda: sorted(alone(container)) == ["0", "3"], "worker 3 to boot by itself")
    assert {event["worker"] for event in container.events("workerEnded")} == {3}, "no other notices"


def test_what_the_boot_has_made_is_read_by_nobody_else(start: Start) -> None:
    container = start(parent="hangs while comparing", **AUTO)
    until(lambda: notes(container, "parent"), "the comparison")
    assert not list(container.directory.glob("**/first-boot.new"))
    key = variables(pids(container, "parent")[0])["EBBTIDE_FORK_KEY"]
    assert len(key) == 32
    assert key not in (container.state / "first-boot").read_text(), "digests of short secrets could be guessed with it"


@pytest.mark.runtime
@pytest.mark.parametrize("start_by", ["auto", "fork"])
def test_nobody_is_forked_from_a_parent_with_more_memory_than_is_set_aside_for_it(start: Start, start_by: str) -> None:
    container = start(parent="is large", **AUTO | {"WORKER_START": start_by})
    reason = container.until_event("forkOff")["reason"]
    assert "of its own, and 32 MiB are set aside for it" in reason, "the pod's limit would not hold"
    container.until_event("workersReady")
    assert not forked(container)
