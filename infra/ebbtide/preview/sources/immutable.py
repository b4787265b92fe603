"""Which properties cannot change in place, so that a change of them replaces the resource.

Needed by the in-process source only: a plan of the engine says itself what is replaced. Nothing here is from memory:

- Google Cloud: `forces_replacement.json`, read out of the provider's own schema (its `source` says which). Contract
  tests hold it against pulumi_gcp's own documentation, and every property that this library sets against both.
- Kubernetes: `provider/pkg/provider/diff.go` of pulumi-kubernetes 4.24. It is the engine's word: a field that the API
  server refuses to update and that is not in it ends an update in an error and replaces nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from ipaddress import ip_network

from ebbtide.preview.change import MISSING, Path, PropertyChange, leaves

_GOOGLE = {
    "gcp:artifactregistry/repository:Repository": "google_artifact_registry_repository",
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": "google_artifact_registry_repository_iam_member",
    "gcp:compute/address:Address": "google_compute_address",
    "gcp:compute/firewall:Firewall": "google_compute_firewall",
    "gcp:compute/forwardingRule:ForwardingRule": "google_compute_forwarding_rule",
    "gcp:compute/network:Network": "google_compute_network",
    "gcp:compute/router:Router": "google_compute_router",
    "gcp:compute/routerNat:RouterNat": "google_compute_router_nat",
    "gcp:compute/subnetwork:Subnetwork": "google_compute_subnetwork",
    "gcp:container/cluster:Cluster": "google_container_cluster",
    "gcp:container/nodePool:NodePool": "google_container_node_pool",
    "gcp:logging/metric:Metric": "google_logging_metric",
    "gcp:monitoring/alertPolicy:AlertPolicy": "google_monitoring_alert_policy",
    "gcp:monitoring/dashboard:Dashboard": "google_monitoring_dashboard",
    "gcp:memorystore/instance:Instance": "google_memorystore_instance",
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": (
        "google_network_connectivity_service_connection_policy"
    ),
    "gcp:projects/iAMMember:IAMMember": "google_project_iam_member",
    "gcp:secretmanager/secret:Secret": "google_secret_manager_secret",
    "gcp:secretmanager/secretIamMember:SecretIamMember": "google_secret_manager_secret_iam_member",
    "gcp:secretmanager/secretVersion:SecretVersion": "google_secret_manager_secret_version",
    "gcp:serviceaccount/account:Account": "google_service_account",
    "gcp:serviceaccount/iAMMember:IAMMember": "google_service_account_iam_member",
    "gcp:sql/database:Database": "google_sql_database",
    "gcp:sql/databaseInstance:DatabaseInstance": "google_sql_database_instance",
    "gcp:sql/user:User": "google_sql_user",
}
# Every `_iam_member` is made of one schema (tpgiamresource/resource_iam_member.go) in which all is ForceNew; the
# recorded file has two of them. Those of metrics and dashboards were read in the provider's own files, of the same year
# (google-beta/services/logging/resource_logging_metric.go, monitoring/resource_monitoring_dashboard.go), that of
# firewalls in compute/resource_compute_firewall.go at 0123f38.
_ALSO_OF_GOOGLE = {
    "google_compute_firewall": ("name", "project", "direction", "params"),
    "google_service_account_iam_member": ("service_account_id", "role", "member", "condition"),
    "google_logging_metric": ("project", "metric_descriptor.labels.key", "metric_descriptor.labels.value_type"),
    "google_monitoring_alert_policy": ("project",),
    "google_monitoring_dashboard": ("project",),
}

MAPS = frozenset({"metadata", "resource_manager_tags", "tags"})
"""Which of them are maps: what is below is a key, and no field of its own."""

_OF_EVERY_OBJECT: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"))
_KUBERNETES: dict[str, tuple[Path, ...]] = {
    "apps/v1:Deployment": (("spec", "selector"),),
    "apps/v1:DaemonSet": (("spec", "selector"),),
    "apps/v1:StatefulSet": tuple(
        ("spec", name)
        for name in ("podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName", "volumeClaimTemplates")
    ),
    "batch/v1:Job": tuple(("spec", name) for name in ("completions", "parallelism", "selector", "template")),
    "core/v1:Secret": (("type",), ("stringData",), ("data",)),
    "core/v1:ConfigMap": (("binaryData",), ("data",)),
    "core/v1:Service": (("spec", "clusterIP"),),
    "rbac.authorization.k8s.io/v1:RoleBinding": (("roleRef",),),
    "rbac.authorization.k8s.io/v1:ClusterRoleBinding": (("roleRef",),),
    "storage.k8s.io/v1:StorageClass": (("parameters",), ("provisioner",)),
}


def replaces(token: str, change: PropertyChange) -> bool:
    """Whether this change of a resource of this type replaces it."""
    only_sometimes = _SOMETIMES.get(token, {}).get(change.path)
    if only_sometimes is not None:
        return only_sometimes(change)
    parts = [leaf.path for side in (change.old, change.new) for leaf in leaves(side, change.path)]
    return any(is_immutable(token, path) for path in (change.path, *parts))


def is_immutable(token: str, path: Path) -> bool:
    """Whether a property of a resource of this type can never change in place."""
    if token.startswith("kubernetes:"):
        fixed = (*_OF_EVERY_OBJECT, *_KUBERNETES.get(token.removeprefix("kubernetes:"), ()))
        return any(path[: len(prefix)] == prefix for prefix in fixed)
    if token.startswith("random:"):
        # Every input of the random provider's resources: what they once made up must stay as it is.
        return True
    names = tuple(part if isinstance(part, int) else _snake(part) for part in path)
    return any(_is_at(names, fixed) for fixed in _google(token))


@cache
def _google(token: str) -> tuple[tuple[str, ...], ...]:
    document = json.loads(files(__package__).joinpath("forces_replacement.json").read_text(encoding="utf-8"))
    name = _GOOGLE.get(token, "")
    fixed = (*document["resources"].get(name, ()), *_ALSO_OF_GOOGLE.get(name, ()))
    return tuple(tuple(path.split(".")) for path in fixed)


def _snake(part: str) -> str:
    """`ipCidrRange` -> `ip_cidr_range`: the upstream provider's name of a property."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", part).lower()


