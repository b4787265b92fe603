"""A queue consumer that stops without losing a message, and what owns the number of its pods."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.broker import Broker
from ebbtide.components.consumer_namespace import ConsumerNamespace
from ebbtide.components.keda import Keda
from ebbtide.components.register import Registered, register
from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.manifests.resource import Component, Resource
from ebbtide.manifests.workload import DEPLOYMENT, QUEUE_CONSUMER, build_queue_consumer
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings


class QueueConsumerArgs(TypedDict):
    """Inputs of `QueueConsumer`."""

    settings: StackSettings
    """The stack."""
    consumer: NotRequired[str]
    """Which of the stack's consumers; by default the one with the component's name."""
    namespace: NotRequired[ConsumerNamespace]
    """The namespace, where this program makes it: the consumer then waits for it."""
    broker: NotRequired[Broker]
    """The broker, where this program makes it: the consumer then comes after it, and drains before it goes."""
    keda: NotRequired[Keda]
    """KEDA, where this program installs it: what scales the consumer then waits for it."""
    image: NotRequired[pulumi.Input[str]]
    """The image, where it is only known while deploying (built by the same program); instead of the settings' one."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`); by default it is built from the settings."""


class QueueConsumer(pulumi.ComponentResource):
    """Pods of one consumer with all they need: identity, network policy, disruption budget and autoscaler."""

    # Attributes are declared where they are set: what the class declares would be an output in other languages
    # (ebbtide.package).

    def __init__(self, name: str, args: QueueConsumerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the consumer. Raises SettingsError for a consumer that the stack does not have."""
        stack, consumer = args["settings"], args.get("consumer", name)
        if consumer not in stack.consumers:
            message = f"is not a consumer of stack {stack.name}"
            raise _wrong(consumer, message, f"use one of {', '.join(stack.consumers)}")
        namespace, broker = args.get("namespace"), args.get("broker")
        self.settings: ConsumerSettings = stack.consumers[consumer]
        """What it was made from."""
        self.plan: Component = args.get("plan") or build_queue_consumer(
            stack,
            self.settings,
            name,
            namespace.pulumi_resource_name if namespace else None,
            broker.plan if broker else None,
        )
        """The data it registers."""
        super().__init__(QUEUE_CONSUMER, name, None, opts)
        parts = self.plan.parts
        if "image" in args:
            parts = tuple(_with_image(resource, args["image"]) for resource in parts)
        before = {**(namespace.resources if namespace else {}), **(broker.resources if broker else {})}
        self.resources: Registered = register(parts, self, before)
        """What it consists of, without the autoscaler."""
        keda = args.get("keda")
        known = {**self.resources, **(keda.resources if keda else {})}
        # Made here and not left to the caller: without it a Deployment that states no replicas stays at one pod.
        for autoscaler in self.plan.components:
            _ConsumerAutoscaler(autoscaler, self, known)
        self.register_outputs({})


class _ConsumerAutoscaler(pulumi.ComponentResource):
    """What owns the number of pods of one consumer."""

    def __init__(self, plan: Component, owner: QueueConsumer, known: Registered) -> None:
        super().__init__(plan.resource.token, plan.name, None, pulumi.ResourceOptions(parent=owner))
        register(plan.parts, self, known)
        self.register_outputs({})


def _wrong(consumer: str, message: str, remedy: str) -> SettingsError:
    return refused("wiring", message, remedy, ("consumers", consumer))


def _with_image(resource: Resource, image: pulumi.Input[str]) -> Resource:
    if resource.token != DEPLOYMENT:
        return resource
    properties = deepcopy(dict(resource.properties))
    properties["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return replace(resource, properties=properties)
