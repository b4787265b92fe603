"""Google's own description of its APIs, and how Pulumi's names of properties lie on it.

The provider calls most fields as the API does. What it calls otherwise, keeps for itself or puts into the address of a
request is written here, by the schema in which it is; a property that is neither is a mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ebbtide.manifests.resource import Join, Lookup, Ref, Resource, Secret

DISCOVERY = Path(__file__).parents[1] / "google" / "discovery.json"
BINDING = ("cloudresourcemanager.v1", "Binding")
SCHEMAS: Mapping[str, tuple[str, str]] = {
    "gcp:artifactregistry/repository:Repository": ("artifactregistry.v1", "Repository"),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": BINDING,
    "gcp:compute/address:Address": ("compute.beta", "Address"),
    "gcp:compute/firewall:Firewall": ("compute.beta", "Firewall"),
    "gcp:compute/forwardingRule:ForwardingRule": ("compute.beta", "ForwardingRule"),
    "gcp:compute/network:Network": ("compute.beta", "Network"),
    "gcp:compute/router:Router": ("compute.beta", "Router"),
    "gcp:compute/routerNat:RouterNat": ("compute.beta", "RouterNat"),
    "gcp:compute/subnetwork:Subnetwork": ("compute.beta", "Subnetwork"),
    "gcp:container/cluster:Cluster": ("container.v1beta1", "Cluster"),
    "gcp:container/nodePool:NodePool": ("container.v1beta1", "NodePool"),
    "gcp:logging/metric:Metric": ("logging.v2", "LogMetric"),
    "gcp:monitoring/alertPolicy:AlertPolicy": ("monitoring.v3", "AlertPolicy"),
    "gcp:monitoring/dashboard:Dashboard": ("monitoring.v1", "Dashboard"),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": (
        "networkconnectivity.v1",
        "ServiceConnectionPolicy",
    ),
    "gcp:projects/iAMMember:IAMMember": BINDING,
    "gcp:secretmanager/secret:Secret": ("secretmanager.v1", "Secret"),
    "gcp:secretmanager/secretIamMember:SecretIamMember": ("secretmanager.v1", "Binding"),
    "gcp:secretmanager/secretVersion:SecretVersion": ("secretmanager.v1", "SecretPayload"),
    "gcp:serviceaccount/account:Account": ("iam.v1", "ServiceAccount"),
    "gcp:serviceaccount/iAMMember:IAMMember": ("iam.v1", "Binding"),
    "gcp:sql/database:Database": ("sqladmin.v1", "Database"),
    "gcp:sql/databaseInstance:DatabaseInstance": ("sqladmin.v1", "DatabaseInstance"),
    "gcp:sql/user:User": ("sqladmin.v1", "User"),
}
NOT_HELD = {
    "gcp:memorystore/instance:Instance": "google-api-python-client 2.202.0 has no document of Memorystore for Valkey",
}

DEPRECATED = "is deprecated"
# By schema: what a property is called there. None: the provider keeps it for itself, or puts it into the address.
_ELSEWHERE: dict[str, dict[str, str | None]] = {
    "Address": {"project": None, "region": None},
    "AlertPolicy": {"project": None},
    "Binding": dict.fromkeys(("project", "location", "repository", "secretId", "serviceAccountId")),
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
    "DatabaseInstance": {"deletionProtection": None, "encryptionKeyName": "diskEncryptionConfiguration.kmsKeyName"},
    "Firewall": {"project": None, "allows": "allowed"},
    "ForwardingRule": {"project": None, "region": None, "ipAddress": "IPAddress"},
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
    "ServiceConnectionPolicy": {"project": None, "location": None},
    "Settings": {"diskSize": "dataDiskSizeGb", "diskType": "dataDiskType", "diskAutoresize": "storageAutoResize"},
    "Subnetwork": {"project": None},
    # An exclusion's name is its key in a map.
    "TimeWindow": {"exclusionName": None, "exclusionOptions": "maintenanceExclusionOptions"},
    "User": {"deletionPolicy": None},
    # Objects without a name of their own are called as their property.
    "allows": {"protocol": "IPProtocol"},
}
# Google has another field for it, and the provider none: pulumi-gcp 10.2.
DEPRECATED_AND_NEEDED = {
    "initialNodeCount": "the first node pool, which is taken away, has no other",
    "masterAuthorizedNetworksConfig": "controlPlaneEndpointsConfig of the provider has no authorized networks",
    "nodeConfig": "the service account of that first node pool",
    "privateClusterConfig.enablePrivateEndpoint": "ipEndpointsConfig of the provider has no enablePublicEndpoint",
    "privateClusterConfig.enablePrivateNodes": "networkConfig of the provider has no defaultEnablePrivateNodes",
}
_FORMATS = {
    "google-duration": re.compile(r"-?\d+(\.\d{1,9})?s"),
    "google-datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
}
_RANGES = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1)}


def problems(resource: Resource) -> list[str]:
    """What Google's description of its API does not have, or has otherwise."""
    document, schema = SCHEMAS[resource.token]
    properties: Any = resource.properties
    if schema == "Dashboard":
        properties = json.loads(str(_plain(properties["dashboardJson"])))
    found = _object(document, schema, _schema(document, schema), properties, resource.name)
    return [text for text in found if not _is_needed(text)]


