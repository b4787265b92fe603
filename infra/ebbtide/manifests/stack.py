"""Everything a stack deploys, in the order of registration."""

from __future__ import annotations

from ebbtide.manifests.google.cluster import build_gke_cluster
from ebbtide.manifests.google.image_repository import build_image_repository
from ebbtide.manifests.provider import build_existing_cluster, build_provider
from ebbtide.manifests.resource import Resource
from ebbtide.manifests.workload import build_consumer_namespace, build_queue_consumer
from ebbtide.settings.stack import StackSettings, is_gke


def stack_resources(stack: StackSettings) -> tuple[Resource, ...]:
    """Every resource of the program, GKE and components included. A contract test holds it equal to what the program
    registers, inputs and options."""
    repository = build_image_repository(stack)
    cluster = build_gke_cluster(stack) if is_gke(stack.cluster) else build_existing_cluster(stack)
    if not stack.consumers:
        # A stack of its own for the cluster: nothing in it needs the Kubernetes API.
        return (*repository, *cluster)
    consumers = (build_queue_consumer(stack, consumer) for consumer in stack.consumers.values())
    return (
        *repository,
        *cluster,
        build_provider(stack, cluster),
        *build_consumer_namespace(stack),
        *(resource for resources in consumers for resource in resources),
    )
