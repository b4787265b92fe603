"""Kubernetes objects as resources: what the manifests say, and how the engine has to treat them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ebbtide.manifests.broker import last_parts
from ebbtide.manifests.google.identity import build_consumer_identity
from ebbtide.manifests.keda import release_key
from ebbtide.manifests.kubernetes import (
    Manifest,
    build_autoscaler,
    build_monitoring,
    build_namespace,
    build_workload,
)
from ebbtide.manifests.kubernetes_resource import kubernetes_resource, namespace_key
from ebbtide.manifests.resource import Component, Resource, Timeouts
from ebbtide.settings.models.consumer import START_DEADLINE_SECONDS, ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
CONSUMER_NAMESPACE = "ebbtide:index:ConsumerNamespace"
QUEUE_CONSUMER = "ebbtide:index:QueueConsumer"
CONSUMER_AUTOSCALER = "ebbtide:index:ConsumerAutoscaler"

# A roll-out waits for these and for nothing of the shutdown budget: old pods drain while new ones are up already.
# A node of a pool is up after 1 to 3 minutes; a big image takes about as long on a new node.
NODE_START_SECONDS = 240
IMAGE_PULL_SECONDS = 240
# A deletion waits for the pods: the whole grace, the kubelet's two seconds more (kubernetes#74160), and the API.
DELETE_ALLOWANCE_SECONDS = 120


def build_consumer_namespace(stack: StackSettings, name: str | None = None) -> Component:
    """The component with the Namespace, and what holds for every consumer in it."""
    component = Resource(token=CONSUMER_NAMESPACE, name=name or stack.namespace.name)
    objects = build_namespace(stack)
    inside = (one for one in stack.consumers.values() if stack.seen_by(one).namespace.name == stack.namespace.name)
    longest = max((consumer.shutdown_budget.grace_seconds for consumer in inside), default=0)
    deletion = Timeouts(delete_seconds=longest + 2 * DELETE_ALLOWANCE_SECONDS)
    namespace = kubernetes_resource(objects.namespace, component, stack.namespace.name).with_timeouts(deletion)
    # What others put there since would go with it.
    namespace = replace(namespace, retain_on_delete=True)
    default_deny = kubernetes_resource(objects.default_deny, component, stack.namespace.name).after(namespace.key)
    return Component(component, (namespace, default_deny))


def build_queue_consumer(
    stack: StackSettings,
    consumer: ConsumerSettings,
    name: str | None = None,
    namespace_name: str | None = None,
    broker: Component | None = None,
) -> Component:
    """The component with its identity in Google Cloud and its objects; what owns the number of pods is a component
    inside of it. It comes after the broker that it reads from, and drains before that one goes."""
    stack = stack.seen_by(consumer)
    component = Resource(token=QUEUE_CONSUMER, name=name or consumer.name)
    name_of_namespace = namespace_name or (stack.namespace.name if stack.namespace.create else None)
    namespace = (namespace_key(name_of_namespace),) if name_of_namespace else ()
    identity = build_consumer_identity(stack, consumer, component.name, component.key)

    def resource(manifest: Manifest) -> Resource:
        return kubernetes_resource(manifest, component, consumer.name).after(*namespace)

    objects = build_workload(stack, consumer)
    # Pods that start before their role is granted would fail at their first message.
    deployment = _deployment(consumer, resource(objects.deployment)).after(*(member.key for member in identity))
    if broker is not None and stack.broker_of(consumer) is not None:
        deployment = deployment.after(*last_parts(broker))
    parts = (
        *identity,
        resource(objects.service_account),
        *_in_sequence(tuple(map(resource, objects.own_cost))),
        resource(objects.network_policy),
        deployment,
        resource(objects.disruption_budget),
        *map(resource, build_monitoring(stack, consumer)),
    )
    return Component(component, parts, _autoscaler(stack, consumer, component, deployment))


def _autoscaler(
    stack: StackSettings, consumer: ConsumerSettings, owner: Resource, deployment: Resource
) -> tuple[Component, ...]:
    manifests = build_autoscaler(consumer.autoscaling, stack, consumer)
    if not manifests:
        return ()
    component = Resource(token=CONSUMER_AUTOSCALER, name=owner.name, parent=owner.key)
    # A kind of KEDA's is there once KEDA is.
    keda = (release_key(),) if stack.cluster.own_keda and consumer.autoscaling.needs_keda else ()
    parts: tuple[Resource, ...] = ()
    for manifest in manifests:
        # Each after those before it: what scales needs its credentials.
        before = (deployment.key, *keda, *(part.key for part in parts))
        parts = (*parts, kubernetes_resource(manifest, component, consumer.name).after(*before))
    return (Component(component, parts),)


def _in_sequence(resources: tuple[Resource, ...]) -> Iterator[Resource]:
    """Each after the one before it: a right is granted only where what confines it is in force."""
    before: tuple[str, ...] = ()
    for resource in resources:
        yield resource.after(*before)
        before = (resource.key,)


def longest_update_seconds(stack: StackSettings) -> int:
    """How long the engine waits at most for one object of the stack's consumers before it calls an update failed."""
    built = (build_queue_consumer(stack, consumer) for consumer in stack.consumers.values())
    return max((resource.timeouts.update_seconds or 0 for consumer in built for resource in consumer), default=0)


def _deployment(consumer: ConsumerSettings, resource: Resource) -> Resource:
    one_batch = IMAGE_PULL_SECONDS + START_DEADLINE_SECONDS
    batches = roll_out_batches(consumer.autoscaling.max_replicas, resource.properties["spec"])
    old_ones_first = 0 if consumer.autoscaling.overlaps else consumer.shutdown_budget.grace_seconds
    timeouts = Timeouts(
        create_seconds=NODE_START_SECONDS + one_batch,
        update_seconds=old_ones_first + NODE_START_SECONDS + batches * one_batch,
        delete_seconds=consumer.shutdown_budget.grace_seconds + DELETE_ALLOWANCE_SECONDS,
    )
    resource = resource.with_timeouts(timeouts)
    if consumer.autoscaling.stated_replicas is None:
        # Omitting `replicas` is not enough: going from fixed 5 to an HPA reset it to 1 and drained four pods, because
        # the engine gave up a field that it owned. Ignored, it stays 5 and follows the HPA (both measured).
        resource = resource.ignoring("spec.replicas")
    return resource


def roll_out_batches(replicas: int, spec: dict[str, Any]) -> int:
    """In how many steps a Deployment's pods are replaced: `maxSurge` new ones at a time, a percentage rounded up."""
    if spec["strategy"]["type"] == "Recreate":
        return 1
    stated = str(spec["strategy"]["rollingUpdate"]["maxSurge"])
    surge = -(-replicas * int(stated[:-1]) // 100) if stated.endswith("%") else int(stated)
    return max(1, -(-replicas // max(1, surge)))
