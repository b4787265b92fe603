"""The connection to the cluster's API: how to log in, and what makes it this cluster."""

from __future__ import annotations

import json
from typing import Any

from ebbtide.manifests.google.cluster import DNS_ENDPOINT, gke_cluster_key
from ebbtide.manifests.google.names import NODE_POOL
from ebbtide.manifests.resource import Component, Join, Ref, Resource, Secret
from ebbtide.settings.models.cluster import ExistingCluster
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


def build_provider(stack: StackSettings, cluster: Component) -> Resource:
    """The provider for the cluster.

    `clusterIdentifier` keeps it the same provider whatever happens to the kubeconfig; without it a changed kubeconfig
    can replace the provider, and a replaced provider takes every object with it.
    """
    name = cluster.name
    properties: dict[str, Any] = {"clusterIdentifier": cluster_identifier(stack, name)}
    kubeconfig = build_kubeconfig(stack, name)
    if kubeconfig is not None:
        properties["kubeconfig"] = kubeconfig
    elif isinstance(stack.cluster, ExistingCluster) and stack.cluster.context is not None:
        properties["context"] = stack.cluster.context
    # Consumers go before the nodes they run on, and come after them.
    nodes = (resource.key for resource in cluster.parts if resource.token == NODE_POOL)
    token, _, logical = provider_key(name).rpartition("::")
    return Resource(token=token, name=logical, properties=properties).after(*nodes)


def cluster_identifier(stack: StackSettings, name: str = "cluster") -> str | Ref:
    """What makes it this cluster. A cluster that is replaced has another one, and its objects are made anew."""
    cluster = stack.cluster
    if isinstance(cluster, ExistingCluster):
        return cluster.identifier or cluster.dns_endpoint or f"ebbtide-{stack.name}"
    return Ref(gke_cluster_key(name), "id")


def build_kubeconfig(stack: StackSettings, name: str = "cluster") -> Secret | None:
    """A kubeconfig over the control plane's DNS name, with a login by plugin: it holds no credential of its own.

    A secret nevertheless: it lies in the state, and others add tokens to theirs. None where the machine's own
    kubeconfig is used.
    """
    cluster = stack.cluster
    if not isinstance(cluster, ExistingCluster):
        return Secret(_kubeconfig(Ref(gke_cluster_key(name), DNS_ENDPOINT)))
    return Secret(str(_kubeconfig(cluster.dns_endpoint))) if cluster.dns_endpoint else None


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
