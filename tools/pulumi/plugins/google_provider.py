"""The `gcp` provider's stand-in: it asks a stand-in of Google's APIs (tests/engine/google_api) what the real one would.

What it sends are the requests that Google's own descriptions of its APIs have (tools/google). Without such an API it
can plan, which is what a preview needs, and makes nothing. It replaces what the real provider's schema replaces, and
refuses what that protects.

What it cannot show is whether Google accepts anything. What else it does not show is in the summary of the tests'
engine tier (scripts/tiers.py, NOT PROVEN).
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any

sys.path.append(str(FilePath(__file__).resolve().parents[3]))  # the engine starts this file by itself

from serving import Provider, RefusedError, Subject, serve
from tools.google.client import Client
from tools.google.functions import secrets
from tools.google.kinds import Found, Kind, Refused
from tools.google.types import PROJECT_NUMBER, TYPES

from ebbtide.manifests.google.names import GET_PROJECT, GET_SECRETS
from ebbtide.preview.change import MISSING, PropertyChange
from ebbtide.preview.change import UNKNOWN as UNKNOWN_HERE
from ebbtide.preview.sources.immutable import replaces
from properties import UNKNOWN, Missing, Path, Properties

ENDPOINT_VARIABLE = "EBBTIDE_GOOGLE_ENDPOINT"
"""Where all of Google's APIs are: `http://host:port`."""


class Google(Provider):
    """What the engine asks, as requests to Google."""

    def __init__(self, stated: str, endpoint: str | None) -> None:
        super().__init__(stated)
        self._endpoint = endpoint

    def replaces(self, subject: Subject, path: Path, old: Any, new: Any) -> bool:
        return replaces(subject.token, PropertyChange(path, _side(old), _side(new)))

    def same_object(self, subject: Subject, old: Properties, new: Properties) -> bool:
        return _kind(subject).is_same(old, new)

    def create(self, subject: Subject, inputs: Properties) -> tuple[str, Properties]:
        kind, api = _kind(subject), self._api()
        identifier, found = _asked(lambda: kind.create(api, inputs))
        return identifier, self._outputs(kind, identifier, inputs, found)

    def plan(self, subject: Subject, inputs: Properties, outputs: Properties | None) -> Properties:
        planned = inputs
        for path in _kind(subject).outputs:
            told = UNKNOWN if outputs is None else _dig(outputs, path)
            planned = _with(planned, path.split(".") if outputs else path.split(".")[:1], told)
        return planned

    def read(self, subject: Subject, inputs: Properties, outputs: Properties) -> tuple[Properties, Properties] | None:  # noqa: ARG002
        kind, api = _kind(subject), self._api()
        found = _asked(lambda: kind.read(api, subject.identifier, inputs))
        if found is None:
            return None
        seen = _asked(lambda: kind.seen(api, inputs, found))
        return seen, self._outputs(kind, subject.identifier, seen, found)

    def update(self, subject: Subject, old: Properties, inputs: Properties) -> Properties:
        kind, api = _kind(subject), self._api()
        found = _asked(lambda: kind.update(api, subject.identifier, old, inputs))
        return self._outputs(kind, subject.identifier, inputs, found)

    def delete(self, subject: Subject, inputs: Properties) -> None:
        """As Google's provider does, refuse what is under deletion protection."""
        kind, api = _kind(subject), self._api()
        for guard in kind.guards:
            if inputs.get(guard):
                raise RefusedError(f"cannot destroy {subject.name} without setting {guard}=false")
        _asked(lambda: kind.delete(api, subject.identifier, inputs))

    def invoke(self, function: str, arguments: Properties) -> Properties:
        if function == GET_SECRETS:
            api = self._api()
            return {**arguments, "secrets": _asked(lambda: secrets(api, arguments))}
        if function != GET_PROJECT:
            raise RefusedError(f"{function} is not known: no answers are made up")
        return {**arguments, "number": PROJECT_NUMBER}

    def _api(self) -> Client:
        if self._endpoint is None:
            raise RefusedError(f"there is no Google Cloud here: {ENDPOINT_VARIABLE} is not set")
        return Client(self._endpoint)

    def _outputs(self, kind: Kind, identifier: str, inputs: Properties, found: Found) -> Properties:
        outputs = inputs
        for path, value in _asked(lambda: kind.added(self._api(), identifier, found)).items():
            outputs = _with(outputs, path.split("."), value)
        return outputs


def _asked(request: Any) -> Any:
    try:
        return request()
    except Refused as refused:
        raise RefusedError(str(refused)) from refused


def _side(value: Any) -> Any:
    if value is Missing:
        return MISSING
    return UNKNOWN_HERE if value == UNKNOWN else value


def _kind(subject: Subject) -> Kind:
    """Raises RefusedError for a type of which nobody has said what it is in Google's API."""
    if subject.token not in TYPES:
        raise RefusedError(f"{subject.token} is not known: write in tools/google/types.py what it is in Google's API")
    return TYPES[subject.token]


def _dig(outputs: Any, path: str) -> Any:
    for part in path.split("."):
        outputs = outputs.get(part) if isinstance(outputs, dict) else None
    return outputs


def _with(properties: Properties, path: list[str], value: Any) -> Properties:
    first, *rest = path
    return {**properties, first: _with(properties.get(first) or {}, rest, value) if rest else value}


if __name__ == "__main__":
    serve(Google(version("pulumi-gcp"), os.environ.get(ENDPOINT_VARIABLE)))
