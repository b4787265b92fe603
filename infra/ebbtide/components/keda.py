"""KEDA, which follows queues for consumers with `autoscaling: {kind: keda}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.cluster import ExistingCluster, GkeCluster
from ebbtide.components.consumer_namespace import ConsumerNamespace
from ebbtide.components.register import Registered, register
from ebbtide.judgement.findings import refused
from ebbtide.manifests.keda import KEDA, build_keda
from ebbtide.manifests.kubernetes_resource import namespace_key
from ebbtide.manifests.resource import Component
from ebbtide.settings.models.stack import StackSettings, is_gke


class KedaArgs(TypedDict):
    """Inputs of `Keda`."""

    settings: StackSettings
    """The stack; `cluster.keda` must install it."""
    cluster: NotRequired[GkeCluster | ExistingCluster]
    """The cluster, where this program makes it: the firewall rule is one of its network."""
    namespaces: NotRequired[Sequence[ConsumerNamespace]]
    """The consumers' namespaces, where this program makes them: KEDA gets its rights in them."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`)."""


class Keda(pulumi.ComponentResource):
    """KEDA's Helm release, what fences it in, and what GKE needs for it."""

    plan: Component
    """The data it registers."""
    resources: Registered
    """What it consists of."""

    def __init__(self, name: str, args: KedaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install it. Raises SettingsError where the settings do not, or its network is not there."""
        stack, keda = args["settings"], args["settings"].cluster.keda
        if keda is None or not keda.install:
            message = f"does not install KEDA in stack {stack.name}"
            raise refused("wiring", message, "write cluster.keda: {version: ...}", ("cluster", "keda"))
        namespaces, cluster = args.get("namespaces", ()), args.get("cluster")
        if cluster is None and is_gke(stack.cluster):
            message = "makes a firewall rule in the cluster's network, and was given no cluster"
            raise refused("wiring", message, "pass the GkeCluster as `cluster`", ("cluster", "keda"))
        after = tuple(namespace_key(namespace.pulumi_resource_name) for namespace in namespaces)
        self.plan = args.get("plan") or build_keda(stack, keda, after, name)
        super().__init__(KEDA, name, None, opts)
        known = dict(cluster.resources) if cluster else {}
        for namespace in namespaces:
            known |= namespace.resources
        self.resources = register(self.plan.parts, self, known)
        self.register_outputs({})
