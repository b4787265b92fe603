"""From the provider's properties to what Google's API takes, and back to what the provider reads there.

The provider calls most fields as the API does, and the API's description says which of them are lists, objects and
maps. What the provider calls otherwise, keeps for itself or puts into the address of a request is written here, by the
schema in which it is. A property that is neither is left as it is: no such field is what its API will say.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from tools.google.discovery import Schema, field_at, resolved, schema

# By schema: where a property is there. None: the provider keeps it for itself, or puts it into the address.
ELSEWHERE: Mapping[str, Mapping[str, str | None]] = {
    "Address": {"project": None, "region": None},
    "AlertPolicy": {"project": None},
    "Cluster": {
        "project": None,
        "location": None,
        # The provider's own: what it refuses, and what it takes away after it has made the cluster.
        "deletionProtection": None,
        "removeDefaultNodePool": None,
        # VPC_NATIVE is that there is an allocation policy.
        "networkingMode": None,
        "clusterAutoscaling": "autoscaling",
        "datapathProvider": "networkConfig.datapathProvider",
        "defaultMaxPodsPerNode": "defaultMaxPodsConstraint.maxPodsPerNode",
        "enableAutopilot": "autopilot.enabled",
        "enableIntranodeVisibility": "networkConfig.enableIntraNodeVisibility",
        "enableLegacyAbac": "legacyAbac.enabled",
        "enableShieldedNodes": "shieldedNodes.enabled",
        "minMasterVersion": "initialClusterVersion",
        "nodeLocations": "locations",
    },
    "ClusterAutoscaling": {
        "autoProvisioningDefaults": "autoprovisioningNodePoolDefaults",
        "enabled": "enableNodeAutoprovisioning",
    },
    "Database": {"instance": None, "project": None},
    "DatabaseInstance": {"deletionProtection": None, "encryptionKeyName": "diskEncryptionConfiguration.kmsKeyName"},
    "Firewall": {"project": None, "allows": "allowed"},
    "ForwardingRule": {"project": None, "region": None, "ipAddress": "IPAddress"},
    "Instance": {
        "project": None,
        "location": None,
        "instanceId": None,
        # Each is a connection that Google makes.
        "desiredAutoCreatedEndpoints": "endpoints.connections.pscAutoConnection",
    },
    "LogMetric": {"project": None},
    "LoggingConfig": {"enableComponents": "componentConfig.enableComponents"},
    "MaintenancePolicy": {
        "maintenanceExclusions": "window.maintenanceExclusions",
        "recurringWindow": "window.recurringWindow",
    },
    "MonitoringConfig": {
        "enableComponents": "componentConfig.enableComponents",
        "managedPrometheus": "managedPrometheusConfig",
    },
    "Network": {"project": None, "routingMode": "routingConfig.routingMode"},
    "NodeConfigDefaults": {
        "insecureKubeletReadonlyPortEnabled": "nodeKubeletConfig.insecureKubeletReadonlyPortEnabled"
    },
    "NodePool": {
        **dict.fromkeys(("project", "location", "cluster", "ignoreNodeCountChanges")),
        "maxPodsPerNode": "maxPodsConstraint.maxPodsPerNode",
        "nodeConfig": "config",
        "nodeLocations": "locations",
    },
    "RecurringTimeWindow": {"startTime": "window.startTime", "endTime": "window.endTime"},
    "Repository": dict.fromkeys(("project", "location", "repositoryId")),
    "Replication": {"auto": "automatic"},
    "Router": {"project": None, "region": None},
    "RouterNat": dict.fromkeys(("project", "region", "router")),
    "Secret": {"project": None, "secretId": None},
    "SecretPayload": {"secret": None, "secretData": "data"},
    "ServiceAccount": {"project": None, "accountId": None},
    "ServiceConnectionPolicy": dict.fromkeys(("project", "location", "name")),
    "Settings": {"diskSize": "dataDiskSizeGb", "diskType": "dataDiskType", "diskAutoresize": "storageAutoResize"},
    "Subnetwork": {"project": None},
    # An exclusion's name is its key in a map.
    "TimeWindow": {"exclusionName": None, "exclusionOptions": "maintenanceExclusionOptions"},
    "User": {"deletionPolicy": None, "instance": None, "project": None},
    # Objects without a schema of their own are called as their property.
    "allowed": {"protocol": "IPProtocol"},
}
# What Terraform writes as blocks is a map there: which property of a block is its key.
_KEYS = {"maintenanceExclusions": "exclusionName", "cleanupPolicies": "id"}
# Objects of which each entry of a list has one.
_SEVERAL = {"pscAutoConnection"}


def body(document: str, name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The object of this schema that the properties describe."""
    return _object(document, schema(document, name), name, properties)


