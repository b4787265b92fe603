"""messenger.yaml: the transports that an application has in production, of all its files together.

Only literals are read. `%env(...)%` and parameters stay what they are, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from ebbtide.doctor.data import Map, Place, Said
from ebbtide.doctor.of_image import path_of, query_of, queue_of

_VARIABLE: Final = re.compile(r"%env\((?:[a-z_]+:)*(\w+)\)%")
_SCHEME: Final = re.compile(r"([\w-]+)(?:\+\w+)?:")
# `https://sqs.eu-west-1.amazonaws.com/1/mail`: a queue by its URL.
_SQS: Final = re.compile(r"https?://sqs\.")
_ALIASES: Final = {"rediss": "redis", "valkey": "redis", "valkeys": "redis", "amqps": "amqp"}
_REDIS_OPTIONS: Final = frozenset({"stream", "consumer", "claim_interval", "delete_after_ack", "stream_max_entries"})
# The files of one environment are below `config/packages/prod/`.
_PACKAGES: Final = re.compile(r"(?P<root>.*?)config/packages/(?:(?P<environment>[^/]+)/)?[^/]+")
_LIVE: Final = ("", "prod")


@dataclass(frozen=True)
class MessengerPart:
    """What one file says of Messenger, for every environment or for one."""

    root: str
    """The application that it is of."""
    environment: str
    is_later: bool
    """Whether it is read after the files of all environments."""
    file: str
    messenger: Map


@dataclass(frozen=True)
class Transport:
    """A transport of Messenger, as it is in production."""

    name: str
    place: Place
    dsn: str
    scheme: str
    """`redis`, `amqp`, `doctrine`, `sqs`; empty where a variable holds it."""
    options: dict[str, Said[Any]]
    """With what the DSN's query says: that wins."""
    max_retries: Said[Any] | None
    failure_transport: str
    takes_failed_of: tuple[str, ...] = ()
    """The transports whose failure transport it is, itself left out."""
    root: str = ""
    """The application that it is of."""
    is_variable: bool = False
    """It is known by the variable that holds its address alone."""

    @property
    def title(self) -> str:
        """What to call it."""
        return self.name if self.is_variable else f"transport {self.name}"

    @property
    def queue(self) -> tuple[object, ...]:
        """What tells its queue from others, as far as it is written."""
        return queue_of(self.scheme, self.dsn, {name: said.value for name, said in self.options.items()})


def parts_of(document: Any, file: str) -> Iterator[MessengerPart]:
    """What a YAML document says of Messenger, below `when@ENV` as well; nothing where it says nothing of it."""
    if not isinstance(document, Map):
        return
    found = _PACKAGES.fullmatch(file)
    root = found["root"] if found else file.rpartition("/")[0]
    own = (found and found["environment"]) or ""
    places = [(own, document), *((key[5:], document.map(key)) for key in document if key.startswith("when@"))]
    for environment, place in places:
        # The files of an environment are read in no other one.
        if own in ("", environment) and "messenger" in place.map("framework"):
            yield MessengerPart(root, environment, bool(own), file, place.map("framework", "messenger"))


def transports_of(parts: Iterable[MessengerPart]) -> Iterator[Transport]:
    """The transports of each application in production: later files say over what earlier ones do, as Symfony reads
    them (MicroKernelTrait, configureContainer)."""
    by_root: dict[str, list[MessengerPart]] = {}
    for part in parts:
        if part.environment in _LIVE:
            by_root.setdefault(part.root, []).append(part)
    for of_one in by_root.values():
        yield from _transports(sorted(of_one, key=lambda part: (part.is_later, part.file)))


def _transports(parts: list[MessengerPart]) -> Iterator[Transport]:
    failure, said = "", dict[str, dict[str, Said[Any]]]()
    for part in parts:
        if "failure_transport" in part.messenger:
            failure = part.messenger.text("failure_transport")
        transports = part.messenger.map("transports")
        for name, value in transports.items():
            place = Place(part.file, transports.line_of(name))
            one = said.setdefault(name, {"": Said(name, place)})
            one.update({"dsn": Said(value, place)} if isinstance(value, str) else _flat(value, part.file))
    targets = {name: _text(one, "failure_transport") or failure for name, one in said.items()}
    for name, one in said.items():
        takes = tuple(other for other, target in targets.items() if target == name != other)
        yield replace(_transport(name, one, targets[name], takes), root=parts[0].root)


def variable_of(transport: Transport) -> str:
    """The variable that holds a transport's whole address; empty where none does."""
    found = _VARIABLE.fullmatch(transport.dsn)
    return found[1] if found else ""


def with_address(transport: Transport, dsn: str) -> Transport:
    """The same, where it is known what the variable holds."""
    said = {"": Said(transport.name, transport.place), "dsn": Said(dsn, transport.place)}
    said |= {f"options.{name}": one for name, one in transport.options.items()}
    if transport.max_retries is not None:
        said["retry_strategy.max_retries"] = transport.max_retries
    resolved = _transport(transport.name, said, transport.failure_transport, transport.takes_failed_of)
    return replace(resolved, root=transport.root)


def of_variable(name: str, said: Said[str]) -> Transport:
    """What a variable's value alone says of the transport that has it for its address."""
    one = _transport(name, {"": said, "dsn": said}, "", ())
    return replace(one, is_variable=True)


def _flat(value: Any, file: str) -> dict[str, Said[Any]]:
    """`{"dsn": ..., "options.stream": ..., "retry_strategy.max_retries": ...}`, each with its line."""
    if not isinstance(value, Map):
        return {}
    found: dict[str, Said[Any]] = {}
    for key, one in value.items():
        inside = one.items() if key in ("options", "retry_strategy") and isinstance(one, Map) else ()
        found |= {f"{key}.{name}": Said(each, Place(file, one.line_of(name))) for name, each in inside}
        if not inside:
            found[key] = Said(one, Place(file, value.line_of(key)))
    return found


def _transport(name: str, said: dict[str, Said[Any]], failure: str, takes: tuple[str, ...]) -> Transport:
    dsn = _text(said, "dsn")
    options = {key.removeprefix("options."): one for key, one in said.items() if key.startswith("options.")}
    scheme = _SCHEME.match(dsn)
    # The DSN is a variable's most often; these options no other transport has.
    kind = scheme[1].lower() if scheme else "redis" if _REDIS_OPTIONS & set(options) else ""
    # What stands in the DSN wins over the options, as its path does: stream, group and consumer.
    path = (
        zip(("stream", "group", "consumer"), path_of(dsn), strict=False) if _ALIASES.get(kind, kind) == "redis" else ()
    )
    options |= {key: Said(one, said["dsn"].place) for key, one in (*query_of(dsn).items(), *path)}
    return Transport(
        name,
        said[""].place,
        dsn,
        "sqs" if _SQS.match(dsn) else _ALIASES.get(kind, kind),
        options,
        said.get("retry_strategy.max_retries"),
        failure,
        takes,
    )


def _text(said: dict[str, Said[Any]], key: str) -> str:
    return said[key].value if key in said and isinstance(said[key].value, str) else ""
