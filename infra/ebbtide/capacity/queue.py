"""A queue: messages in the order of their arrival, and those that came back from a worker that was killed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from ebbtide.capacity.histogram import MICROSECONDS
from ebbtide.capacity.kernel import Cursor
from ebbtide.capacity.trace import Chunk

NEVER_US = 1 << 62


class Queue:
    """One queue, filled from a load chunk by chunk. Its cursor says how far workers are."""

    def __init__(self, name: str, load: Iterable[Chunk], redelivery_seconds: float) -> None:
        self.name = name
        self.cursor = Cursor()
        self.arrived = 0
        """Messages of all chunks that were read."""
        self.last_arrival_us = 0
        self.exhausted = False
        self._load: Iterator[Chunk] = iter(load)
        self._ahead: deque[Chunk] = deque()
        """Chunks that have arrived in part and wait for a worker: 16 bytes a waiting message."""
        self._returned: list[tuple[int, int]] = []
        """When each message of a killed worker can be taken again, and how long it takes."""
        self._redelivery_us = round(redelivery_seconds * MICROSECONDS)

    def read_until(self, now: int) -> None:
        """Have every message at hand that arrives before `now`."""
        while not self.exhausted and self.last_arrival_us < now:
            self._read_chunk()

    def _read_chunk(self) -> bool:
        chunk = next(self._load, None)
        if chunk is None or not len(chunk[0]):
            self.exhausted = True
            return False
        self._ahead.append(chunk)
        self.arrived += len(chunk[0])
        self.last_arrival_us = chunk[0][-1]
        return True

    def next_chunk(self) -> bool:
        """Put the next chunk under the cursor; False after the last."""
        if not self._ahead and not self._read_chunk():
            return False
        self.cursor.arrivals, self.cursor.durations = self._ahead.popleft()
        self.cursor.index = 0
        return True

    def give_back(self, killed_us: int, duration: int) -> None:
        """A worker was killed with a message in hand: all of it is to be done again."""
        heappush(self._returned, (killed_us + self._redelivery_us, duration))

    def next_return_us(self) -> int:
        """When the first message that came back can be taken."""
        return self._returned[0][0] if self._returned else NEVER_US

    def take_returned(self) -> tuple[int, int]:
        """The first message that came back: when it could be taken, and its duration."""
        return heappop(self._returned)

    def limit_to(self, returned_us: int) -> None:
        """Let the kernel stop where a message that came back is next."""
        cursor = self.cursor
        end = len(cursor.arrivals)
        cursor.limit = end if returned_us == NEVER_US else bisect_right(cursor.arrivals, returned_us, cursor.index)

    def head_us(self) -> int:
        """When the next message can be taken, whichever it is; `NEVER_US` when the load is at its end."""
        cursor = self.cursor
        while cursor.index == len(cursor.arrivals):
            if not self.next_chunk():
                return self.next_return_us()
        return min(cursor.arrivals[cursor.index], self.next_return_us())

    def take(self) -> tuple[int, int]:
        """The message that `head_us` is about: when it could be taken, and its duration."""
        cursor = self.cursor
        if cursor.index == len(cursor.arrivals) or self.next_return_us() < cursor.arrivals[cursor.index]:
            return heappop(self._returned)
        cursor.index += 1
        return cursor.arrivals[cursor.index - 1], cursor.durations[cursor.index - 1]

    def waiting(self, now: int) -> int:
        """Messages that have come, or come back, before `now` and were not started."""
        cursor = self.cursor
        count = bisect_left(cursor.arrivals, now) - cursor.index
        for arrivals, _ in self._ahead:
            count += len(arrivals) if arrivals[-1] < now else bisect_left(arrivals, now)
        return count + sum(at < now for at, _ in self._returned)

    def returning(self, now: int) -> int:
        """Messages whose worker was killed and which cannot be taken yet."""
        return sum(at >= now and at - self._redelivery_us <= now for at, _ in self._returned)

    def unfinished(self) -> bool:
        """Whether a killed message is still to be done again."""
        return bool(self._returned)

    def oldest_us(self, now: int) -> int:
        """Since when the next message could be taken; `now` if nothing waits."""
        cursor = self.cursor
        first = now
        if cursor.index < len(cursor.arrivals):
            first = cursor.arrivals[cursor.index]
        elif self._ahead:
            first = self._ahead[0][0][0]
        return min(now, first, self.next_return_us())
