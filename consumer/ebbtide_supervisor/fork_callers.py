"""The socket on which the parent and the workers that it forks call PID 1, in supervisord's loop."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final

from supervisor.medusa import asyncore_25 as asyncore

if TYPE_CHECKING:
    from collections.abc import Callable

# What the parent says of its boot, with `auto`, names extensions and places.
LONGEST_LINE: Final = 65536


class Door:
    """What supervisord's loop asks of the listening socket."""

    def __init__(self, door: socket.socket, hear: Callable[[Caller, str], None], on_error: Callable[[], None]) -> None:
        self._door = door
        self._hear = hear
        self.handle_error = on_error  # supervisord calls it inside its own except

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._door.accept()
                Caller(connection, self._hear, self.handle_error)


class Caller:
    """One connection: the parent's, or a worker's."""

    def __init__(
        self, connection: socket.socket, hear: Callable[[Caller, str], None], on_error: Callable[[], None]
    ) -> None:
        self.handle_error = on_error
        self._connection = connection
        self._hear = hear
        self.on_close: Callable[[], None] = lambda: None
        """The other end has closed it."""
        self._heard = b""
        # A socket takes 212,992 bytes, and 768 for a line of 28: 278 lines. To 399 workers more is said at once.
        self._unsent = b""
        self._is_open = True
        connection.settimeout(0)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.pid: int = struct.unpack("3i", credentials)[0]
        asyncore.socket_map[connection.fileno()] = self

    def say(self, line: str) -> bool:
        """Whether there is somebody to hear it: now, or when the other end has read what was said before."""
        self._unsent += line.encode()
        return self._send()

    def _send(self) -> bool:
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            return True
        except OSError:
            self._unsent = b""
            return False
        self._unsent = self._unsent[sent:]
        return True

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            asyncore.socket_map.pop(self._connection.fileno(), None)
            self._connection.close()

    def readable(self) -> bool:
        return self._is_open

    def writable(self) -> bool:
        return self._is_open and bool(self._unsent)

    def handle_write_event(self) -> None:
        self._send()

    def handle_read_event(self) -> None:
        try:
            data = self._connection.recv(LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self.on_close()
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            if self._is_open:
                self._hear(self, line.decode(errors="replace"))
        if len(self._heard) > LONGEST_LINE:
            self.close()
