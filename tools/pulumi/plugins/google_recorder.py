"""The `gcp` provider's stand-in: it RECORDS what it is asked for and calls nothing.

It answers with the inputs and with outputs that look like Google's, replaces what the real provider's schema replaces,
and refuses what is protected. With a `Cloud` it also remembers: a name that is taken, a network that is in use, and a
quota that a test has used up are refused in Google's words.

What it cannot show is whether Google accepts anything. What else it does not show is in the summary of the tests'
engine tier (scripts/tiers.py, NOT PROVEN).
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any

from google_cloud import Cloud
from google_kinds import KINDS, PROJECT_NUMBER, Kind, identifier_of
from serving import Provider, RefusedError, Subject, serve

from ebbtide.preview.change import MISSING, PropertyChange
from ebbtide.preview.change import UNKNOWN as UNKNOWN_HERE
from ebbtide.preview.sources.immutable import replaces
from properties import UNKNOWN, Missing, Path, Properties

ENDPOINT_VARIABLE = "EBBTIDE_RECORDED_ENDPOINT"
"""host:port that recorded clusters give as the DNS name of their control plane, so that a test's own API server can
play the cluster."""
CLOUD_VARIABLE = "EBBTIDE_RECORDED_CLOUD"
"""A directory in which what was made is remembered from run to run; without it the engine's state is the record."""


class Recorder(Provider):
    """Makes things up, and remembers them where it was told where."""

    def __init__(self, stated: str, cloud: Cloud | None) -> None:
        super().__init__(stated)
        self._cloud = cloud

    def replaces(self, subject: Subject, path: Path, old: Any, new: Any) -> bool:
        return replaces(subject.token, PropertyChange(path, _side(old), _side(new)))

    def same_object(self, subject: Subject, old: Properties, new: Properties) -> bool:
        return identifier_of(subject, old) == identifier_of(subject, new)

    def create(self, subject: Subject, inputs: Properties) -> tuple[str, Properties]:
        identifier = identifier_of(subject, inputs)
        outputs = _with_outputs(subject, identifier, inputs)
        if self._cloud is not None:
            self._cloud.create(subject, identifier, outputs)
        return identifier, outputs

    def plan(self, subject: Subject, inputs: Properties) -> Properties:
        if subject.identifier:
            return _with_outputs(subject, subject.identifier, inputs)
        return {**inputs, **dict.fromkeys(_made_up(subject, "", inputs), UNKNOWN)}

    def read(self, subject: Subject, outputs: Properties) -> Properties | None:
        return outputs if self._cloud is None else self._cloud.read(subject.identifier)

    def update(self, subject: Subject, inputs: Properties) -> Properties:
        outputs = _with_outputs(subject, subject.identifier, inputs)
        if self._cloud is not None:
            self._cloud.update(subject, outputs)
        return outputs

    def delete(self, subject: Subject, outputs: Properties) -> None:
        """As Google's provider does, refuse what is under deletion protection."""
        for guard in _kind(subject).guards:
            if _inside(outputs, guard):
                raise RefusedError(f"cannot destroy {subject.name} without setting {guard}=false")
        if self._cloud is not None:
            self._cloud.delete(subject)

    def invoke(self, function: str, arguments: Properties) -> Properties:
        if function != "gcp:organizations/getProject:getProject":
            raise RefusedError(f"{function} is not recorded: the recorder makes up no answers")
        return {**arguments, "number": PROJECT_NUMBER}


def _side(value: Any) -> Any:
    if value is Missing:
        return MISSING
    return UNKNOWN_HERE if value == UNKNOWN else value


def _kind(subject: Subject) -> Kind:
    """Raises RefusedError for a type of which nobody has said what Google makes of it."""
    if subject.token not in KINDS:
        raise RefusedError(f"{subject.token} is not recorded: write in google_kinds.py what Google makes of it")
    return KINDS[subject.token]


def _with_outputs(subject: Subject, identifier: str, inputs: Properties) -> Properties:
    return {**inputs, **_made_up(subject, identifier, inputs)}


def _made_up(subject: Subject, identifier: str, inputs: Properties) -> Properties:
    return _kind(subject).outputs(identifier, inputs, os.environ.get(ENDPOINT_VARIABLE) or None)


def _inside(outputs: Properties, path: str) -> Any:
    at: Any = outputs
    for part in path.split("."):
        at = at.get(part) if isinstance(at, dict) else None
    return at


if __name__ == "__main__":
    directory = os.environ.get(CLOUD_VARIABLE)
    serve(Recorder(version("pulumi-gcp"), Cloud(FilePath(directory)) if directory else None))
