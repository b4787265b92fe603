"""Properties that cannot change in place, so that a change of them replaces the resource.

Needed by the in-process source only: a plan of the engine says itself what is replaced. Kubernetes: fields that the
API server's validation refuses to update. Google Cloud: `ForceNew` in the provider's schema, as far as it concerns
properties that this library sets.
"""

from __future__ import annotations

from ebbtide.preview.change import Path

_KUBERNETES_ALWAYS: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"), ("kind",))

_BY_TOKEN: dict[str, tuple[Path, ...]] = {
    # apps/validation ValidateDeploymentUpdate: spec.selector is immutable.
    "kubernetes:apps/v1:Deployment": (("spec", "selector"),),
    "pulumi:providers:kubernetes": (("clusterIdentifier",),),
    "gcp:container/cluster:Cluster": (
        ("name",),
        ("location",),
        ("network",),
        ("subnetwork",),
        ("enableAutopilot",),
        ("networkingMode",),
        ("datapathProvider",),
        ("ipAllocationPolicy",),
        ("defaultMaxPodsPerNode",),
        ("initialNodeCount",),
        ("nodeConfig",),
        ("privateClusterConfig", "masterIpv4CidrBlock"),
    ),
    "gcp:container/nodePool:NodePool": (
        ("name",),
        ("cluster",),
        ("location",),
        ("initialNodeCount",),
        ("maxPodsPerNode",),
        ("nodeConfig", "spot"),
        ("nodeConfig", "preemptible"),
        ("nodeConfig", "serviceAccount"),
        ("nodeConfig", "oauthScopes"),
        ("nodeConfig", "shieldedInstanceConfig"),
        ("nodeConfig", "bootDiskKmsKey"),
    ),
    "gcp:compute/network:Network": (("name",), ("autoCreateSubnetworks",)),
    "gcp:compute/subnetwork:Subnetwork": (("name",), ("network",), ("region",)),
    "gcp:compute/router:Router": (("name",), ("network",), ("region",)),
    "gcp:compute/routerNat:RouterNat": (("name",), ("router",), ("region",)),
    "gcp:serviceaccount/account:Account": (("accountId",),),
    "gcp:artifactregistry/repository:Repository": (("repositoryId",), ("location",), ("format",)),
    "gcp:projects/iAMMember:IAMMember": (("project",), ("role",), ("member",)),
    "gcp:serviceaccount/iAMMember:IAMMember": (("serviceAccountId",), ("role",), ("member",)),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": (("repository",), ("role",), ("member",)),
}


def replaces(token: str, path: Path) -> bool:
    """Whether a change at `path` of a resource of this type replaces it."""
    fixed = _BY_TOKEN.get(token, ())
    if token.startswith("kubernetes:"):
        fixed = (*_KUBERNETES_ALWAYS, *fixed)
    return any(path[: len(prefix)] == prefix for prefix in fixed)
