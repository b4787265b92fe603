"""A queue consumer that stops without losing a message, and its autoscaler."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.consumer_namespace import ConsumerNamespace
from ebbtide.components.register import Registered, register
from ebbtide.manifests.resource import Resource
from ebbtide.manifests.workload import CONSUMER_AUTOSCALER, DEPLOYMENT, QUEUE_CONSUMER, build_queue_consumer
from ebbtide.settings.autoscaling import HpaSettings
from ebbtide.settings.consumer import ConsumerSettings
from ebbtide.settings.findings import Finding, SettingsError
from ebbtide.settings.stack import StackSettings


class QueueConsumerArgs(TypedDict):
    """Inputs of `QueueConsumer`."""

    settings: StackSettings
    """The stack."""
    consumer: NotRequired[str]
    """Which of the stack's consumers; by default the one with the component's name."""
    namespace: NotRequired[ConsumerNamespace]
    """The namespace, where this program makes it: the consumer then waits for it."""
    image: NotRequired[pulumi.Input[str]]
    """The image, where it is only known while deploying (built by the same program); instead of the settings' one."""


class QueueConsumer(pulumi.ComponentResource):
    """Pods of one consumer with all they need: identity, network policy, disruption budget and autoscaler."""

    settings: ConsumerSettings
    """What it was made from."""
    plan: tuple[Resource, ...]
    """The data it registers."""
    resources: Registered
    """What it consists of, without the autoscaler."""
    autoscaler: ConsumerAutoscaler | None
    """What owns the number of pods; None where it is fixed."""

    def __init__(self, name: str, args: QueueConsumerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the consumer. Raises SettingsError for a consumer that the stack does not have."""
        stack, consumer = args["settings"], args.get("consumer", name)
        if consumer not in stack.consumers:
            message = f"is not a consumer of stack {stack.name}"
            raise _wrong(consumer, message, f"use one of {', '.join(stack.consumers)}")
        namespace = args.get("namespace")
        self.settings = stack.consumers[consumer]
        self.plan = build_queue_consumer(
            stack, self.settings, name, namespace.pulumi_resource_name if namespace else None
        )
        super().__init__(QUEUE_CONSUMER, name, None, opts)
        own = [resource for resource in self.plan if resource.parent == self.plan[0].key and not resource.is_component]
        if "image" in args:
            own = [_with_image(resource, args["image"]) for resource in own]
        self.resources = register(own, self, namespace.resources if namespace else {})
        self.autoscaler = None
        if isinstance(self.settings.autoscaling, HpaSettings):
            # Made here and not left to the caller: without it a Deployment that states no replicas stays at one pod.
            self.autoscaler = ConsumerAutoscaler(name, {"workload": self}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


class ConsumerAutoscalerArgs(TypedDict):
    """Inputs of `ConsumerAutoscaler`."""

    workload: QueueConsumer
    """The consumer itself, not its name: that it has an autoscaler decides what its Deployment states."""


class ConsumerAutoscaler(pulumi.ComponentResource):
    """A HorizontalPodAutoscaler for one consumer."""

    resources: Registered
    """What it consists of."""

    def __init__(self, name: str, args: ConsumerAutoscalerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the autoscaler. Raises SettingsError for a workload with a fixed number of pods, or with one already."""
        workload = args["workload"]
        name_of = workload.settings.name
        if not isinstance(workload.settings.autoscaling, HpaSettings):
            message = "has a fixed number of pods, and an autoscaler would be its second owner"
            raise _wrong(name_of, message, "write autoscaling: {kind: hpa, ...}")
        if workload.autoscaler is not None:
            raise _wrong(name_of, "has an autoscaler, which QueueConsumer made", "remove the second ConsumerAutoscaler")
        super().__init__(CONSUMER_AUTOSCALER, name, None, opts)
        own = [resource for resource in workload.plan if resource.parent == f"{CONSUMER_AUTOSCALER}::{name}"]
        self.resources = register(own, self, workload.resources)
        self.register_outputs({})


def _wrong(consumer: str, message: str, remedy: str) -> SettingsError:
    return SettingsError([Finding(("consumers", consumer), message, remedy, rule="wiring")])


def _with_image(resource: Resource, image: pulumi.Input[str]) -> Resource:
    if resource.token != DEPLOYMENT:
        return resource
    properties = deepcopy(dict(resource.properties))
    properties["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return replace(resource, properties=properties)
