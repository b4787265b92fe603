"""Names, labels and metadata that the objects of one consumer share.

Every function returns a new dict: an object that stands twice in one document would be written as a YAML anchor.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

Manifest: TypeAlias = dict[str, Any]
"""One Kubernetes object, or a part of one, as it is sent to the API server."""

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"


def selector_labels(stack: StackSettings, consumer: ConsumerSettings) -> dict[str, str]:
    """What tells this consumer's pods from all others. A Deployment's selector can never be changed, so nothing
    stands here that a later version might want to change."""
    return {NAME: consumer.name, INSTANCE: stack.name}


def consumer_labels(stack: StackSettings, consumer: ConsumerSettings) -> dict[str, str]:
    """Labels of every object of a consumer, its pods included."""
    return {**consumer.labels, **selector_labels(stack, consumer), **_shared_labels(stack)}


def namespace_labels(stack: StackSettings) -> dict[str, str]:
    """Labels of what belongs to the namespace as a whole."""
    return {
        NAME: stack.namespace.name,
        INSTANCE: stack.name,
        **_shared_labels(stack),
        "app.kubernetes.io/component": "namespace",
    }


def consumer_metadata(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """`metadata` of an object that carries the consumer's name."""
    return {"name": consumer.name, "namespace": stack.namespace.name, "labels": consumer_labels(stack, consumer)}


def own_pods() -> dict[str, str]:
    """What tells every consumer's pods from those of others in a namespace."""
    return {"app.kubernetes.io/component": "queue-consumer", "app.kubernetes.io/managed-by": "ebbtide"}


def _shared_labels(stack: StackSettings) -> dict[str, str]:
    return {
        "app.kubernetes.io/component": "queue-consumer",
        "app.kubernetes.io/part-of": stack.namespace.name,
        "app.kubernetes.io/managed-by": "ebbtide",
    }
