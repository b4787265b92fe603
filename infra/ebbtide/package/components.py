"""The components as other languages see them: their arguments are plain data, in the names of a stack file.

No `from __future__ import annotations` here: Pulumi reads the schema from these annotations as they are at run time,
and fails on text (SDK 3.272). It knows neither a `Literal` nor a union either, so what an argument holds is checked
inside, by the same models and rules as a stack file.
"""

from typing import Any, NotRequired, TypedDict

import pulumi

from ebbtide import components, program
from ebbtide.package.plain import cluster_settings, consumer_settings, stack_settings

CONSUMER_STACK = "ebbtide:index:ConsumerStack"


class QueueConsumerArgs(TypedDict):
    settings: dict[str, Any]
    """The consumer, as a stack file writes it below `ebbtide:consumers`."""
    cluster: dict[str, Any]
    """The cluster that it runs in, as a stack file writes it below `ebbtide:cluster`. Rules read it; it is not made."""
    namespace: NotRequired[str]
    """The Kubernetes namespace, which exists. Default: `consumers`."""
    google: NotRequired[dict[str, Any]]
    """`project` and `region`. Default: the program's `gcp:project` and `gcp:region`."""
    image: NotRequired[pulumi.Input[str]]
    """The image, where the same program builds it; instead of the one in `settings`."""


class QueueConsumer(components.QueueConsumer):
    """Pods of one consumer that finish their messages before they end, with autoscaler, budget and network policy."""

    def __init__(self, name: str, args: QueueConsumerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make it, with the Kubernetes provider in `opts`. Raises SettingsError."""
        wiring: components.QueueConsumerArgs = {"settings": consumer_settings(name, args)}
        if "image" in args:
            wiring["image"] = args["image"]
        super().__init__(name, wiring, opts)


class GkeClusterArgs(TypedDict):
    settings: dict[str, Any]
    """The cluster, as a stack file writes it below `ebbtide:cluster`; its kind is `gkeStandard` or `gkeAutopilot`."""
    google: NotRequired[dict[str, Any]]
    """`project` and `region`. Default: the program's `gcp:project` and `gcp:region`."""


class GkeCluster(components.GkeCluster):
    """A hardened GKE cluster with a network and node pools of its own."""

    cluster_name: pulumi.Output[str]
    """The cluster's name in Google Cloud."""
    kubeconfig: pulumi.Output[str]
    """A kubeconfig over the control plane's DNS name, for the plugin gke-gcloud-auth-plugin. A secret."""

    def __init__(self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make it. Raises SettingsError."""
        super().__init__(name, {"settings": cluster_settings(args)}, opts)


class ConsumerStackArgs(TypedDict):
    settings: dict[str, Any]
    """What a stack file says, without the prefix `ebbtide:`: `cluster`, `consumers`, `broker` and the others."""
    google: NotRequired[dict[str, Any]]
    """`project` and `region`. Default: the program's `gcp:project` and `gcp:region`."""
    images: NotRequired[dict[str, pulumi.Input[str]]]
    """Images by consumer, where the same program builds them; instead of those in `settings`."""


class ConsumerStack(pulumi.ComponentResource):
    """A whole stack: cluster, broker, namespaces, KEDA, consumers and alerts, as far as its settings name them."""

    cluster_name: pulumi.Output[str] | None
    """The cluster's name in Google Cloud, where this makes it."""
    kubeconfig: pulumi.Output[str] | None
    """A kubeconfig over the control plane's DNS name, where this makes the cluster. A secret."""
    image_repository: pulumi.Output[str] | None
    """Where images are pushed, where this makes the repository."""

    def __init__(self, name: str, args: ConsumerStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make it. Raises SettingsError."""
        settings = stack_settings(args)
        program.check_cluster(settings)
        super().__init__(CONSUMER_STACK, name, None, opts)
        outputs = program.deploy(settings, {"images": args.get("images", {})}, parent=self).outputs
        self.cluster_name = outputs.get("clusterName")
        self.kubeconfig = outputs.get("kubeconfig")
        self.image_repository = outputs.get("imageRepository")
        self.register_outputs(outputs)


COMPONENTS: list[type[pulumi.ComponentResource]] = [QueueConsumer, GkeCluster, ConsumerStack]
"""What the package has."""
