"""What watches a stack as a whole: log-based metrics, alert policies, and a dashboard."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.register import Registered, register
from ebbtide.manifests.observability import OBSERVABILITY, build_observability
from ebbtide.manifests.resource import Component
from ebbtide.settings.models.stack import StackSettings


class ObservabilityArgs(TypedDict):
    """Inputs of `Observability`."""

    settings: StackSettings
    """The stack; it must name a collector (`observability`)."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`)."""


class Observability(pulumi.ComponentResource):
    """Alerts and a dashboard of all consumers of a stack. What scrapes a consumer is that consumer's own."""

    resources: Registered
    """What it consists of."""

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make them. Raises SettingsError where the settings name no collector."""
        plan = args.get("plan") or build_observability(args["settings"], name)
        super().__init__(OBSERVABILITY, name, None, opts)
        self.resources = register(plan.parts, self)
        self.register_outputs({})