def _is_needed(text: str) -> bool:
    path, _, problem = text.partition(": ")
    return problem == DEPRECATED and path.partition(".")[2] in DEPRECATED_AND_NEEDED


@cache
def _documents() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DISCOVERY.read_text())
    return found


def revisions() -> dict[str, str]:
    """The date of each document."""
    return {name: found["revision"] for name, found in _documents().items() if name != "source"}


def _schema(document: str, name: str) -> Any:
    return _documents()[document]["schemas"][name]


def _object(document: str, name: str, schema: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    """A value that is an object of this schema."""
    given = set()
    elsewhere = _ELSEWHERE.get(name, {})
    for key, entry in value.items():
        target = elsewhere.get(key, _same(schema, key))
        if key in elsewhere and elsewhere[key] is None:
            continue
        if target is None:
            yield f"{path}.{key}: {document}'s {name} has no such field"
            continue
        given.add(target.partition(".")[0])
        yield from _field(document, _at(document, schema, target), entry, f"{path}.{key}")
    required = {key for key, of in schema.get("properties", {}).items() if of.get("required")}
    yield from (f"{path}.{key}: is required by {document}'s {name}" for key in sorted(required - given))


def _same(schema: Any, key: str) -> str | None:
    """The field of this name; Pulumi calls a list in the plural where the API does not, and the other way round."""
    fields = schema.get("properties", {})
    return next((name for name in (key, key.removesuffix("s"), f"{key}s") if name in fields), None)


def _at(document: str, schema: Any, path: str) -> Any:
    """The description of a field, some schemas below."""
    for part in path.split("."):
        inner = schema.get("items", schema)
        schema = _schema(document, inner["$ref"]) if "$ref" in inner else inner
        schema = schema["properties"][part]
    return schema


def _field(document: str, field: Any, value: Any, path: str) -> Iterator[str]:
    if field.get("readOnly"):
        yield f"{path}: is Google's to say"
    if field.get("deprecated"):
        yield f"{path}: {DEPRECATED}"
    for description, entry, where in _entries(field, _plain(value), path):
        yield from _single(document, description, _plain(entry), where)


def _entries(field: Any, value: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """Each single value with what describes it: the entries of a list, the values of a map, or the value itself."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if field.get("type") == "array":
        for index, entry in enumerate(values):
            yield field["items"], entry, f"{path}[{index}]"
    elif isinstance(value, Mapping) and "additionalProperties" in field:
        for key, entry in value.items():
            yield field["additionalProperties"], entry, f"{path}[{key}]"
    else:
        # Of an object, and of a map by id, Terraform makes blocks.
        for entry in values:
            yield field.get("additionalProperties", field), entry, path


def _single(document: str, field: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from _value(field, value, path) if "$ref" not in field else [f"{path}: is an object (got {value!r})"]
    elif "$ref" in field:
        yield from _object(document, field["$ref"], _schema(document, field["$ref"]), value, path)
    elif "properties" in field:
        yield from _object(document, path.rpartition(".")[2].partition("[")[0], field, value, path)
    else:
        yield f"{path}: is no object (got {value!r})"


def _value(field: Any, value: Any, path: str) -> Iterator[str]:
    kind, form = field.get("type"), field.get("format")
    if "enum" in field:
        yield from _choice(field, value, path)
    elif kind == "boolean":
        # Terraform has a third state for some.
        if not isinstance(value, bool) and value not in {"TRUE", "FALSE"}:
            yield f"{path}: is a boolean (got {value!r})"
    elif kind in {"integer", "number"} or form in {"int64", "uint64"}:
        yield from _number(kind, form, value, path)
    elif not isinstance(value, str):
        yield f"{path}: is a text (got {value!r})"
    elif form in _FORMATS and not _FORMATS[form].fullmatch(value):
        yield f"{path}: is no {form} (got {value!r})"
    elif value != _UNKNOWN and not re.search(field.get("pattern", ""), value):
        yield f"{path}: does not match {field['pattern']} (got {value!r})"


def _choice(field: Any, value: Any, path: str) -> Iterator[str]:
    deprecated = field.get("enumDeprecated", [False] * len(field["enum"]))
    allowed = dict(zip(field["enum"], deprecated, strict=True))
    # An empty text is Terraform's way to send nothing.
    if value not in {*allowed, ""}:
        yield f"{path}: {value!r} is none of {', '.join(allowed)}"
    elif allowed.get(value):
        yield f"{path}: {value!r} {DEPRECATED}"


def _number(kind: str, form: str | None, value: Any, path: str) -> Iterator[str]:
    try:
        number = float(value) if kind == "number" else int(value)
    except (TypeError, ValueError):
        yield f"{path}: is a number (got {value!r})"
        return
    low, high = _RANGES.get(form or "", (-float("inf"), float("inf")))
    if isinstance(value, bool) or not low <= number <= high:
        yield f"{path}: is no {form or kind} (got {value!r})"


_UNKNOWN = "known when it is made"


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return _plain(value.value)
    return _UNKNOWN if isinstance(value, (Ref, Join, Lookup)) else value
