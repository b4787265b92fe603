"""The cluster: one that this program makes, or one that exists; and the connection to it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.image_repository import ImageRepository
from ebbtide.components.register import Registered, register, resolve
from ebbtide.judgement.findings import refused
from ebbtide.manifests.google import names
from ebbtide.manifests.google.cluster import build_gke_cluster, gke_cluster_key
from ebbtide.manifests.provider import EXISTING_CLUSTER, build_existing_cluster, build_provider, connection
from ebbtide.manifests.resource import Component
from ebbtide.settings.models.cluster import ExistingCluster as ExistingClusterSettings
from ebbtide.settings.models.stack import StackSettings


class GkeClusterArgs(TypedDict):
    """Inputs of `GkeCluster`."""

    settings: StackSettings
    """The stack; its cluster must be `gkeStandard` or `gkeAutopilot`."""
    image_repository: NotRequired[ImageRepository]
    """The stack's repository, where it makes one: nodes then may read it and no other."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`); by default it is built from the settings."""


class GkeCluster(pulumi.ComponentResource):
    """A hardened GKE cluster with a network and node pools of its own."""

    # Attributes are declared where they are set: what the class declares would be an output in other languages
    # (ebbtide.package).

    def __init__(self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the cluster. Raises SettingsError where the settings name an existing one."""
        self.settings: StackSettings = args["settings"]
        """What it was made from."""
        # Before anything is registered: a wrong kind is an error of the caller.
        self.plan: Component = args.get("plan") or build_gke_cluster(self.settings, name)
        """The data it registers."""
        super().__init__(names.GKE_CLUSTER, name, None, opts)
        repository = args.get("image_repository")
        self.resources: Registered = register(self.plan.parts, self, repository.resources if repository else {})
        """What it consists of."""
        cluster = self.resources[gke_cluster_key(name)]
        self.cluster_name: pulumi.Output[str] = getattr(cluster, "name")  # noqa: B009 - an output, made by registering
        """The cluster's name in Google Cloud."""
        reached = connection(self.settings.cluster, self.settings, name)
        self.kubeconfig: pulumi.Output[str] = resolve(reached.kubeconfig, self.resources)
        """A kubeconfig over the control plane's DNS name, for the plugin gke-gcloud-auth-plugin. A secret."""
        self.register_outputs({"clusterName": self.cluster_name, "kubeconfig": self.kubeconfig})


class ExistingClusterArgs(TypedDict):
    """Inputs of `ExistingCluster`."""

    settings: StackSettings
    """The stack; its cluster must be `existing`."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`)."""


class ExistingCluster(pulumi.ComponentResource):
    """A cluster that something else manages. It makes nothing; it is what consumers are connected to."""

    settings: StackSettings
    """What it was made from."""
    plan: Component
    """The data it registers."""
    resources: Registered
    """Nothing."""

    def __init__(self, name: str, args: ExistingClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Name the cluster. Raises SettingsError where the settings make one."""
        self.settings = args["settings"]
        if not isinstance(self.settings.cluster, ExistingClusterSettings):
            message = f"makes a cluster in stack {self.settings.name}"
            raise refused("wiring", message, "use GkeCluster, or kind: existing", ("cluster", "kind"))
        self.plan = args.get("plan") or build_existing_cluster(name)
        super().__init__(EXISTING_CLUSTER, name, None, opts)
        self.resources = {}
        self.register_outputs({})


def connect(cluster: GkeCluster | ExistingCluster, parent: pulumi.Resource | None = None) -> pulumi.ProviderResource:
    """The Kubernetes provider for a cluster, to be passed to the consumers in `opts`; below `parent`, if one is given.

    It is pinned to the cluster: a changed kubeconfig updates it, and only another cluster replaces what it manages.
    """
    provider = build_provider(cluster.settings, cluster.plan)
    registered = register((provider,), parent, cluster.resources)[provider.key]
    assert isinstance(registered, pulumi.ProviderResource)  # noqa: S101 - a provider's data makes a provider
    return registered
