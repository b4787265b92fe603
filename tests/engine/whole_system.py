"""examples/whole-system under the engine: its control plane with the kinds that GKE brings."""

from __future__ import annotations

from tests.engine.control_plane import ControlPlane
from tests.engine.project import ROOT

EXAMPLE = ROOT / "examples" / "whole-system"
CHARTS = "https://kedacore.github.io/charts"
# The example's, and one after it.
KEDA_VERSIONS = ("2.20.2", "2.21.0")
# GKE's own kinds, of which Google publishes no schema: any content is taken.
_OF_GKE = (
    ("monitoring.googleapis.com", "v1", "PodMonitoring", "podmonitorings"),
    ("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", "secretproviderclasses"),
    ("secret-sync.gke.io", "v1", "SecretSync", "secretsyncs"),
)


def bring_kinds_of_gke(plane: ControlPlane) -> None:
    """As a GKE cluster has them when it is made."""
    for group, version, kind, plural in _OF_GKE:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "scope": "Namespaced",
                "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }
        plane.api.apply(definition, "gke")
        plane.until_served(f"{group}/{version}", {plural})
