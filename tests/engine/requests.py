"""The registrations of a run as they were on the wire, from the engine's own log of its remote procedures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format
from pulumi.runtime.proto import resource_pb2

LOG_VARIABLE = "PULUMI_DEBUG_GRPC"
_METHOD = "/pulumirpc.ResourceMonitor/RegisterResource"


@dataclass(frozen=True, slots=True)
class Registration:
    """One resource that the program registered, and the name the engine gave it."""

    request: resource_pb2.RegisterResourceRequest
    urn: str

    @property
    def earlier_urns(self) -> Iterator[str]:
        """What it may have been called in an older state."""
        for alias in self.request.aliases:
            if alias.urn:
                yield alias.urn
            elif alias.spec.name:
                yield f"{self.urn.rpartition('::')[0]}::{alias.spec.name}"


def registrations(log: Path) -> list[Registration]:
    """Every registration that was answered; both ends of each call are in the log."""
    found = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry["method"] == _METHOD and entry.get("response"):
            request = json_format.ParseDict(
                entry["request"], resource_pb2.RegisterResourceRequest(), ignore_unknown_fields=True
            )
            found[entry["response"]["urn"]] = request
    return [Registration(request, urn) for urn, request in found.items()]
