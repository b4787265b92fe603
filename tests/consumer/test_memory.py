"""The event memoryMeasured: what settings can be told of a pod."""

from __future__ import annotations

import mmap
import os
import signal
from typing import Any

import pytest
from ebbtide_supervisor.memory import FIRST_LOOK_SECONDS, LOOK_SECONDS, Memory, usage_kibibytes

MEBIBYTES = 1024**2


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def memory(told: list[dict[str, Any]]) -> Memory:
    return Memory(lambda event, **fields: told.append({"event": event, **fields}))


def child(shared: mmap.mmap, private_mebibytes: int) -> int:
    """A process that has so much for itself, and so much of what it has been forked with."""
    ready, tell = os.pipe()
    if (pid := os.fork()) == 0:
        kept = mmap.mmap(-1, private_mebibytes * MEBIBYTES)
        kept.write(b"x" * (private_mebibytes * MEBIBYTES))
        assert shared[0] == 1
        os.write(tell, b"x")
        signal.pause()
    os.read(ready, 1)
    return pid


def test_what_processes_share_is_told_apart_from_what_the_largest_has_for_itself(
    memory: Memory, told: list[dict[str, Any]]
) -> None:
    shared = mmap.mmap(-1, 64 * MEBIBYTES)
    shared.write(b"\1" * (64 * MEBIBYTES))
    pids = [child(shared, size) for size in (2, 30)]
    try:
        memory.look(0, pids, [os.getpid()], ready=True)
        assert told == [], "workers that have just become ready have done nothing yet"
        memory.look(FIRST_LOOK_SECONDS, pids, [os.getpid()], ready=True)
        (event,) = told
        assert event["event"] == "memoryMeasured"
        assert event["processes"] == 2
        assert 30 <= event["processMebibytes"] < 30 + 64, "what is shared is not the process's own"
        assert event["sharedMebibytes"] >= 64
        assert memory.seen is not None
        assert (event["sharedMebibytes"], event["processMebibytes"]) == tuple(
            -(-memory.seen[part] // 1024) for part in ("shared", "process")
        )
        memory.look(FIRST_LOOK_SECONDS + LOOK_SECONDS, pids, [os.getpid()], ready=True)
        assert len(told) == 1, "nothing has grown"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_growth_is_told_and_a_pod_that_is_not_ready_tells_nothing(
    memory: Memory, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {1: (20 * 1024, 10 * 1024)}
    monkeypatch.setattr("ebbtide_supervisor.memory.usage_kibibytes", sizes.get)
    memory.look(0, [1], [], ready=False)
    memory.look(10 * LOOK_SECONDS, [1], [], ready=False)
    assert told == []
    assert memory.seen is None
    memory.look(10 * LOOK_SECONDS, [1], [], ready=True)
    memory.look(11 * LOOK_SECONDS, [1, 2], [3], ready=True)
    sizes[1] = (40 * 1024, 30 * 1024)
    memory.look(12 * LOOK_SECONDS, [1], [], ready=True)
    assert [(event["processMebibytes"], event["sharedMebibytes"]) for event in told] == [(10, 10), (30, 10)]
    sizes[1] = (15 * 1024, 5 * 1024)
    memory.look(13 * LOOK_SECONDS, [1], [], ready=True)
    assert len(told) == 2, "the event is for what has grown"
    assert memory.seen == {"shared": 10 * 1024, "process": 5 * 1024}, "the metric says what is"


def test_a_process_that_has_ended_is_not_counted() -> None:
    assert usage_kibibytes(2**22) is None
