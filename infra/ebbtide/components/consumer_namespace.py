"""The namespace that the consumers of a stack share."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.register import Registered, register
from ebbtide.manifests.resource import Component
from ebbtide.manifests.workload import CONSUMER_NAMESPACE, build_consumer_namespace
from ebbtide.settings.models.stack import StackSettings


class ConsumerNamespaceArgs(TypedDict):
    """Inputs of `ConsumerNamespace`."""

    settings: StackSettings
    """The stack."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`)."""


class ConsumerNamespace(pulumi.ComponentResource):
    """A namespace that enforces Pod Security "restricted" and lets no traffic in or out by default."""

    resources: Registered
    """What it consists of."""

    def __init__(self, name: str, args: ConsumerNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the namespace."""
        super().__init__(CONSUMER_NAMESPACE, name, None, opts)
        plan = args.get("plan") or build_consumer_namespace(args["settings"], name)
        self.resources = register(plan.parts, self)
        self.register_outputs({})
