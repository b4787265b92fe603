"""What no description of an API says, and what refuses a request all the same. Each names where it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from tests.engine.google_api.answers import GoogleError
from tests.engine.google_api.made import AUTHORITY
from tools.google.discovery import schema

_VALKEY = "memorystore.projects.locations.instances"
_POLICIES = "networkconnectivity.projects.locations.serviceConnectionPolicies"
# What others name, and what cannot go before them.
_NAMED = re.compile(r"projects/[^/]+/(?:global|regions/[^/]+)/(?:networks|subnetworks|addresses)/[^/]+$")
# Deletion protection of Google's own, by collection.
_PROTECTED = {_VALKEY: "deletionProtectionEnabled", "sql.instances": "settings.deletionProtectionEnabled"}
_RENAMED = {"clusterAutoscaling": "autoscaling", "masterVersion": "initialClusterVersion"}


class Held(Protocol):
    """Something that is there."""

    collection: str
    value: dict[str, Any]


def check_location(service: str, name: str, missing: set[tuple[str, str]]) -> None:
    """A region that a service does not have is answered as one that nobody may see (cloud.google.com/docs/locations).
    Raises GoogleError."""
    found = re.search(r"/locations/([^/]+)", name)
    if found and (service, found[1]) in missing:
        raise GoogleError("PERMISSION_DENIED", f"Permission denied on 'locations/{found[1]}' (or it may not exist).")


def listed(names: Iterable[str], wanted: str) -> list[str]:
    """Those that a filter lets pass, in order (cloud.google.com/secret-manager/docs/filtering: `name:asecret` is
    "contains"). Raises GoogleError for filters that are not known here."""
    field, separator, text = wanted.partition(":")
    if wanted and (field != "name" or not separator or re.search(r"[\s*()]", text)):
        raise GoogleError("UNIMPLEMENTED", f"this stand-in does not know the filter {wanted!r}")
    return sorted(name for name in names if text in name.rpartition("/")[2])


def check_new(stored: Mapping[str, Held], name: str, collection: str, sent: Mapping[str, Any]) -> None:
    """What something new needs. Raises GoogleError."""
    for other in sorted(set(named(sent))):
        if other not in stored:
            raise GoogleError("NOT_FOUND", f"The resource '{other}' was not found.")
    # Memorystore: "create a service connection policy" before an instance, for its network and its region.
    if collection == _VALKEY and not any(_serves(held, other, sent, name) for other, held in stored.items()):
        text = "No service connection policy of class gcp-memorystore for the network of the instance."
        raise GoogleError("FAILED_PRECONDITION", text)
    # Service connection policies: "only one [...] for each combination of network, region, and service class".
    if collection == _POLICIES and any(_serves(held, other, sent, name) for other, held in stored.items()):
        text = "A service connection policy of this service class is there already for the network and region."
        raise GoogleError("FAILED_PRECONDITION", text)
    # GKE: "The service account must exist" before its nodes.
    account = sent.get("config", {}).get("serviceAccount")
    if account and not any(other.endswith(f"/serviceAccounts/{account}") for other in stored):
        raise GoogleError("INVALID_ARGUMENT", f'Service account "{account}" is not found.')


def check_delete(stored: Mapping[str, Held], name: str, collection: str, value: Mapping[str, Any]) -> None:
    """What keeps it from going. Raises GoogleError."""
    at: Any = value
    for part in _PROTECTED.get(collection, "none").split("."):
        at = at.get(part) if isinstance(at, Mapping) else None
    if at:
        raise GoogleError("FAILED_PRECONDITION", f"Resource '{name}' has deletion protection enabled.")
    for other, held in stored.items():
        is_served = collection == _POLICIES and held.collection == _VALKEY
        served = is_served and _serves(stored[name], name, held.value, other)
        if served or name in named(held.value):
            raise GoogleError("IN_USE", f"The resource '{name}' is already being used by '{other}'")


def cluster_change(sent: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The pool that it is of, or none, and the fields that change. Raises GoogleError.

    GKE: "Exactly one update can be applied to a cluster with each request".
    """
    pool = str(sent.get("desiredNodePoolId", ""))
    wanted = {key: value for key, value in sent.items() if key != "desiredNodePoolId"}
    if len(wanted) != 1:
        raise GoogleError("INVALID_ARGUMENT", f"Must specify exactly one field to update, got {sorted(wanted)}.")
    ((key, value),) = wanted.items()
    name = key.removeprefix("desired")
    if pool:
        name = name.removeprefix("NodePool")
    name = _RENAMED.get(name[:1].lower() + name[1:], name[:1].lower() + name[1:])
    if name not in schema("container.v1beta1", "NodePool" if pool else "Cluster")["properties"]:
        raise GoogleError("UNIMPLEMENTED", f"this stand-in does not know what {key} changes")
    return pool, {name: value}


def accounts(policy: Mapping[str, Any]) -> Iterator[str]:
    """The service accounts of this project that a policy names: IAM refuses one that it does not see (yet)."""
    for binding in policy.get("bindings", []):
        for member in binding["members"]:
            kind, _, name = member.partition(":")
            if kind == "serviceAccount" and name.endswith(".iam.gserviceaccount.com"):
                yield name


def authority(name: str, instance: Mapping[str, Any]) -> dict[str, Any]:
    """The certificates of an instance with TLS."""
    told = {"name": f"{name}/certificateAuthority"}
    if instance.get("transitEncryptionMode") != "SERVER_AUTHENTICATION":
        return told
    return {**told, "managedServerCa": {"caCerts": [{"certificates": [AUTHORITY]}]}}


def _serves(held: Held, name: str, instance: Mapping[str, Any], instance_name: str) -> bool:
    """Whether an instance gets its endpoints by this policy."""
    networks = set(named(instance))
    same_place = name.split("/")[:4] == instance_name.split("/")[:4]
    return held.collection == _POLICIES and same_place and bool(networks & set(named(held.value)))


def named(value: Any) -> Iterator[str]:
    """The networks, subnetworks and addresses that it names, as names or as addresses in the Web."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            # Its own address names itself.
            yield from named(entry) if key != "selfLink" else ()
    elif isinstance(value, list):
        for entry in value:
            yield from named(entry)
    elif isinstance(value, str):
        found = _NAMED.search(value)
        yield from [found[0]] if found else []
