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

    @property
    def alive(self) -> bool:
        return bool(self.pid)

    def start(self) -> None:
        self.pid, self.started_at = 1000 + self.number, time.monotonic()

    def lived_seconds(self, now: float) -> float:
        return now - self.started_at

    def asleep(self) -> bool:
        return False


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    environment, _ = read_environment({"EBBTIDE_PROCESSES": "3"})
    assert environment is not None
    workers: list[Any] = [Sleepless(number) for number in range(3)]
    return Pool(replace(environment, state_directory=tmp_path), workers, lambda *_args, **_fields: None)


def test_a_probe_that_has_become_ready_lets_the_others_start(pool: Pool) -> None:
    # Time-outs have taught the gate to wait for long: longer than a busy worker needs to count as ready.
    pool.gate.settle_seconds = 2 * LONGEST_BOOT_SECONDS
    pool.begin()
    assert [worker.alive for worker in pool.workers] == [True, False, False]
    pool.workers[0].started_at -= LONGEST_BOOT_SECONDS + 1
    pool.step()
    assert pool.workers[0].ready
    assert all(worker.alive for worker in pool.workers), "one worker of 70 does all the work until it rotates"
