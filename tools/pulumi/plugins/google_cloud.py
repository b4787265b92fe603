"""What was made, in a file, so that a second run, a failed one and somebody else find it as Google Cloud would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from google_kinds import KINDS
from serving import RefusedError, Subject

from properties import Properties

_VALKEY = "gcp:memorystore/instance:Instance"
_CONNECTION_POLICY = "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy"


class Cloud:
    """The objects of a project, and what it refuses just now.

    `objects.json` holds the objects by identifier. `refusals.json` is written by a test: the `operation` on a `type`
    that is refused, and what Google `says`. The requests of one run come from many threads of one process.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._objects, self._refusals = directory / "objects.json", directory / "refusals.json"
        self._lock = Lock()

    def create(self, subject: Subject, identifier: str, outputs: Properties) -> None:
        """Raises RefusedError as Google does."""
        with self._lock:
            self._refuse(subject, "create")
            objects = _read(self._objects)
            if identifier in objects and not KINDS[subject.token].is_shared:
                raise RefusedError(f"googleapi: Error 409: Resource '{identifier}' already exists, alreadyExists")
            if subject.token == _VALKEY and not any(_serve(objects, outputs)):
                text = "no service connection policy of class gcp-memorystore for the network, failedPrecondition"
                raise RefusedError(f"googleapi: Error 400: {text}")
            _write(self._objects, {**objects, identifier: {"type": subject.token, "outputs": outputs}})

    def read(self, identifier: str) -> Properties | None:
        """What is there."""
        with self._lock:
            found: dict[str, Any] | None = _read(self._objects).get(identifier)
        return found["outputs"] if found else None

    def update(self, subject: Subject, outputs: Properties) -> None:
        """Raises RefusedError as Google does."""
        with self._lock:
            self._refuse(subject, "update")
            objects = _read(self._objects)
            if subject.identifier not in objects:
                raise RefusedError(f"googleapi: Error 404: Resource '{subject.identifier}' was not found, notFound")
            _write(self._objects, {**objects, subject.identifier: {"type": subject.token, "outputs": outputs}})

    def delete(self, subject: Subject) -> None:
        """Raises RefusedError as Google does. What is gone already is no error, as to the provider."""
        with self._lock:
            self._refuse(subject, "delete")
            objects = _read(self._objects)
            gone = objects.pop(subject.identifier, None)
            user = next(_users(subject.identifier, gone, objects), None) if gone else None
            if user:
                text = f"The resource '{subject.identifier}' is already being used by '{user}'"
                raise RefusedError(f"googleapi: Error 400: {text}, resourceInUseByAnotherResource")
            _write(self._objects, objects)

    def _refuse(self, subject: Subject, operation: str) -> None:
        for refusal in _read(self._refusals).get("refusals", []):
            if (refusal["type"], refusal["operation"]) == (subject.token, operation):
                raise RefusedError(refusal["says"])


def _users(identifier: str, held: dict[str, Any], others: dict[str, Any]) -> Iterator[str]:
    """Who keeps it from being deleted."""
    kind, outputs = held["type"], held["outputs"]
    names = {identifier, outputs.get("selfLink", identifier)}
    for name, other in others.items():
        named = KINDS[kind].holds and names & set(_texts(other["outputs"]))
        served = other["type"] == _VALKEY and kind == _CONNECTION_POLICY
        if named or (served and identifier in _serve({identifier: held}, other["outputs"])):
            yield name


def _serve(objects: dict[str, Any], valkey: Properties) -> Iterator[str]:
    """The connection policies by which an instance gets its endpoints."""
    networks = {endpoint["network"] for endpoint in valkey["desiredAutoCreatedEndpoints"]}
    for identifier, found in objects.items():
        if found["type"] == _CONNECTION_POLICY and found["outputs"]["network"] in networks:
            yield identifier


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, str):
        yield value


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document))
