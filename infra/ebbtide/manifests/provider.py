"""The cluster of a stack, made here or not, and the connection to its API: how to log in, what makes it this one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import singledispatch

from ebbtide.manifests.google.cluster import DNS_ENDPOINT, build_gke_cluster, gke_cluster_key
from ebbtide.manifests.google.names import NODE_POOL
from ebbtide.manifests.resource import Component, Join, Ref, Resource, Secret
from ebbtide.settings.models.cluster import ClusterSettings, ExistingCluster, GkeAutopilot, GkeStandard
from ebbtide.settings.models.stack import StackSettings

KUBERNETES_PROVIDER = "pulumi:providers:kubernetes"
EXISTING_CLUSTER = "ebbtide:index:ExistingCluster"
_ENDPOINT = "ENDPOINT"
_INSTALL_HINT = "install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin"


def provider_key(name: str = "cluster") -> str:
    """The key of the Kubernetes provider for the cluster component of this name."""
    return f"{KUBERNETES_PROVIDER}::{name}-kubernetes"


def build_existing_cluster(name: str = "cluster") -> Component:
    """Only the component: the cluster is somebody else's."""
    return Component(Resource(token=EXISTING_CLUSTER, name=name))


@singledispatch
def build_cluster(cluster: ClusterSettings, stack: StackSettings, name: str = "cluster") -> Component:
    """The component of this kind of cluster with all that is made for it.

    Raises NotImplementedError for a kind that has not registered its own.
    """
    raise NotImplementedError(f"a cluster of kind {cluster.kind} cannot be made")


@build_cluster.register(GkeStandard)
@build_cluster.register(GkeAutopilot)
def _make_gke(cluster: GkeStandard | GkeAutopilot, stack: StackSettings, name: str = "cluster") -> Component:  # noqa: ARG001
    return build_gke_cluster(stack, name)


@build_cluster.register
def _leave_existing(cluster: ExistingCluster, stack: StackSettings, name: str = "cluster") -> Component:  # noqa: ARG001
    return build_existing_cluster(name)


@dataclass(frozen=True, slots=True)
class Connection:
    """How a cluster's API is reached."""

    identifier: str | Ref
    """What makes it this cluster. A cluster that is replaced has another one, and its objects are made anew."""
    kubeconfig: Secret | None = None
    """Over the control plane's DNS name, with a login by plugin: it holds no credential of its own. A secret
    nevertheless: it lies in the state, and others add tokens to theirs. None: the machine's own is used."""
    context: str | None = None
    """Which of the machine's own; None: the current one."""


@singledispatch
def connection(cluster: ClusterSettings, stack: StackSettings, name: str) -> Connection:
    """How this kind of cluster is reached, for the cluster component of this name.

    Raises NotImplementedError for a kind that has not registered its own.
    """
    raise NotImplementedError(f"a cluster of kind {cluster.kind} cannot be reached")


@connection.register(GkeStandard)
@connection.register(GkeAutopilot)
def _gke(cluster: GkeStandard | GkeAutopilot, stack: StackSettings, name: str) -> Connection:  # noqa: ARG001
    key = gke_cluster_key(name)
    return Connection(Ref(key, "id"), Secret(_kubeconfig(Ref(key, DNS_ENDPOINT))))


@connection.register
def _existing(cluster: ExistingCluster, stack: StackSettings, name: str) -> Connection:  # noqa: ARG001
    identifier = cluster.identifier or cluster.dns_endpoint or f"ebbtide-{stack.name}"
    kubeconfig = Secret(str(_kubeconfig(cluster.dns_endpoint))) if cluster.dns_endpoint else None
    return Connection(identifier, kubeconfig, cluster.context)


def build_provider(stack: StackSettings, cluster: Component) -> Resource:
    """The provider for the cluster.

    `clusterIdentifier` keeps it the same provider whatever happens to the kubeconfig; without it a changed kubeconfig
    can replace the provider, and a replaced provider takes every object with it.
    """
    reached = connection(stack.cluster, stack, cluster.name)
    stated = {"kubeconfig": reached.kubeconfig, "context": reached.context}
    properties = {"clusterIdentifier": reached.identifier, **{key: it for key, it in stated.items() if it is not None}}
    # Consumers go before the nodes they run on, and come after them.
    nodes = (resource.key for resource in cluster.parts if resource.token == NODE_POOL)
    token, _, logical = provider_key(cluster.name).rpartition("::")
    return Resource(token=token, name=logical, properties=properties).after(*nodes)


def _kubeconfig(endpoint: str | Ref) -> Join:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": _INSTALL_HINT,
        "provideClusterInfo": True,
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        # The name is certified by a public authority: no certificate of the cluster is needed.
        "clusters": [{"name": "gke", "cluster": {"server": f"https://{_ENDPOINT}"}}],
        "users": [{"name": "gke", "user": {"exec": plugin}}],
        "contexts": [{"name": "gke", "context": {"cluster": "gke", "user": "gke"}}],
        "current-context": "gke",
    }
    before, after = json.dumps(document).split(_ENDPOINT)
    return Join((before, endpoint, after))
