"""Wakes supervisord's loop when something happens instead of at its next look round, up to a second later.

Each signal that arrives writes one byte into a pipe that the loop polls (`signal.set_wakeup_fd`). One byte is
read a round because supervisord also takes one signal a round: none is left waiting for a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from supervisor.medusa import asyncore_25 as asyncore

if TYPE_CHECKING:
    from collections.abc import Callable


class Wakeup:
    """A dispatcher in supervisord's socket map, and a timer that wakes it."""

    def __init__(self, step: Callable[[], None], on_error: Callable[[], None]) -> None:
        self._step = step
        self.handle_error = on_error  # supervisord calls it inside its own except
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        asyncore.socket_map[self._read_fd] = self
        # A full pipe means 65,536 wake-ups are waiting already.
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGALRM, lambda _signal, _frame: None)

    def soon(self) -> None:
        """Make the loop go round at once."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_fd, b"\0")

    def after(self, seconds: float) -> None:
        """Make the loop go round in that many seconds; replaces the time asked for before."""
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))

    def cancel(self) -> None:
        """No timer any more: Python gives SIGALRM back its default while it ends, which is to kill the process."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    # What supervisord's loop asks of a dispatcher.

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        try:
            os.read(self._read_fd, 1)
        except BlockingIOError:
            return
        self._step()
