"""What watches a stack as a whole, beside what watches each consumer: one function a kind of collector."""

from __future__ import annotations

from functools import singledispatch

from ebbtide.judgement.findings import refused
from ebbtide.manifests.google.observability import build_cloud_observability
from ebbtide.manifests.resource import Component, Resource
from ebbtide.settings.models.managed_prometheus import ManagedPrometheus
from ebbtide.settings.models.observability import CollectorSettings
from ebbtide.settings.models.prometheus_operator import PrometheusOperator
from ebbtide.settings.models.stack import StackSettings

OBSERVABILITY = "ebbtide:index:Observability"


def build_observability(stack: StackSettings, name: str | None = None) -> Component:
    """The component with what watches the stack. Raises SettingsError where the stack names no collector."""
    collector = stack.observability
    if collector is None:
        message = f"is not given for stack {stack.name}"
        raise refused("wiring", message, "write observability: {kind: managedPrometheus}", ("observability",))
    component = Resource(token=OBSERVABILITY, name=name or "observability")
    return Component(component, observability_of(collector, stack, component))


@singledispatch
def observability_of(
    collector: CollectorSettings,
    stack: StackSettings,
    component: Resource,
) -> tuple[Resource, ...]:
    """What this kind of collector is given.

    Raises NotImplementedError for a kind that has not registered its own.
    """
    raise NotImplementedError(f"a collector of kind {collector.kind} has no resources")


@observability_of.register
def _managed(collector: ManagedPrometheus, stack: StackSettings, component: Resource) -> tuple[Resource, ...]:
    return build_cloud_observability(collector, stack, component.name, component.key)


@observability_of.register
def _operator(collector: PrometheusOperator, stack: StackSettings, component: Resource) -> tuple[Resource, ...]:  # noqa: ARG001
    """Nothing: rules are each consumer's, and a Grafana is given its dashboard by `ebbtide dashboard`."""
    return ()
