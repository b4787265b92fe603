"""Compose files: each service is a workload with one container, and 10 seconds to stop where nothing is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from ebbtide.doctor.data import Map, Place, Said, Seq
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.image import Command
from ebbtide.doctor.shown import one_line
from ebbtide.doctor.workload import Container, Workload

DEFAULT_STOP_SECONDS: Final = 10
_DURATION: Final = re.compile(r"(?:(?P<h>[0-9]+)h)?(?:(?P<m>[0-9]+)m)?(?:(?P<s>[0-9]+)s)?")


def is_compose(document: Any) -> bool:
    """Whether a document is a compose file."""
    services = document.get("services") if isinstance(document, Map) else None
    return isinstance(services, Map) and any(isinstance(one, Map) for one in services.values())


def services_of(document: Map, file: str) -> list[Workload]:
    """The services of a compose file."""
    services = document.map("services")
    return [
        _service(name, one, Place(file, services.line_of(name)))
        for name, one in services.items()
        if isinstance(one, Map)
    ]


def _service(name: str, data: Map, place: Place) -> Workload:
    def at(key: str) -> Place:
        return Place(place.file, data.line_of(key))

    build = data.get("build")
    context = build if isinstance(build, str) else build.text("context") if isinstance(build, Map) else ""
    image = data.text("image") or (f"build:{context}" if context else "")
    signal = data.text("stop_signal")
    container = Container(
        name=name,
        place=place,
        image=Said(image, at("image")) if image else None,
        command=_words(data.get("entrypoint"), at("entrypoint")),
        arguments=_words(data.get("command"), at("command")),
        environment=_environment(data, place.file),
        stop_signal=Said(signal.upper().removeprefix("SIG"), at("stop_signal")) if signal else None,
        data=data,
        has_ports=bool(data.get("ports")),
    )
    replicas = data.map("deploy").get("replicas", data.get("scale"))
    seconds = _seconds(data.get("stop_grace_period"))
    return Workload(
        kind="service",
        name=name,
        namespace="",
        place=place,
        containers=[container],
        data=data,
        pod=Map(place.line),
        grace=Said(seconds, at("stop_grace_period")) if seconds is not None else None,
        default_grace=DEFAULT_STOP_SECONDS,
        replicas=Said(replicas, place) if isinstance(replicas, int) else None,
    )


def not_read(document: Map, file: str) -> Iterator[Note]:
    """Times that are none, so that they pass for not said."""
    for name, one in document.map("services").items():
        value = one.get("stop_grace_period") if isinstance(one, Map) else None
        if value is not None and _seconds(value) is None:
            text = f"service {name}: stop_grace_period is {one_line(str(value))!r}, which is no time here"
            yield Note(Place(file, one.line_of("stop_grace_period")), f"{text}; what depends on it is not judged")


def _words(value: Any, place: Place) -> Command | None:
    """Compose splits a text as a shell does, and starts no shell."""
    if isinstance(value, str) and value.strip():
        try:
            return Command(tuple(shlex.split(value)), place)
        except ValueError:
            return Command(tuple(value.split()), place)
    if isinstance(value, Seq) and value:
        return Command(tuple(str(word) for word in value), place)
    return None


def _seconds(value: Any) -> int | None:
    if isinstance(value, int):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    return sum(int(found[unit] or 0) * size for unit, size in (("h", 3600), ("m", 60), ("s", 1))) if found else None


def _environment(data: Map, file: str) -> dict[str, Said[str]]:
    value = data.get("environment")
    if isinstance(value, Map):
        return {key: Said(str(one), Place(file, value.line_of(key))) for key, one in value.items() if one is not None}
    if isinstance(value, Seq):
        pairs = [(str(one).partition("="), line) for one, line in zip(value, value.lines, strict=True)]
        return {name: Said(text, Place(file, line)) for (name, _, text), line in pairs}
    return {}
