"""Kubernetes objects as resources: what the manifests say, and how the engine has to treat them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ebbtide.manifests.google.identity import build_consumer_identity
from ebbtide.manifests.kubernetes import Manifest, build_consumer, build_namespace
from ebbtide.manifests.provider import provider_key
from ebbtide.manifests.resource import Resource, Timeouts
from ebbtide.settings.autoscaling import HpaSettings
from ebbtide.settings.consumer import START_DEADLINE_SECONDS, ConsumerSettings
from ebbtide.settings.stack import StackSettings

NAMESPACE = "kubernetes:core/v1:Namespace"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
CONSUMER_NAMESPACE = "ebbtide:index:ConsumerNamespace"
QUEUE_CONSUMER = "ebbtide:index:QueueConsumer"
CONSUMER_AUTOSCALER = "ebbtide:index:ConsumerAutoscaler"

# A roll-out waits for these and for nothing of the shutdown budget: old pods drain while new ones are up already.
# A node of a pool is up after 1 to 3 minutes; a big image takes about as long on a new node.
NODE_START_SECONDS = 240
IMAGE_PULL_SECONDS = 240
# A deletion waits for the pods: the whole grace, the kubelet's two seconds more (V-01), and the API.
DELETE_ALLOWANCE_SECONDS = 120

_SUFFIXES = {"HorizontalPodAutoscaler": "hpa", "PodDisruptionBudget": "pdb"}


def build_consumer_namespace(stack: StackSettings, name: str | None = None) -> tuple[Resource, ...]:
    """The component, the Namespace, and what holds for everything in it."""
    component = Resource(token=CONSUMER_NAMESPACE, name=name or stack.namespace)
    namespace, *others = (_resource(manifest, component, stack.namespace) for manifest in build_namespace(stack))
    longest = max((consumer.shutdown_budget.grace_seconds for consumer in stack.consumers.values()), default=0)
    deletion = Timeouts(delete_seconds=longest + 2 * DELETE_ALLOWANCE_SECONDS)
    return (component, namespace.with_timeouts(deletion), *(other.after(namespace.key) for other in others))


def build_queue_consumer(
    stack: StackSettings, consumer: ConsumerSettings, name: str | None = None, namespace_name: str | None = None
) -> tuple[Resource, ...]:
    """The component, its identity in Google Cloud and its objects; the autoscaler, if there is one, is last."""
    component = Resource(token=QUEUE_CONSUMER, name=name or consumer.name)
    identity = build_consumer_identity(stack, consumer, component.name, component.key)
    namespace = namespace_key(namespace_name or stack.namespace)
    objects = [_resource(manifest, component, consumer.name) for manifest in build_consumer(stack, consumer)]
    if not isinstance(consumer.autoscaling, HpaSettings):
        return (component, *identity, *_in_order(consumer, objects, identity, namespace))
    *workload, hpa = objects
    autoscaler = Resource(token=CONSUMER_AUTOSCALER, name=component.name, parent=component.key)
    deployment = next(resource.key for resource in workload if resource.token == DEPLOYMENT)
    return (
        component,
        *identity,
        *_in_order(consumer, workload, identity, namespace),
        autoscaler,
        hpa.below(autoscaler.key).after(deployment),
    )


def longest_update_seconds(stack: StackSettings) -> int:
    """How long the engine waits at most for one object of the stack's consumers before it calls an update failed."""
    built = (build_queue_consumer(stack, consumer) for consumer in stack.consumers.values())
    return max((one.timeouts.update_seconds or 0 for resources in built for one in resources), default=0)


def _in_order(
    consumer: ConsumerSettings, objects: Iterable[Resource], identity: Iterable[Resource], namespace: str
) -> Iterator[Resource]:
    granted = [member.key for member in identity]
    for resource in objects:
        if resource.token == DEPLOYMENT:
            # Pods that start before their role is granted would fail at their first message.
            yield _deployment(consumer, resource).after(namespace, *granted)
        else:
            yield resource.after(namespace)


def namespace_key(name: str) -> str:
    """The key of the Namespace that the component of this name makes."""
    return f"{NAMESPACE}::{name}-namespace"


def _resource(manifest: Manifest, component: Resource, physical: str) -> Resource:
    version, kind, name = manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]
    group = version if "/" in version else f"core/{version}"
    of_kind = _SUFFIXES.get(kind) or re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower()
    return Resource(
        token=f"kubernetes:{group}:{kind}",
        name=f"{component.name}-{of_kind if name == physical else name}",
        parent=component.key,
        provider=provider_key(),
        properties=manifest,
    )


def _deployment(consumer: ConsumerSettings, resource: Resource) -> Resource:
    one_batch = IMAGE_PULL_SECONDS + START_DEADLINE_SECONDS
    batches = roll_out_batches(consumer.autoscaling.max_replicas, resource.properties["spec"])
    timeouts = Timeouts(
        create_seconds=NODE_START_SECONDS + one_batch,
        update_seconds=NODE_START_SECONDS + batches * one_batch,
        delete_seconds=consumer.shutdown_budget.grace_seconds + DELETE_ALLOWANCE_SECONDS,
    )
    resource = resource.with_timeouts(timeouts)
    if isinstance(consumer.autoscaling, HpaSettings):
        # Omitting `replicas` is not enough: going from fixed 5 to an HPA reset it to 1 and drained four pods, because
        # the engine gave up a field that it owned. Ignored, it stays 5 and follows the HPA (both measured).
        resource = resource.ignoring("spec.replicas")
    return resource


def roll_out_batches(replicas: int, spec: dict[str, Any]) -> int:
    """In how many steps a Deployment's pods are replaced: `maxSurge` new ones at a time, a percentage rounded up."""
    stated = str(spec["strategy"]["rollingUpdate"]["maxSurge"])
    surge = -(-replicas * int(stated[:-1]) // 100) if stated.endswith("%") else int(stated)
    return max(1, -(-replicas // max(1, surge)))
