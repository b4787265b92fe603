"""Queues of SQS that YAML makes: by Amazon's controllers (ACK), Crossplane, CloudFormation and what writes that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ebbtide.doctor.data import UNKNOWN, Map, Place, Said, Unknown
from ebbtide.doctor.readers.queues import number_of
from ebbtide.doctor.workload import ManifestObject

SQS_SECONDS: Final = 30
"""SQS' VisibilityTimeout where nothing is written."""
# By the API group's end: below which key the queue's own settings are, and how the timeout is called there.
_GROUPS: Final = {
    "sqs.services.k8s.aws": (("spec",), "visibilityTimeout"),
    "sqs.aws.upbound.io": (("spec", "forProvider"), "visibilityTimeoutSeconds"),
    "sqs.aws.m.upbound.io": (("spec", "forProvider"), "visibilityTimeoutSeconds"),
    "sqs.aws.crossplane.io": (("spec", "forProvider"), "visibilityTimeout"),
}
_EXTERNAL: Final = "crossplane.io/external-name"


@dataclass(frozen=True)
class SqsQueue:
    """A queue, and how long it hides a message that was taken."""

    name: str
    place: Place
    seconds: Said[int | Unknown]
    key: str
    is_written: bool


def queue_of_object(one: ManifestObject) -> SqsQueue | None:
    """A queue that a controller of the cluster makes; None of any other object."""
    if one.kind != "Queue" or one.group not in _GROUPS:
        return None
    path, key = _GROUPS[one.group]
    settings = one.data.map(*path)
    external = one.data.map("metadata", "annotations").text(_EXTERNAL)
    name = external or settings.text("queueName") or settings.text("name") or one.name
    return _queue(name, one.at(), settings, key, one.file)


def queues_of_template(document: Any, file: str) -> Iterator[SqsQueue]:
    """Those of a CloudFormation template, also inside of Serverless' file. Its own names are known only when it runs:
    of such a queue nobody can say who takes from it."""
    if not isinstance(document, Map):
        return
    for resources in (document.map("Resources"), document.map("resources", "Resources")):
        for logical, one in resources.items():
            if isinstance(one, Map) and one.text("Type") == "AWS::SQS::Queue":
                settings = one.map("Properties")
                place = Place(file, resources.line_of(logical))
                yield _queue(settings.text("QueueName") or logical, place, settings, "VisibilityTimeout", file)


def _queue(name: str, place: Place, settings: Map, key: str, file: str) -> SqsQueue:
    if key not in settings:
        return SqsQueue(name, place, Said(SQS_SECONDS, place), key, is_written=False)
    number = number_of(settings[key])
    said = Said(UNKNOWN if number is None else number, Place(file, settings.line_of(key)))
    return SqsQueue(name, place, said, key, is_written=True)
