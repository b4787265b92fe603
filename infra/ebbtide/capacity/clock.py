"""When anything is decided or looked at: the controller's syncs, the polls of KEDA's operator, and the instants that
either of them sees late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

MICROSECONDS = 1_000_000
"""In a second: what all times here are counted in."""


class Instant(NamedTuple):
    """One of them. A sync and a poll may fall together; where neither does, only the state is kept."""

    at_us: int
    syncs: bool = False
    polls: bool = False


class Beat(NamedTuple):
    """Something that comes again every `period_us`, for the first time at `first_us`."""

    first_us: int
    period_us: int

    def before(self, age_us: int, begin_us: int) -> Beat:
        """What it sees, where that is so old."""
        return Beat(begin_us + (self.first_us - age_us - begin_us) % self.period_us, self.period_us)


def polls_of(begin_us: int, polling_seconds: int, sync_seconds: int) -> Beat:
    """Polls and syncs keep no step in a cluster. Here a sync is on average as far from the poll before it as there. The
    half second is for the status, which keeps whole ones: a poll never falls on one."""
    offset = min(polling_seconds, sync_seconds) // 2 * MICROSECONDS + MICROSECONDS // 2
    return Beat(begin_us + offset, polling_seconds * MICROSECONDS)


def instants(syncs: Beat, polls: Beat | None = None, ages_us: Iterable[int] = ()) -> Iterator[Instant]:
    """All of them in order, without an end. `ages_us`: how late the sources are seen that are asked at an instant."""
    if polls is None:
        at = syncs.first_us
        while True:
            yield Instant(at, syncs=True)
            at += syncs.period_us
    begin = syncs.first_us - syncs.period_us
    looks = {beat.before(age, begin) for beat in (syncs, polls) for age in ages_us if age}
    ahead = [(beat.first_us, kind, beat.period_us) for beat, kind in [(syncs, "sync"), (polls, "poll")]]
    ahead += [(beat.first_us, "look", beat.period_us) for beat in looks]
    heapify(ahead)
    while True:
        at, kinds = ahead[0][0], set()
        while ahead[0][0] == at:
            _, kind, period = heappop(ahead)
            kinds.add(kind)
            heappush(ahead, (at + period, kind, period))
        yield Instant(at, "sync" in kinds, "poll" in kinds)
