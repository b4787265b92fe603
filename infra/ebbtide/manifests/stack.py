"""Everything a stack deploys, composed once: the program walks it, and so does whoever shows or compares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ebbtide.manifests.broker import build_broker
from ebbtide.manifests.google.image_repository import build_image_repository
from ebbtide.manifests.keda import build_keda
from ebbtide.manifests.kubernetes_resource import namespace_key
from ebbtide.manifests.observability import build_observability
from ebbtide.manifests.provider import build_cluster, build_provider
from ebbtide.manifests.resource import Component, Resource
from ebbtide.manifests.workload import build_consumer_namespace, build_queue_consumer
from ebbtide.settings.models.brokered import made_broker
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class StackPlan:
    """The components of a stack, and the connection between its cluster and what runs in it."""

    cluster: Component
    image_repository: Component | None = None
    provider: Resource | None = None
    """None in a stack that makes only a cluster, without KEDA: nothing in it needs the Kubernetes API."""
    namespaces: Mapping[str, Component] = field(default_factory=dict)
    """By their names; without those that somebody else makes."""
    broker: Component | None = None
    """None where it exists, or each consumer brings its own."""
    keda: Component | None = None
    """None where this stack does not install it."""
    consumers: Mapping[str, Component] = field(default_factory=dict)
    observability: Component | None = None
    """None where the stack names no collector, or one that is told all by each consumer."""

    def __iter__(self) -> Iterator[Resource]:
        """Every registration, in the order in which the program makes them."""
        yield from self.image_repository or ()
        yield from self.cluster
        if self.provider is not None:
            yield self.provider
        for namespace in self.namespaces.values():
            yield from namespace
        yield from self.broker or ()
        yield from self.keda or ()
        for consumer in self.consumers.values():
            yield from consumer
        yield from self.observability or ()


def compose(stack: StackSettings) -> StackPlan:
    """What the stack's program registers, GKE and components included. A contract test holds it equal to what arrives
    at the engine, inputs and options."""
    repository = build_image_repository(stack) if stack.image_repository else None
    cluster = build_cluster(stack.cluster, stack)
    broker = build_broker(stack) if made_broker(stack) else None
    keda = stack.cluster.own_keda
    if not stack.consumers and keda is None:
        return StackPlan(cluster, repository, broker=broker)
    views = stack.seen_by_namespace.items() if stack.consumers else ()
    namespaces = {name: build_consumer_namespace(view) for name, view in views if view.namespace.create}
    observability = build_observability(stack) if stack.observability is not None else None
    return StackPlan(
        cluster,
        repository,
        build_provider(stack, cluster),
        namespaces,
        broker,
        build_keda(stack, keda, tuple(namespace_key(one.name) for one in namespaces.values())) if keda else None,
        {name: build_queue_consumer(stack, consumer, broker=broker) for name, consumer in stack.consumers.items()},
        observability if observability is not None and observability.parts else None,
    )


def stack_resources(stack: StackSettings) -> tuple[Resource, ...]:
    """The same as a list."""
    return tuple(compose(stack))
