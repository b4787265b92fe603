"""A load on disk: when each message arrives and how long it takes, in whole microseconds.

Layout: 16 bytes of header (magic, version), then pairs of little-endian int64, arrival and duration, by arrival. A
24-hour trace of 10 million messages has 160 MB and is read in chunks, so memory stays flat. Parsing the same as CSV
takes 7 to 9 s by itself; `ebbtide simulate convert` does it once.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.judgement.findings import Finding, SettingsError

MAGIC = b"EBBTIDE-LOAD\x00\x00\x00\x01"
_PAIR_BYTES = 16
# 128 KiB a chunk, which the processor's cache holds: with 1 MiB, reading and checking take half as long again.
CHUNK_MESSAGES = 8_192

_DAY_US = 86_400 * MICROSECONDS
LONGEST_LOAD_DAYS, LONGEST_MESSAGE_DAYS, LONGEST_RUN_DAYS = 45, 7, 88
"""A run, with a pod that takes four days to start and a message on top, fits into a kernel's 43 bits of time."""
LONGEST_LOAD_US, LONGEST_MESSAGE_US, LONGEST_RUN_US = (
    days * _DAY_US for days in (LONGEST_LOAD_DAYS, LONGEST_MESSAGE_DAYS, LONGEST_RUN_DAYS)
)

Chunk: TypeAlias = "tuple[array[int], array[int]]"
"""Arrivals and durations of consecutive messages, in microseconds."""

IsSound: TypeAlias = "Callable[[array[int], array[int]], bool]"
"""Whether a chunk, not empty, is sorted and without negative or endless times; False may mean doubt."""


class TraceError(SettingsError):
    """A load that cannot be used; the message names the place and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__([Finding((), message, rule="load")])


def write_trace(file: Path, chunks: Iterable[Chunk]) -> int:
    """Write a trace, in place of one that is there, once it is complete; else nothing is left. Returns the number of
    messages."""
    temporary = file.with_name(f"{file.name}.partial")
    count = 0
    try:
        with temporary.open("wb") as out:
            out.write(MAGIC)
            for arrivals, durations in chunks:
                pairs = array("q", bytes(_PAIR_BYTES * len(arrivals)))
                pairs[0::2] = arrivals
                pairs[1::2] = durations
                if sys.byteorder == "big":
                    pairs.byteswap()
                pairs.tofile(out)
                count += len(arrivals)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return count


def is_trace(file: Path) -> bool:
    """Whether a file is a binary trace."""
    with file.open("rb") as opened:
        return opened.read(len(MAGIC)) == MAGIC


def read_trace(file: Path, is_sound: IsSound | None = None) -> Iterator[Chunk]:
    """The chunks of a trace. Raises TraceError where it is cut off, unsorted or negative."""
    is_sound = is_sound or is_sound_by_bytes
    last = 0
    seen = 0
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise TraceError(f"{file}: is no binary trace; make one with `ebbtide simulate convert`")
        while True:
            data = opened.read(CHUNK_MESSAGES * _PAIR_BYTES)
            if not data:
                return
            if len(data) % _PAIR_BYTES:
                raise TraceError(
                    f"{file}: ends in the middle of message {seen + len(data) // _PAIR_BYTES + 1}; convert it again"
                )
            pairs = array("q")
            pairs.frombytes(data)
            if sys.byteorder == "big":
                pairs.byteswap()
            arrivals, durations = _every_other(pairs, 0), _every_other(pairs, 1)
            last = _check(file, (arrivals, durations), last, seen, is_sound)
            seen += len(arrivals)
            yield arrivals, durations


def _every_other(numbers: array[int], first: int) -> array[int]:
    """Half of them. By way of bytes, which takes half as long as a slice of the array."""
    half = array("q")
    half.frombytes(memoryview(numbers)[first::2].tobytes())
    return half


def refuse_endless(where: str, arrival: int, duration: int) -> None:
    """Raise TraceError for a message, in microseconds, that lies further away than a run can reach."""
    if arrival > LONGEST_LOAD_US:
        days = arrival / _DAY_US
        raise TraceError(f"{where} arrives {days:,.0f} days after the first; cut the load at {LONGEST_LOAD_DAYS} days")
    if duration > LONGEST_MESSAGE_US:
        days = duration / _DAY_US
        raise TraceError(f"{where} takes {days:,.0f} days; at most {LONGEST_MESSAGE_DAYS} are simulated")


def is_sound_by_bytes(arrivals: array[int], durations: array[int]) -> bool:
    """As every machine can tell: 25 ns a message, where lists would take 90."""
    return (
        arrivals[-1] <= LONGEST_LOAD_US and _is_rising(arrivals.tobytes()) and _is_below_six_days(durations.tobytes())
    )


def _is_rising(numbers: bytes) -> bool:
    """Each minus the one before it, all in one subtraction of two long integers: where one is smaller, it borrows, and
    its topmost byte is not zero."""
    after, before = (int.from_bytes(part, sys.byteorder) for part in (numbers[8:], numbers[:-8]))
    return _byte_is_zero((after - before).to_bytes(len(numbers), sys.byteorder, signed=True), 7)


def _is_below_six_days(numbers: bytes) -> bool:
    """Not negative and below 2**39, by the bytes of each number."""
    return all(_byte_is_zero(numbers, place) for place in (5, 6, 7)) and _byte(numbers, 4).isascii()


def _byte(numbers: bytes, place: int) -> bytes:
    """One byte of each 64-bit number, counted from the lowest."""
    return numbers[place if sys.byteorder == "little" else 7 - place :: 8]


def _byte_is_zero(numbers: bytes, place: int) -> bool:
    return _byte(numbers, place) == bytes(len(numbers) // 8)


def _check(file: Path, chunk: Chunk, last: int, seen: int, is_sound: IsSound) -> int:
    """Refuse what the kernel relies on not to be there; a few passes in C over a chunk. Returns its last arrival."""
    arrivals, durations = chunk
    if arrivals[0] < last or not is_sound(arrivals, durations):
        for index, (arrival, duration) in enumerate(zip(arrivals, durations, strict=True), seen + 1):
            if arrival < last:
                raise TraceError(
                    f"{file}: message {index} arrives before the one above it; sort the load and convert it again"
                )
            if duration < 0:
                raise TraceError(f"{file}: message {index} takes {duration} us; a duration is not negative")
            refuse_endless(f"{file}: message {index}", arrival, duration)
            last = arrival
    return arrivals[-1]
