"""Brings back Redis messages whose worker was killed, all of them at once.

Symfony looks at the lowest pending entry only, one at a time: 70 killed messages of 200 s take 3.9 h to come back.
This claims every entry that has been pending for longer than the transport's redeliver_timeout, at which Symfony itself
would give it to another worker: whoever still handles it is not known here. It puts a copy at the end of the stream
and removes the original: the next idle worker has it. Opt-in (EBBTIDE_RECOVER_AFTER_SECONDS).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from ebbtide_supervisor.events import emit
from ebbtide_supervisor.image_facts import recorded_transports
from ebbtide_supervisor.redis_client import Redis, RedisError, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from ebbtide_supervisor.environment import Environment

# One script, so that nothing comes between claim and copy: two pods, or one that stalls, move an entry once.
# Redis 6.2 also lists entries that were deleted meanwhile: as false, or without fields.
MOVE: Final = """
local answer = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local moved, parked = 0, 0
for _, entry in ipairs(answer[2]) do
    if entry and entry[2] then
        local fields, times = {}, 1
        for at = 1, #entry[2], 2 do
            if entry[2][at] == ARGV[6] then
                times = tonumber(entry[2][at + 1]) + 1
            else
                fields[#fields + 1] = entry[2][at]
                fields[#fields + 1] = entry[2][at + 1]
            end
        end
        if times > tonumber(ARGV[7]) then
            redis.call('XADD', KEYS[2], '*', unpack(fields))
            parked = parked + 1
        else
            redis.call('XADD', KEYS[1], '*', ARGV[6], times, unpack(fields))
            moved = moved + 1
        end
        redis.call('XACK', KEYS[1], ARGV[1], entry[1])
        redis.call('XDEL', KEYS[1], entry[1])
    end
end
return {answer[1], moved, parked, redis.call('XLEN', KEYS[2])}
"""
# A copy has an id of its own, at which Redis' count of deliveries begins anew. So the entry counts itself, in a field
# that Symfony does not read (RedisReceiver takes `message`).
TIMES_FIELD: Final = "ebbtide-recovered"
# A message that takes its worker with it would do so for ever (25 of 25 times, measured).
MOST_RECOVERIES: Final = 5
PARKED_SUFFIX: Final = "-parked"
# Symfony acknowledges and deletes by two commands. What it could not delete, because the broker did not answer in time,
# nobody has and nobody takes; but the length of the stream counts it, and whoever scales on that never comes to zero.
# Of several groups another one may not have read it yet.
LEFT: Final = """
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
if #groups ~= 1 then return {} end
local group = {}
for at = 1, #groups[1], 2 do
    group[groups[1][at]] = groups[1][at + 1]
end
local left = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', group['last-delivered-id'], 'COUNT', ARGV[2])) do
    if #redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1) == 0 then
        left[#left + 1] = entry[1]
    end
end
return left
"""
ENTRIES_PER_LOOK: Final = 1000
# With a consumer its pending entries would go; one that is deleted and lives is made again by its next message.
FORGET: Final = """
local forgotten = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for at = 1, #fields, 2 do
        consumer[fields[at]] = fields[at + 1]
    end
    if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
        forgotten = forgotten + 1
    end
end
return forgotten
"""
# Each pod leaves one name for each of its workers, for ever.
FORGET_AFTER_SECONDS: Final = 86_400
# A consumer of the group that reads nothing.
CONSUMER: Final = "ebbtide-recover"
ENTRIES_PER_CLAIM: Final = 100
# Often enough for "longest message + 60 s", rare enough to cost nothing.
SHORTEST_ROUND_SECONDS: Final = 5.0
LONGEST_ROUND_SECONDS: Final = 20.0


class Look(NamedTuple):
    """What one round has seen of a stream, for the next one and for the metrics."""

    left: frozenset[bytes] = frozenset()
    """Entries that are acknowledged and were not deleted."""
    aside: int | None = None
    """How many messages lie in the stream of those put aside; None while nobody could look."""


def recover(environment: Environment) -> None:
    """Look again and again. Returns when there is nothing it could look at."""
    after = environment.recover_after_seconds
    looks = {stream: Look() for stream in _streams()}
    while looks:
        for stream, before in looks.items():
            looks[stream] = _recover(stream, after, before)
        aside = [look.aside for look in looks.values() if look.aside is not None]
        if len(aside) == len(looks):
            _tell(environment.parked_file, sum(aside))
        time.sleep(min(LONGEST_ROUND_SECONDS, max(SHORTEST_ROUND_SECONDS, after / 10)))
    emit("recoverOff", reason="the image's build has recorded no Redis transport that can be read")


def _streams() -> list[Stream]:
    streams = []
    for transport in recorded_transports(os.environ):
        if transport.scheme != "redis":
            continue
        try:
            streams.append(Stream.of(transport))
        except ValueError as error:
            emit("recoverOff", transport=transport.name, reason=str(error))
    return streams


def _tell(file: Path, parked: int) -> None:
    """For the metrics, which a helper that is started again serves at once."""
    with contextlib.suppress(OSError):  # a full volume: a metric that is old
        file.write_text(f"{parked}\n", encoding="ascii")


def _recover(stream: Stream, after_seconds: int, before: Look) -> Look:
    look = Look(aside=before.aside)
    try:
        redis = Redis(stream)
        try:
            recovered = recover_stream(redis, stream, after_seconds * 1000)
            _report(stream, recovered)  # before anything else fails: nobody counts it again
            look = Look(aside=recovered.aside)
            forget_consumers(redis, stream, FORGET_AFTER_SECONDS * 1000)
            if stream.deletes_after_ack:
                look = look._replace(left=drop_acknowledged(redis, stream, before.left))
        finally:
            redis.close()
    except (OSError, RedisError) as error:
        # Away or older than 6.2: the workers' own events tell of an outage, so say it once a round at most.
        emit("recoverFailed", stream=stream.stream, reason=str(error))
        return look
    return look


def _report(stream: Stream, recovered: Recovered) -> None:
    if recovered.moved:
        emit("messagesRecovered", stream=stream.stream, count=recovered.moved)
    if recovered.parked:
        emit("messagesParked", stream=stream.stream, parkedIn=parked_of(stream), count=recovered.parked)


class Recovered(NamedTuple):
    """What became of the entries of one stream."""

    moved: int
    """How many were moved to its end."""
    parked: int
    """How many were put aside."""
    aside: int
    """How many lie there now."""


def parked_of(stream: Stream) -> str:
    """The stream of messages that have taken too many workers with them; nothing reads it."""
    return f"{stream.stream}{PARKED_SUFFIX}"


def recover_stream(redis: Redis, stream: Stream, idle_milliseconds: int) -> Recovered:
    """Move every entry that has been pending for so long to the end of its stream, or put it aside."""
    moved = parked = 0
    cursor = b"0-0"
    while True:
        claim = (stream.group, CONSUMER, str(idle_milliseconds), cursor, str(ENTRIES_PER_CLAIM))
        limit = (TIMES_FIELD, str(MOST_RECOVERIES))
        cursor, *counts = redis.run("EVAL", MOVE, "2", stream.stream, parked_of(stream), *claim, *limit)
        moved, parked = moved + int(counts[0]), parked + int(counts[1])
        if cursor == b"0-0":
            return Recovered(moved, parked, int(counts[2]))


def drop_acknowledged(redis: Redis, stream: Stream, left: frozenset[bytes]) -> frozenset[bytes]:
    """Delete what is acknowledged and was so already in `left`; between the two commands of a living worker there are
    milliseconds. Returns what is left now."""
    now = frozenset(redis.run("EVAL", LEFT, "1", stream.stream, stream.group, str(ENTRIES_PER_LOOK)))
    dropped = sorted(now & left)
    if dropped:
        redis.run("XDEL", stream.stream, *dropped)
    return now - left


def forget_consumers(redis: Redis, stream: Stream, idle_milliseconds: int) -> int:
    """Delete the names that nobody has used for so long and that have nothing pending. Returns how many."""
    return int(redis.run("EVAL", FORGET, "1", stream.stream, stream.group, str(idle_milliseconds)))
