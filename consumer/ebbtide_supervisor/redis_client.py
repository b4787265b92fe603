"""Enough of Redis' protocol to move messages: the image has no Redis library for Python, and needs four commands."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ebbtide_supervisor.dsn import redis_address
from ebbtide_supervisor.php_numbers import cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ebbtide_supervisor.image_facts import Transport

TIMEOUT_SECONDS: Final = 10.0
_NOT_SET: Final = "only one Redis server given by host and port can be read, and a variable is not set here"


class RedisError(Exception):
    """The server refused a command."""


@dataclass(frozen=True)
class Stream:
    """Where a Symfony Redis transport keeps its messages; the names are Symfony's defaults where none are given."""

    host: str
    port: int
    use_tls: bool
    credentials: tuple[str, ...]
    database: int
    stream: str
    group: str
    deletes_after_ack: bool
    """Whether it says so itself: Symfony's default is another one before 6.0."""

    @staticmethod
    def of(transport: Transport) -> Stream:
        """Read one transport.

        Raises:
            ValueError: it is a cluster, a sentinel, a socket, or has variables that are not set.
        """
        try:
            address, options = redis_address(transport.dsn), transport.options
        except ValueError:
            if "%env(" in transport.dsn:
                raise ValueError(_NOT_SET) from None
            raise
        auth = (str(options["auth"]),) if options.get("auth") else ()
        path = address.path
        found = Stream(
            host=address.host,
            port=address.port or 6379,
            use_tls=address.scheme in ("rediss", "valkeys") or _is_on(options, "tls"),
            credentials=address.credentials or auth,
            database=cast(options.get("dbindex")) or 0,
            stream=path[0] if path else str(options.get("stream") or "messages"),
            group=path[1] if len(path) > 1 else str(options.get("group") or "symfony"),
            deletes_after_ack=_is_on(options, "delete_after_ack"),
        )
        # Not all of the DSN: the name of a worker in its path or its query is known to no other process.
        used = (*found.credentials, found.stream, found.group, options.get("dbindex"), options.get("tls"))
        if any("%env(" in str(value) for value in used):
            raise ValueError(_NOT_SET)
        return found


def _is_on(options: Mapping[str, Any], name: str) -> bool:
    return str(options.get(name, "")).lower() in ("1", "true", "on", "yes")


class Redis:
    """One connection. Raises OSError when it breaks, RedisError when the server says no."""

    def __init__(self, stream: Stream) -> None:
        self._socket = socket.create_connection((stream.host, stream.port), TIMEOUT_SECONDS)
        if stream.use_tls:
            context = ssl.create_default_context()
            self._socket = context.wrap_socket(self._socket, server_hostname=stream.host)
        self._file = self._socket.makefile("rb")
        try:
            if stream.credentials:
                self._authenticate(stream.credentials)
            if stream.database:
                self.run("SELECT", str(stream.database))
        except BaseException:
            self.close()
            raise

    def _authenticate(self, credentials: tuple[str, ...]) -> None:
        """A server that does not know the command repeats its arguments: its text is no reason for a log."""
        try:
            self.run("AUTH", *credentials)
        except RedisError as error:
            code = str(error).partition(" ")[0]
            raise RedisError(f"the server refuses the credentials ({code})") from None

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def run(self, *command: str | bytes) -> Any:
        """One command, one answer."""
        self._socket.sendall(_encode(command))
        answer = self._answer()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def _answer(self) -> Any:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, text = line[:1], line[1:-2]
        if kind == b"-":
            return RedisError(text.decode())
        if kind == b"+":
            return text
        if kind == b":":
            return int(text)
        length = int(text)
        if length < 0:
            return None
        if kind == b"$":
            return self._file.read(length + 2)[:-2]
        return [self._answer() for _ in range(length)]


def _encode(command: tuple[str | bytes, ...]) -> bytes:
    words = [word.encode() if isinstance(word, str) else word for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
