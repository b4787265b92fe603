"""A queue: messages in the order of their arrival, and those that came back from a worker that was killed."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.kernel import Cursor, start_one
from ebbtide.capacity.trace import Chunk
from ebbtide.capacity.workers import Workers

NEVER_US = 1 << 62


class Queue:
    """One queue, filled from a load chunk by chunk. Its cursor says how far workers are."""

    def __init__(self, load: Iterable[Chunk], redelivery_seconds: float) -> None:
        self.cursor = Cursor()
        self.arrived = 0
        """Messages of all chunks that were read."""
        self.last_arrival_us = 0
        self.exhausted = False
        self._load: Iterator[Chunk] = iter(load)
        self._ahead: deque[Chunk] = deque()
        """Chunks that have arrived in part and wait for a worker: 16 bytes a waiting message."""
        self._messages_ahead = 0
        self.returned: list[tuple[int, int, int]] = []
        """When each message of a killed worker can be taken again, when it arrived, and how long it takes."""
        self._redelivery_us = round(redelivery_seconds * MICROSECONDS)

    def read_until(self, now: int) -> None:
        """Have every message at hand that arrives before `now`."""
        while not self.exhausted and self.last_arrival_us < now:
            self._read_chunk()

    def beginning(self, end_us: int) -> Chunk:
        """The first messages, those that arrive before `end_us`. Nothing may have been started yet."""
        self.read_until(end_us)
        arrivals, durations = array("q"), array("q")
        for chunk in self._ahead:
            count = bisect_left(chunk[0], end_us)
            arrivals.extend(chunk[0][:count])
            durations.extend(chunk[1][:count])
        return arrivals, durations

    def _read_chunk(self) -> bool:
        chunk = next(self._load, None)
        if chunk is None or not len(chunk[0]):
            self.exhausted = True
            return False
        self._ahead.append(chunk)
        self._messages_ahead += len(chunk[0])
        self.arrived += len(chunk[0])
        self.last_arrival_us = chunk[0][-1]
        return True

    def next_chunk(self) -> bool:
        """Put the next chunk under the cursor; False after the last."""
        if not self._ahead and not self._read_chunk():
            return False
        self.cursor.arrivals, self.cursor.durations = self._ahead.popleft()
        self._messages_ahead -= len(self.cursor.arrivals)
        self.cursor.index = 0
        return True

    def give_back(self, killed_us: int, arrival: int, duration: int, end_us: int) -> None:
        """A worker was killed with a message in flight that it would have ended at `end_us`: all of it is to be done
        again, and its wait goes on until then."""
        heappush(self.returned, (killed_us + self._redelivery_us, arrival, duration))
        if arrival >= 0:
            self.cursor.histogram.remove(end_us - duration - arrival)

    def next_return_us(self) -> int:
        """When the first message that came back can be taken."""
        return self.returned[0][0] if self.returned else NEVER_US

    def start_returned(self, workers: Workers) -> None:
        """Start the first message that came back."""
        ready, arrival, duration = heappop(self.returned)
        start = start_one(workers, ready, arrival, duration)
        self.cursor.started += 1
        self.cursor.work_us += duration
        # One that arrived before the beginning is of the warm-up, which no figure has.
        if arrival >= 0:
            self.cursor.histogram.add(start - arrival)

    def limit_to(self, returned_us: int) -> None:
        """Let the kernel stop where a message that came back is next."""
        cursor = self.cursor
        end = len(cursor.arrivals)
        cursor.limit = end if returned_us == NEVER_US else bisect_right(cursor.arrivals, returned_us, cursor.index)

    def waiting(self, now: int) -> int:
        """Messages that have come, or come back, before `now` and were not started."""
        cursor = self.cursor
        count = bisect_left(cursor.arrivals, now) - cursor.index + self._messages_ahead
        # From the last one: a backlog of a day is a thousand chunks, all but the last of which have come.
        for arrivals, _ in reversed(self._ahead):
            if arrivals[-1] < now:
                break
            count -= len(arrivals) - bisect_left(arrivals, now)
        return count + sum(ready < now for ready, _, _ in self.returned) if self.returned else count

    def returning(self, now: int) -> int:
        """Messages whose worker was killed and which cannot be taken yet."""
        if not self.returned:
            return 0
        return sum(ready >= now and ready - self._redelivery_us <= now for ready, _, _ in self.returned)

    def oldest_us(self, now: int) -> int:
        """When the message that has waited longest arrived; `now` if nothing waits."""
        cursor = self.cursor
        first = now
        if cursor.index < len(cursor.arrivals):
            first = cursor.arrivals[cursor.index]
        elif self._ahead:
            first = self._ahead[0][0][0]
        return min([now, first, *(arrival for ready, arrival, _ in self.returned if ready < now)])

    def unstarted(self) -> Iterator[tuple[int, int]]:
        """(arrival, duration) of every message at hand that is still to be started, those that come back included."""
        cursor = self.cursor
        yield from zip(cursor.arrivals[cursor.index :], cursor.durations[cursor.index :], strict=True)
        for arrivals, durations in self._ahead:
            yield from zip(arrivals, durations, strict=True)
        yield from ((arrival, duration) for _, arrival, duration in self.returned)
