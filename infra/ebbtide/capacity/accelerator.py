"""The kernel in C, for loads of millions of messages; every result is the same, to the byte.

kernel.c is compiled when it is first needed, half a second once a machine, by whatever C compiler is there. Why not
numba, or a wheel for every platform: docs/decisions/compiled-kernel.md.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from array import array
from bisect import bisect_left
from functools import cache
from pathlib import Path

from ebbtide.capacity import histogram, trace, workers
from ebbtide.capacity.histogram import LINEAR_STEPS, LOG_STEPS, Histogram
from ebbtide.capacity.kernel import Cursor, run_pure
from ebbtide.capacity.workers import SLOT_BITS, Workers

_SOURCE = Path(__file__).with_name("kernel.c")
_CONSTANTS = {
    **{name: getattr(histogram, name) for name in ("LINEAR_END_US", "LINEAR_STEP_US", "LINEAR_STEPS", "LOG_STEPS")},
    **{name: getattr(workers, name) for name in ("SLOT_BITS", "SLOT_MASK")},
    **{name: getattr(trace, name) for name in ("LONGEST_LOAD_US", "LONGEST_MESSAGE_US")},
}
# Below as many messages Python is done before its heap has become an array; or, where it is one, before C is called.
_LEAST_MESSAGES, _LEAST_PACKED = 64, 8
# 101 days of waiting, the most that a key can say, are below the eleventh doubling of ten thousand seconds.
_BEYOND_STEPS = 11 * LOG_STEPS


class NoCompilerError(Exception):
    """There is no C compiler, or none that works, or no place for what it makes; the message says which."""


class AcceleratedKernel:
    """A kernel with counts of its own for waits of hours. Raises NoCompilerError."""

    def __init__(self) -> None:
        self._library = _load()
        self._beyond = array("q", bytes(8 * _BEYOND_STEPS))
        self._sums = array("q", [0, 0, 0])
        # Neither ever grows, so neither moves.
        self._beyond_address, self._sums_address = _address(self._beyond), _address(self._sums)

    def run(self, cursor: Cursor, workers: Workers, end_us: int) -> bool:
        """As `run_pure`, which it leaves short intervals to."""
        first, waits, sums = cursor.index, cursor.histogram, self._sums
        arrived = bisect_left(cursor.arrivals, end_us, first, cursor.limit)
        if not len(workers) or arrived == first:
            return first == cursor.limit
        if arrived - first < (_LEAST_MESSAGES if workers.packed is None else _LEAST_PACKED):
            return run_pure(cursor, workers, end_us)
        sums[0], sums[1], sums[2] = 0, waits.longest_us, 0
        keys = _keys_of(workers)
        index: int = self._library.start_messages(
            _address(cursor.arrivals),
            _address(cursor.durations),
            first,
            arrived,
            end_us,
            _address(keys),
            len(keys),
            _address(workers.durations),
            _address(workers.arrivals),
            workers.noted_above_us,
            _address(_linear_of(waits)),
            self._beyond_address,
            self._sums_address,
        )
        waits.count += index - first
        waits.total_us += sums[0]
        waits.longest_us = sums[1]
        cursor.started += index - first
        cursor.work_us += sums[2]
        cursor.index = index
        return index == cursor.limit

    def count_unfree(self, workers: Workers, now: int) -> int:
        """All at once."""
        keys = _keys_of(workers)
        unfree: int = self._library.count_from(_address(keys), len(keys), (now + 1) << SLOT_BITS)
        return unfree

    def unfree_us(self, workers: Workers, now: int) -> int:
        """All at once."""
        keys = _keys_of(workers)
        time: int = self._library.time_from(_address(keys), len(keys), (now + 1) << SLOT_BITS, now)
        return time

    def is_sound(self, arrivals: array[int], durations: array[int]) -> bool:
        """One by one, at 1 ns."""
        return bool(self._library.is_sound(_address(arrivals), _address(durations), len(arrivals)))

    def finish(self, histogram: Histogram) -> None:
        """Add what was counted here."""
        for step, count in enumerate(self._beyond):
            if count:
                histogram.beyond[step] = histogram.beyond.get(step, 0) + count
                self._beyond[step] = 0


def _keys_of(workers: Workers) -> array[int]:
    """The heap as an array, which stays until Python changes the heap."""
    keys = workers.packed
    if keys is None:
        keys = workers.packed = array("q", workers.heap)
    return keys


def _linear_of(histogram: Histogram) -> array[int]:
    """The steps as an array: made once a run, of nothing but zeros most of the time."""
    if not isinstance(histogram.linear, array):
        empty = bytes(8 * (LINEAR_STEPS + 1))
        histogram.linear = array("q", histogram.linear if histogram.count else empty)
    return histogram.linear


def _address(numbers: array[int]) -> int:
    return numbers.buffer_info()[0]


@cache
def _load() -> ctypes.CDLL:
    """The compiled kernel; of this source, these constants and this machine. Raises NoCompilerError."""
    options = [f"-D{name}={value}LL" for name, value in _CONSTANTS.items()]
    made_of = [_SOURCE.read_text(), *options, platform.machine(), platform.system()]
    name = f"kernel-{hashlib.sha256(''.join(made_of).encode()).hexdigest()[:16]}.so"
    try:
        directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"
        if not (directory / name).exists():
            directory.mkdir(parents=True, exist_ok=True)
            _compile(options, directory / name)
        library = ctypes.CDLL(str(directory / name))
    except (OSError, RuntimeError) as error:  # the latter from a user without a home, as in many containers
        raise NoCompilerError(f"the compiled kernel cannot be kept: {error}") from None
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.start_messages.argtypes = (
        [pointer] * 2 + [number] * 3 + [pointer, number] + [pointer] * 2 + [number] + [pointer] * 3
    )
    library.count_from.argtypes = [pointer, number, number]
    library.time_from.argtypes = [pointer, number, number, number]
    library.is_sound.argtypes = [pointer, pointer, number]
    for function in (library.start_messages, library.count_from, library.time_from, library.is_sound):
        function.restype = number
    return library


def _compile(options: list[str], target: Path) -> None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NoCompilerError("there is no C compiler (cc, gcc or clang)")
    # Under a name of its own first: several processes may be about to need it.
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        made = Path(temporary) / target.name
        command = [compiler, "-O2", "-shared", "-fPIC", *options, "-o", str(made), str(_SOURCE)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NoCompilerError(f"{compiler} fails: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        made.replace(target)
