"""One Kubernetes object as a resource: its type and its logical name, from what the manifest says."""

from __future__ import annotations

import re

from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.provider import provider_key
from ebbtide.manifests.resource import Resource

NAMESPACE = "kubernetes:core/v1:Namespace"

_SUFFIXES = {"HorizontalPodAutoscaler": "hpa", "PodDisruptionBudget": "pdb"}


def namespace_key(name: str) -> str:
    """The key of the Namespace that the component of this name makes."""
    return f"{NAMESPACE}::{name}-namespace"


def kubernetes_resource(manifest: Manifest, component: Resource, physical: str) -> Resource:
    """The object of a component. One that is called `physical` has its kind for a logical name."""
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
