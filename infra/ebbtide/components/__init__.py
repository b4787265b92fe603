"""Pulumi components: thin, because what they register is plain data from ebbtide.manifests."""

from __future__ import annotations

from ebbtide.components.broker import Broker, BrokerArgs
from ebbtide.components.cluster import ExistingCluster, ExistingClusterArgs, GkeCluster, GkeClusterArgs, connect
from ebbtide.components.consumer_namespace import ConsumerNamespace, ConsumerNamespaceArgs
from ebbtide.components.image_repository import ImageRepository, ImageRepositoryArgs
from ebbtide.components.keda import Keda, KedaArgs
from ebbtide.components.observability import Observability, ObservabilityArgs
from ebbtide.components.queue_consumer import QueueConsumer, QueueConsumerArgs

__all__ = [
    "Broker",
    "BrokerArgs",
    "ConsumerNamespace",
    "ConsumerNamespaceArgs",
    "ExistingCluster",
    "ExistingClusterArgs",
    "GkeCluster",
    "GkeClusterArgs",
    "ImageRepository",
    "ImageRepositoryArgs",
    "Keda",
    "KedaArgs",
    "Observability",
    "ObservabilityArgs",
    "QueueConsumer",
    "QueueConsumerArgs",
    "connect",
]
