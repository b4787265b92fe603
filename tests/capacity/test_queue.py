"""How many messages wait: asked at every sync of a day, also of a queue that nobody catches up with."""

from __future__ import annotations

from array import array
from random import Random
from typing import Any

from ebbtide.capacity.queue import Queue
from ebbtide.capacity.trace import Chunk


def chunk(arrivals: list[int]) -> Chunk:
    return array("q", arrivals), array("q", [1] * len(arrivals))


def test_waiting_is_what_has_arrived_and_was_not_started() -> None:
    random = Random(7)
    arrivals = sorted(random.choices(range(1000), k=300))
    queue = Queue((chunk(arrivals[start : start + 30]) for start in range(0, 300, 30)), redelivery_seconds=0)
    started = 0
    for now in sorted(random.choices(range(1, 1000), k=100)):
        queue.read_until(now + random.randrange(200))
        for _ in range(random.randrange(5)):
            if queue.cursor.index == len(queue.cursor.arrivals) and not queue.next_chunk():
                break
            if queue.cursor.arrivals[queue.cursor.index] < now:
                queue.cursor.index += 1
                started += 1
        assert queue.waiting(now) == sum(arrival < now for arrival in arrivals) - started
    assert started


class Watched(list[int]):
    """Arrivals that count how often somebody looks at one."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        Watched.looks += 1
        return super().__getitem__(place)


def test_a_long_backlog_is_not_counted_anew_at_each_sync() -> None:
    chunks: list[Any] = [(Watched([start, start + 1]), [1, 1]) for start in range(0, 2000, 2)]
    queue = Queue(chunks, redelivery_seconds=0)
    queue.read_until(1999)
    Watched.looks = 0
    assert queue.waiting(1995) == 1995
    assert Watched.looks < 20
