"""The broker of a stack, with the Secret through which its consumers know it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.cluster import ExistingCluster, GkeCluster
from ebbtide.components.consumer_namespace import ConsumerNamespace
from ebbtide.components.register import Registered, register
from ebbtide.components.taken_secrets import refuse_taken_secrets
from ebbtide.manifests.broker import build_broker
from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Component
from ebbtide.settings.models.stack import StackSettings


class BrokerArgs(TypedDict):
    """Inputs of `Broker`."""

    settings: StackSettings
    """The stack; it must have a `broker` that is made."""
    cluster: NotRequired[GkeCluster | ExistingCluster]
    """The cluster, where this program makes it: the broker is then in its network."""
    namespace: NotRequired[ConsumerNamespace]
    """The namespace, where this program makes it: the Secret is then written into it."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`); by default it is built from the settings."""


class Broker(pulumi.ComponentResource):
    """A broker that keeps its messages: Memorystore for Valkey, or Cloud SQL for PostgreSQL."""

    plan: Component
    """The data it registers."""
    resources: Registered
    """What it consists of."""

    def __init__(self, name: str, args: BrokerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the broker. Raises SettingsError where the settings name an existing one, or none."""
        cluster, namespace = args.get("cluster"), args.get("namespace")
        self.plan = args.get("plan") or build_broker(
            args["settings"], name, namespace.pulumi_resource_name if namespace else None
        )
        super().__init__(names.BROKER, name, None, opts)
        known = {**(cluster.resources if cluster else {}), **(namespace.resources if namespace else {})}
        self.resources = register(self.plan.parts, self, known)
        # Waited for with the outputs, and none of them: it has no value.
        self.register_outputs({"taken": refuse_taken_secrets(args["settings"], self, self.plan.parts, self.resources)})
