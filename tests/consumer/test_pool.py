"""The pool alone, with workers whose age and sleep the test decides."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ebbtide_supervisor.environment import read_environment
from ebbtide_supervisor.pool import LONGEST_BOOT_SECONDS, Pool

if TYPE_CHECKING:
    from pathlib import Path


class Sleepless:
    """A worker that is never seen asleep: busy from its first second."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 0
        self.started_at = 0.0
        self.ready = False
        self.left_others = False
        self.on_end: Any = None
        self.asked = 0

    def ask(self) -> None:
        self.asked += 1

    def ask_again(self) -> None:
        self.asked += 1

    def kill_group(self) -> None:
        """Of no use: it waits for a disk."""

    @property
    def alive(self) -> bool:
        return bool(self.pid)

    def start(self) -> None:
        self.pid, self.started_at = 1000 + self.number, time.monotonic()

    def lived_seconds(self, now: float) -> float:
        return now - self.started_at

    def asleep(self) -> bool:
        return False


def pool_of(directory: Path, **changes: Any) -> Pool:
    environment, _ = read_environment({"EBBTIDE_PROCESSES": "3"})
    assert environment is not None
    workers: list[Any] = [Sleepless(number) for number in range(3)]
    return Pool(replace(environment, state_directory=directory, **changes), workers, lambda *_args, **_fields: None)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return pool_of(tmp_path)


def test_a_probe_that_has_become_ready_lets_the_others_start(pool: Pool) -> None:
    # Time-outs have taught the gate to wait for long: longer than a busy worker needs to count as ready.
    pool.gate.settle_seconds = 2 * LONGEST_BOOT_SECONDS
    pool.begin()
    assert [worker.alive for worker in pool.workers] == [True, False, False]
    pool.workers[0].started_at -= LONGEST_BOOT_SECONDS + 1
    pool.step()
    assert pool.workers[0].ready
    assert all(worker.alive for worker in pool.workers), "one worker of 70 does all the work until it rotates"


@pytest.mark.parametrize("heard_from_the_broker", [True, False])
def test_a_probe_that_dies_of_its_message_lets_the_others_start(tmp_path: Path, *, heard_from_the_broker: bool) -> None:
    """RabbitMQ gives it to the next worker at once: if only probes ran, each would die of it."""
    pool = pool_of(tmp_path)
    pool.begin()
    probe: Any = pool.workers[0]
    (tmp_path / "workers").mkdir()
    if heard_from_the_broker:
        (tmp_path / "workers/0").touch()
    probe.pid = 0
    probe.on_end(probe, 255 << 8)
    pool.step()
    assert [worker.alive for worker in pool.workers] == [False] + 2 * [heard_from_the_broker]


def asked_within_3_s(pool: Pool) -> list[int]:
    drain = pool.begin_drain("hook")
    at = drain.began_at
    while (upcoming := drain.next_at(at)) is not None and upcoming < drain.began_at + 3:
        at = upcoming
        drain.step(at)
    return [vars(worker)["asked"] for worker in pool.workers]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [({}, 4), ({"worker_kind": "command"}, 1), ({"drain": "stopFile"}, 0)],
    ids=["Symfony", "another program", "by stop file"],
)
def test_a_symfony_worker_that_was_booting_when_it_was_asked_is_asked_again(
    tmp_path: Path, changes: dict[str, Any], asked: int
) -> None:
    """Symfony since 6.3 forgets a signal that comes before it has a worker; a second one ends some other programs."""
    pool = pool_of(tmp_path, **changes)
    consuming, _, slow = pool.workers
    for worker in pool.workers:
        worker.start()
    slow.started_at -= LONGEST_BOOT_SECONDS  # type: ignore[misc]
    slow.ready = True
    (tmp_path / "workers").mkdir()
    (tmp_path / f"workers/{consuming.number}").touch()
    once = min(asked, 1)
    assert asked_within_3_s(pool) == [once, asked, asked], "who has a message in flight is disturbed once, not more"


def test_a_worker_that_sleeps_while_it_boots_is_asked_again_where_none_tells_what_it_does(tmp_path: Path) -> None:
    """Without WorkerProgress it is taken for ready by its sleep: its signal was forgotten, and it was killed inside a
    message when the time to stop was over."""
    pool = pool_of(tmp_path)
    asleep, old, _ = pool.workers
    for worker in pool.workers:
        worker.start()
        worker.ready = True
    old.started_at -= LONGEST_BOOT_SECONDS  # type: ignore[misc]
    assert asleep.ready
    assert asked_within_3_s(pool) == [4, 1, 4]


def test_a_worker_that_no_kill_ends_is_waited_for_without_a_busy_loop(tmp_path: Path) -> None:
    """The kernel ends it when its disk answers, and tells: until then PID 1 woke up a thousand times a second."""
    pool = pool_of(tmp_path)
    for worker in pool.workers:
        worker.start()
    drain = pool.begin_drain("hook")
    late: list[float] = []
    pool.wake_at = lambda at: late.append(time.monotonic() - at)
    stop_wait, grace = pool.environment.stop_wait_seconds, pool.environment.grace_seconds
    for moment, times in ((stop_wait - 1, 1), (stop_wait + 1, 1), (grace + 1, 0)):
        drain.began_at = time.monotonic() - moment
        for _ in range(10):  # what it would have said since then
            pool.step()
        late.clear()
        pool.step()
        assert len(late) == times
        assert all(seconds < 0 for seconds in late), f"{moment} s after its begin a time that is past is waited for"
    for stuck in pool.workers:
        vars(stuck)["pid"] = 0
    pool.step()
    assert pool.finished, "nobody has ended the container within its grace period"
