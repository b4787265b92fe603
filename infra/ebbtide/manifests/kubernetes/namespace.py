"""The namespace of a stack's consumers."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.labels import Manifest, namespace_labels
from ebbtide.settings.models.stack import StackSettings


def build_namespace_object(stack: StackSettings) -> Manifest:
    """The Namespace, which admits only pods of the `restricted` Pod Security Standard.

    The standard's version is pinned: with `latest` an upgrade of the control plane could refuse the pods that a
    scale-up needs.
    """
    version = f"v{stack.cluster.kubernetes_version}"
    pod_security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", version))
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": stack.namespace.name, "labels": {**namespace_labels(stack), **pod_security}},
    }
