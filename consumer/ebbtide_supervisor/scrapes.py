"""Answers scrapes: the least of HTTP that a collector asks for, in one thread that nobody can keep busy.

A thousand scrapes a second wait in the kernel's queue and are answered ten a second; a collector that never ends its
request is hung up on. Nothing is computed but when somebody asks.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.events import emit
from ebbtide_supervisor.pod_metrics import PodMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from ebbtide_supervisor.environment import Environment

    Answer = Callable[[str], tuple[bytes, str]]

MOST_CONNECTIONS: Final = 8
QUEUE: Final = 16
# How long a connection may take from its first byte to the last of the answer.
CONNECTION_SECONDS: Final = 5.0
SECONDS_BETWEEN_ANSWERS: Final = 0.1
LONGEST_REQUEST_BYTES: Final = 8192
# A port that is taken may become free: of a pod, all containers share it.
PORT_RETRY_SECONDS: Final = 30.0


def serve_metrics(environment: Environment) -> None:
    """Answer scrapes for ever."""
    metrics = PodMetrics(environment)
    listener = _listen(environment.metrics_port)
    server = ScrapeServer(listener, metrics.page)
    while True:
        server.step()


def _listen(port: int) -> socket.socket:
    """The port, once it is free; says once that it is not."""
    told = False
    while True:
        try:
            return listen(port)
        except OSError as error:
            if not told:
                emit("metricsFailed", port=port, reason=f"the port cannot be had: {os.strerror(error.errno or 0)}")
                told = True
        time.sleep(PORT_RETRY_SECONDS)


def listen(port: int) -> socket.socket:
    """A listening socket for IPv4, and for IPv6 where the machine has it.

    Raises:
        OSError: the port cannot be had.
    """
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return socket.create_server(("", port), family=family, backlog=QUEUE, dualstack_ipv6=both)


class ScrapeServer:
    """The connections. `answer` is given what a collector accepts, and gives a page and its type."""

    def __init__(self, listener: socket.socket, answer: Answer) -> None:
        self._listener = listener
        self._answer = answer
        self._connections: dict[socket.socket, _Connection] = {}
        self._accept_at = 0.0
        listener.setblocking(False)  # noqa: FBT003

    def step(self) -> None:
        """Wait for something to do, and do it."""
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if now >= one.ends_at]:
            self._close(connection)
        reading = [one.socket for one in self._connections.values() if not one.answer]
        writing = [one.socket for one in self._connections.values() if one.answer]
        times = [one.ends_at for one in self._connections.values()]
        if len(self._connections) < MOST_CONNECTIONS:
            if now >= self._accept_at:
                reading.append(self._listener)
            else:
                times.append(self._accept_at)
        wait = max(0.0, min(times) - now) if times else None
        readable, writable, _ = select.select(reading, writing, [], wait)
        for ready in readable:
            if ready is self._listener:
                self._accept()
            else:
                self._read(self._connections[ready])
        for ready in writable:
            self._write(self._connections[ready])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it has gone again
            accepted, _ = self._listener.accept()
            accepted.setblocking(False)  # noqa: FBT003
            self._connections[accepted] = _Connection(accepted)
            self._accept_at = time.monotonic() + SECONDS_BETWEEN_ANSWERS

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(LONGEST_REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        connection.request += data
        if not data:
            self._close(connection)
        elif b"\r\n\r\n" in connection.request:
            connection.answer = self._respond(connection.request)
            self._write(connection)
        elif len(connection.request) > LONGEST_REQUEST_BYTES:
            connection.answer = _response("431 Request Header Fields Too Large", b"the request is too long\n")
            self._write(connection)

    def _respond(self, request: bytes) -> bytes:
        line, *headers = request.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"only GET is answered\n", allow="GET, HEAD")
        if rest.partition(" ")[0].partition("?")[0] != "/metrics":
            return _response("404 Not Found", b"there is only /metrics\n")
        named = (header.partition(":") for header in headers)
        accept = next((value for name, _, value in named if name.lower() == "accept"), "")
        body, content_type = self._answer(accept)
        return _response("200 OK", body, content_type, with_body=method == "GET")

    def _write(self, connection: _Connection) -> None:
        try:
            connection.answer = connection.answer[connection.socket.send(connection.answer) :]
        except BlockingIOError:
            return
        except OSError:
            connection.answer = b""
        if not connection.answer:
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.socket]
        connection.socket.close()


class _Connection:
    """One collector."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.request = b""
        self.answer = b""
        self.ends_at = time.monotonic() + CONNECTION_SECONDS


def _response(
    status: str,
    body: bytes,
    content_type: str = "text/plain; charset=utf-8",
    *,
    allow: str = "",
    with_body: bool = True,
) -> bytes:
    headers = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    headers += [f"Allow: {allow}"] if allow else []
    head = "\r\n".join([*headers, "Connection: close", "", ""]).encode()
    return head + body if with_body else head
