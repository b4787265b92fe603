"""A transport's address, read as Symfony reads it. What cannot be read is refused without a word of it: it may hold the
password, and the reason goes to a log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the messages of a transport lie, beside its DSN.
_OF_A_QUEUE: Final = (
    *("stream", "queue_name", "table_name", "exchange", "queues", "queue", "topic", "topics", "tube_name", "dbindex"),
)
_WHERE_NOTHING_IS_SAID: Final[Mapping[str, Mapping[str, Any]]] = {
    "redis": {"stream": "messages", "dbindex": 0},
    "doctrine": {"queue_name": "default", "table_name": "messenger_messages"},
}
# Connection::parseDsn of symfony/redis-messenger: all before the first `@` is user and password, a slash too.
_REDIS: Final = re.compile(
    r"(?P<scheme>rediss?|valkeys?):(?P<slashes>//)?(?:(?:(?P<user>[^:@]*):)?(?P<password>[^@]*)@)?(?P<rest>.*)",
    re.DOTALL,
)
_PLACE: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?")


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is, and who connects. `credentials` are the words of AUTH."""

    scheme: str
    credentials: tuple[str, ...]
    host: str
    port: int | None
    path: tuple[str, ...]

    def __repr__(self) -> str:
        return "RedisAddress(...)"


def redis_address(dsn: str) -> RedisAddress:
    """Read one server's address.

    Raises:
        ValueError: it is a cluster, a sentinel, a socket, or cannot be read. Without any part of the address.
    """
    found = _REDIS.fullmatch(dsn)
    place = _PLACE.match(found["rest"]) if found and found["slashes"] else None
    after = found["rest"][place.end() :] if found and place else "?"
    if not found or not place or not place["host"] or "," in found["rest"] or (after and after[0] not in "?#"):
        raise ValueError("only one Redis server given by host and port can be read")
    # Symfony leaves `default` out, and decodes twice: once where it parses, once where it connects.
    user = "" if found["user"] == "default" else found["user"] or ""
    words = tuple(unquote(unquote(word)) for word in (user, found["password"] or "") if word)
    path = tuple(part for part in (place["path"] or "").split("/") if part)
    port = int(place["port"]) if place["port"] else None
    return RedisAddress(found["scheme"], words, place["host"].strip("[]"), port, path)


def path_of(dsn: str) -> tuple[str, ...]:
    """The parts of the path: stream, group and consumer of a Redis transport. Of several servers the last one's count,
    and of a socket, which has no host, none (Connection::fromDsn)."""
    place = _PLACE.match(_without_credentials(dsn.rpartition(",")[2]).partition("://")[2])
    path = place["path"] if place and place["host"] else None
    return tuple(part for part in (path or "").split("/") if part)


def queue_of(scheme: str, dsn: str, options: Mapping[str, Any]) -> tuple[object, ...]:
    """What tells the queue of a transport from others, as far as it is written."""
    said = {**_WHERE_NOTHING_IS_SAID.get(scheme, {}), **{key: options[key] for key in _OF_A_QUEUE if key in options}}
    place = dsn.partition("?")[0]
    if scheme == "redis":
        # The path wins over the option; with a group or a consumer of its own the stream is the same.
        path = path_of(dsn)
        place, said["stream"] = (
            place.rstrip("/").removesuffix("/".join(("", *path))),
            next(iter(path), said["stream"]),
        )
    return (place, *sorted((name, str(value)) for name, value in said.items()))


def query_of(dsn: str) -> dict[str, str]:
    """The options behind the question mark; of two the last one counts. One without a value is PHP's 0, or false."""
    query = _without_credentials(dsn).partition("?")[2].partition("#")[0]
    return {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}


def _without_credentials(dsn: str) -> str:
    found = _REDIS.fullmatch(dsn)
    return f"{found['scheme']}:{found['slashes'] or ''}{found['rest']}" if found else dsn
