"""Settings to Kubernetes objects: pure functions that return what is sent to the API server."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.autoscaler import build_autoscaler
from ebbtide.manifests.kubernetes.deployment import build_deployment
from ebbtide.manifests.kubernetes.disruption_budget import build_disruption_budget
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.kubernetes.namespace import build_namespace_object
from ebbtide.manifests.kubernetes.network_policy import build_default_deny, build_network_policy
from ebbtide.manifests.kubernetes.service_account import build_service_account
from ebbtide.settings.autoscaling import HpaSettings
from ebbtide.settings.consumer import ConsumerSettings
from ebbtide.settings.stack import StackSettings

__all__ = ["Manifest", "build_consumer", "build_namespace", "stack_manifests"]


def build_namespace(stack: StackSettings) -> tuple[Manifest, ...]:
    """The Namespace, then what belongs to it as a whole: the NetworkPolicy `default-deny`."""
    return (build_namespace_object(stack), build_default_deny(stack))


def build_consumer(stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """Every object of one consumer in the order of applying; the autoscaler, if there is one, is last."""
    objects = (
        build_service_account(stack, consumer),
        build_network_policy(stack, consumer),
        build_deployment(stack, consumer),
        build_disruption_budget(stack, consumer),
    )
    if isinstance(consumer.autoscaling, HpaSettings):
        return (*objects, build_autoscaler(stack, consumer, consumer.autoscaling))
    return objects


def stack_manifests(stack: StackSettings) -> tuple[Manifest, ...]:
    """Every Kubernetes object of a stack, in the order of applying."""
    consumers = (build_consumer(stack, consumer) for consumer in stack.consumers.values())
    return (*build_namespace(stack), *(manifest for objects in consumers for manifest in objects))
