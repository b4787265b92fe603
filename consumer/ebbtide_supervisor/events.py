"""Lifecycle events: one JSON object a line on the container's stdout, so `kubectl logs` tells what happened."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Protocol

STDOUT = 1
# How long PID 1 waits for a log reader that is stuck before it goes on without it.
READER_SECONDS = 1.0


class Emit(Protocol):
    """Reports one event."""

    def __call__(self, event: str, **fields: object) -> None: ...


class _Log:
    """Stdout, whose reader may stop reading: then PID 1 must still hear its SIGTERM, and drops lines instead."""

    def __init__(self) -> None:
        self._dropped = 0

    def write(self, line: bytes) -> None:
        # One write of up to 4096 bytes to a pipe is never mixed with a worker's, and is whole or not at all.
        if self._dropped:
            line = event_line("eventsDropped", count=self._dropped) + line
        self._dropped = 0 if self._put(line) else self._dropped + 1

    def _put(self, data: bytes) -> bool:
        patience = 0.0 if self._dropped else READER_SECONDS
        while data:
            try:
                if not select.select([], [STDOUT], [], patience)[1]:
                    return False
                data = data[os.write(STDOUT, data) :]
            except BlockingIOError:  # Workers share this open file: one that makes it non-blocking does so for PID 1.
                continue
            except OSError:
                return True  # Nobody reads the log any more: the workers matter more than the line.
        return True


_LOG = _Log()


def emit(event: str, **fields: object) -> None:
    """Write one line at once."""
    _LOG.write(event_line(event, **fields))


def event_line(event: str, **fields: object) -> bytes:
    """The event as it stands in the log."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    return json.dumps({"time": stamp, "event": event, **fields}, separators=(",", ":")).encode() + b"\n"