def _is_at(names: tuple[str | int, ...], fixed: tuple[str, ...]) -> bool:
    """Whether a path is that property, one of its values, or a key of its map.

    Not what is below a block: Terraform's `ForceNew` on a block is for a block that comes or goes, and each of its
    fields has its own (schemaMap.diffList). Pulumi names a list in the plural where the upstream provider does not.
    """
    named = tuple(name for name in names if isinstance(name, str))
    at = len(named) >= len(fixed) and all(
        name in {other, f"{other}s"} for name, other in zip(named, fixed, strict=False)
    )
    return at and (len(named) == len(fixed) or (len(named) == len(fixed) + 1 and fixed[-1] in MAPS))


def _shrinks(change: PropertyChange) -> bool:
    """compute_subnetwork's `isShrinkageIpCidr`: a range may grow in place, and nothing else."""
    try:
        return not ip_network(str(change.old)).subnet_of(ip_network(str(change.new)))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return True


def _falls(change: PropertyChange) -> bool:
    """sql_database_instance's diskSizeCutomizeDiff: a disk may grow in place, and never shrinks."""
    return not (isinstance(change.old, int) and isinstance(change.new, int) and change.new >= change.old)


def _changes(change: PropertyChange) -> bool:
    """pulumi-kubernetes' DiffConfig: adding or removing the identifier replaces nothing, to make on- and off-boarding
    less risky."""
    return change.old is not MISSING and change.new is not MISSING


_SOMETIMES: Mapping[str, Mapping[Path, Callable[[PropertyChange], bool]]] = {
    "gcp:compute/subnetwork:Subnetwork": {("ipCidrRange",): _shrinks},
    "gcp:sql/databaseInstance:DatabaseInstance": {("settings", "diskSize"): _falls},
    "pulumi:providers:kubernetes": {("clusterIdentifier",): _changes},
}
