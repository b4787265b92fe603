"""Lifecycle events: one JSON object a line on the container's stdout, so `kubectl logs` tells what happened."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Protocol

STDOUT = 1


class Emit(Protocol):
    """Reports one event."""

    def __call__(self, event: str, **fields: object) -> None: ...


def emit(event: str, **fields: object) -> None:
    """Write one line at once: a write of up to 4096 bytes to a pipe is never mixed with a worker's."""
    _write(event_line(event, **fields))


def event_line(event: str, **fields: object) -> bytes:
    """The event as it stands in the log."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    return json.dumps({"time": stamp, "event": event, **fields}, separators=(",", ":")).encode() + b"\n"


def _write(data: bytes) -> None:
    # Workers share this open file: one that makes it non-blocking makes it so for PID 1 too.
    while data:
        try:
            data = data[os.write(STDOUT, data) :]
        except BlockingIOError:
            select.select([], [STDOUT], [], 1)
        except OSError:
            return  # Nobody reads the log any more: the workers matter more than the line.
