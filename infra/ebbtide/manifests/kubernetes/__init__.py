"""Settings to Kubernetes objects: pure functions that return what is sent to the API server."""

from __future__ import annotations

from typing import NamedTuple

from ebbtide.manifests.kubernetes.autoscaler import build_autoscaler
from ebbtide.manifests.kubernetes.broker_secret import build_broker_secret
from ebbtide.manifests.kubernetes.deployment import build_deployment
from ebbtide.manifests.kubernetes.disruption_budget import build_disruption_budget
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.kubernetes.namespace import build_namespace_object
from ebbtide.manifests.kubernetes.network_policy import build_default_deny, build_network_policy
from ebbtide.manifests.kubernetes.own_cost import build_own_cost
from ebbtide.manifests.kubernetes.scaled_object import hpa_name
from ebbtide.manifests.kubernetes.service_account import build_service_account
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

__all__ = [
    "Manifest",
    "build_autoscaler",
    "build_consumer",
    "build_monitoring",
    "build_namespace",
    "build_workload",
    "hpa_name",
    "stack_manifests",
]


class NamespaceObjects(NamedTuple):
    """The Namespace, and what holds for everything in it, in the order of applying."""

    namespace: Manifest
    default_deny: Manifest


class ConsumerObjects(NamedTuple):
    """The objects of one consumer, in the order of applying."""

    service_account: Manifest
    own_cost: tuple[Manifest, ...]
    """The right to its own deletion cost, with `shutdown.idleFirst`."""
    network_policy: Manifest
    deployment: Manifest
    disruption_budget: Manifest


def build_namespace(stack: StackSettings) -> NamespaceObjects:
    """The namespace of a stack's consumers."""
    return NamespaceObjects(build_namespace_object(stack), build_default_deny(stack))


def build_workload(stack: StackSettings, consumer: ConsumerSettings) -> ConsumerObjects:
    """What one consumer is, without what owns the number of its pods."""
    return ConsumerObjects(
        build_service_account(stack, consumer),
        build_own_cost(stack, consumer),
        build_network_policy(stack, consumer),
        build_deployment(stack, consumer),
        build_disruption_budget(stack, consumer),
    )


def build_monitoring(stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """The objects that watch one consumer, in the order of applying; none where the stack names no collector."""
    if stack.observability is None:
        return ()
    # All alerts come with it, 3 % of the time of `render`.
    from ebbtide.manifests.kubernetes.monitoring import monitoring_of  # noqa: PLC0415

    return monitoring_of(stack.observability, stack, consumer)


def build_consumer(stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """Every object of one consumer in the order of applying, its autoscaler included."""
    stack = stack.seen_by(consumer)
    objects = build_workload(stack, consumer)
    return (
        objects.service_account,
        *objects.own_cost,
        objects.network_policy,
        objects.deployment,
        objects.disruption_budget,
        *build_monitoring(stack, consumer),
        *build_autoscaler(consumer.autoscaling, stack, consumer),
    )


def stack_manifests(stack: StackSettings) -> tuple[Manifest, ...]:
    """Every Kubernetes object of a stack, in the order of applying."""
    consumers = (build_consumer(stack, consumer) for consumer in stack.consumers.values())
    views = [view for view in stack.seen_by_namespace.values() if view.namespace.create]
    namespaces = (manifest for view in views for manifest in build_namespace(view))
    broker = build_broker_secret(stack) or ()
    return (*namespaces, *broker, *(manifest for objects in consumers for manifest in objects))