def seen(document: str, name: str, properties: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The properties as they are in an object that was read. Those that the program has not set are Google's."""
    return _seen(document, schema(document, name), name, properties, found)


def _object(document: str, of: Schema, name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, target, field in _targets(document, of, name, properties):
        if field is None:
            made[key] = properties[key]
        elif properties[key] != "" or "enum" not in field:
            # An empty text is Terraform's way to choose nothing.
            _put(document, of, made, target, _value(document, field, target.rpartition(".")[2], properties[key]))
    return made


def _targets(
    document: str, of: Schema, name: str, properties: Mapping[str, Any]
) -> Iterator[tuple[str, str, Schema | None]]:
    """Each property that is sent, where it goes, and what is said of it there."""
    elsewhere, fields = ELSEWHERE.get(name, {}), of.get("properties", {})
    for key, value in properties.items():
        # Pulumi calls a list in the plural where the API does not, and the other way round.
        other = next((found for found in (key.removesuffix("s"), f"{key}s") if found in fields), key)
        target = elsewhere.get(key, other if isinstance(value, list) and key not in fields else key)
        if target is not None:
            yield key, target, _through_lists(document, of, target)


def _through_lists(document: str, of: Schema, path: str) -> Schema | None:
    """Like `field_at`, also where a list is on the way."""
    found: Schema | None = of
    for part in path.split("."):
        if found is not None and found.get("type") == "array":
            found = found["items"]
        found = found and field_at(document, found, part)
    return found


def _put(document: str, of: Schema, made: dict[str, Any], path: str, value: Any) -> None:
    """Put it there; into the first entry of a list that is on the way, and each of several into an entry of its own
    of the last."""
    first, _, rest = path.partition(".")
    if not rest:
        made[first] = value
        return
    inner = field_at(document, of, first) or {}
    if inner.get("type") != "array":
        _put(document, inner, made.setdefault(first, {}), rest, value)
    elif "." in rest:
        _put(document, inner["items"], made.setdefault(first, [{}])[0], rest, value)
    else:
        made[first] = [{rest: entry} for entry in value]


def _value(document: str, field: Schema, name: str, value: Any) -> Any:
    inner = resolved(document, field)
    if field.get("type") == "array":
        values = value if isinstance(value, list) else [value]
        return [_value(document, field["items"], name, entry) for entry in values]
    if "additionalProperties" in field:
        entries = {entry[_KEYS[name]]: entry for entry in value} if isinstance(value, list) else value
        of = field["additionalProperties"]
        return {key: _value(document, of, name, entry) for key, entry in entries.items()}
    if "properties" in inner and isinstance(value, list):
        # A block; only of an object in a list on the way there may be several.
        made = [_value(document, field, name, entry) for entry in value]
        return made if name in _SEVERAL or len(made) != 1 else made[0]
    if "properties" in inner and isinstance(value, Mapping):
        return _object(document, inner, field.get("$ref", name), value)
    return _single(inner, value)


def _single(field: Schema, value: Any) -> Any:
    if field.get("type") == "boolean" and value in {"TRUE", "FALSE"}:
        return value == "TRUE"  # Terraform has a third state for some
    if field.get("format") == "byte" and isinstance(value, str):
        return base64.b64encode(value.encode()).decode()
    if field.get("format") in {"int64", "uint64"} and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _seen(
    document: str, of: Schema, name: str, properties: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, Any]:
    told = dict(properties)
    for key, target, field in _targets(document, of, name, properties):
        if field is None or (properties[key] == "" and "enum" in field):
            continue
        there = _get(found, target)
        if there is not None:
            told[key] = _back(document, field, target.rpartition(".")[2], properties[key], there)
        elif properties[key]:
            # What is empty, 0 or false is not answered.
            del told[key]
    return told


def _get(found: Any, path: str) -> Any:
    """What is there; of a list on the way its first entry, and of each entry of the last one."""
    first, _, rest = path.partition(".")
    there = found.get(first) if isinstance(found, Mapping) else None
    if not rest or there is None:
        return there
    if not isinstance(there, list):
        return _get(there, rest)
    return _get(there[0], rest) if "." in rest else [entry.get(rest) for entry in there]


def _back(document: str, field: Schema, name: str, told: Any, there: Any) -> Any:
    """What is there as the program would have told it."""
    inner = resolved(document, field)
    if "additionalProperties" in field and isinstance(told, list):
        return _blocks(document, field["additionalProperties"], name, told, there)
    if isinstance(told, list):
        items, given = field.get("items", field), there if isinstance(there, list) else [there]
        return [_back(document, items, name, told[at] if at < len(told) else {}, one) for at, one in enumerate(given)]
    if isinstance(told, Mapping) and "properties" in inner and isinstance(there, Mapping):
        return _seen(document, inner, field.get("$ref", name), told, there)
    return _single_back(field, told, there)


def _blocks(document: str, of: Schema, name: str, told: list[Any], there: Mapping[str, Any]) -> list[Any]:
    """A map as blocks: in the order of the program's, and then what others have added."""
    key = _KEYS[name]
    blocks = {entry[key]: entry for entry in told}
    names = [one for one in blocks if one in there] + [one for one in there if one not in blocks]
    return [_back(document, of, name, blocks.get(one, {key: one}), there[one]) for one in names]


def _single_back(field: Schema, told: Any, there: Any) -> Any:
    if isinstance(there, bool) and isinstance(told, str):
        return str(there).upper()
    if field.get("format") == "byte":
        return base64.b64decode(there).decode()
    return int(there) if isinstance(told, int) and isinstance(there, str) else there
