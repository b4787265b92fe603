"""The namespace that the consumers of a stack share."""

from __future__ import annotations

from typing import TypedDict

import pulumi

from ebbtide.components.register import Registered, register
from ebbtide.manifests.workload import CONSUMER_NAMESPACE, build_consumer_namespace
from ebbtide.settings.stack import StackSettings


class ConsumerNamespaceArgs(TypedDict):
    """Inputs of `ConsumerNamespace`."""

    settings: StackSettings
    """The stack."""


class ConsumerNamespace(pulumi.ComponentResource):
    """A namespace that enforces Pod Security "restricted" and lets no traffic in or out by default."""

    resources: Registered
    """What it consists of."""

    def __init__(self, name: str, args: ConsumerNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the namespace."""
        super().__init__(CONSUMER_NAMESPACE, name, None, opts)
        self.resources = register(build_consumer_namespace(args["settings"], name)[1:], self)
        self.register_outputs({})
