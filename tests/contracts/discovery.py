"""What Google's own description of its APIs says of what a stack sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.google import discovery
from tools.google.types import TYPES

from ebbtide.manifests.resource import Join, Lookup, Ref, Resource, Secret

# Google has another field for it, and the provider none: pulumi-gcp 10.2.
DEPRECATED_AND_NEEDED = {
    "initialNodeCount": "the first node pool, which is taken away, has no other",
    "masterAuthorizedNetworksConfig": "controlPlaneEndpointsConfig of the provider has no authorized networks",
    "nodeConfig": "the service account of that first node pool",
    "privateClusterConfig.enablePrivateEndpoint": "ipEndpointsConfig of the provider has no enablePublicEndpoint",
    "privateClusterConfig.enablePrivateNodes": "networkConfig of the provider has no defaultEnablePrivateNodes",
}


def problems(resource: Resource) -> list[str]:
    """What Google's description of its API does not have, or has otherwise."""
    kind = TYPES[resource.token]
    sent = kind.body(plain(resource.properties))
    found = discovery.problems(kind.document, kind.schema, sent, complete=True)
    return [f"{resource.name}.{problem}" for problem in found if not _is_needed(problem)]


def _is_needed(problem: discovery.Problem) -> bool:
    return problem.text == discovery.DEPRECATED and problem.path in DEPRECATED_AND_NEEDED


def plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, (Ref, Join, Lookup)):
        return discovery.UNKNOWN
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def revisions() -> dict[str, str]:
    """The date of each document."""
    return {name: found["revision"] for name, found in discovery.documents().items()}
