"""examples/whole-system under the engine: its control plane with the kinds that GKE brings, and its Google Cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


class Cloud:
    """What the recorder remembers, seen from outside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """Every object by its identifier, with `type` and `outputs`."""
        found = self.directory / "objects.json"
        return json.loads(found.read_text()) if found.is_file() else {}

    @property
    def types(self) -> set[str]:
        """Of which types there is something."""
        return {found["type"] for found in self.objects.values()}

    def refuse(self, token: str, operation: str, says: str) -> None:
        """From now on answer this operation so."""
        refusal = {"type": token, "operation": operation, "says": says}
        (self.directory / "refusals.json").write_text(json.dumps({"refusals": [refusal]}))

    def allow_everything(self) -> None:
        """Answer as before."""
        (self.directory / "refusals.json").unlink()

    def take(self, identifier: str, token: str, outputs: dict[str, Any]) -> None:
        """Somebody else has made this object."""
        taken = {"type": token, "outputs": outputs}
        (self.directory / "objects.json").write_text(json.dumps({**self.objects, identifier: taken}))

    def lose_one(self, identifier: str) -> None:
        """Somebody has deleted this object by hand."""
        left = {name: found for name, found in self.objects.items() if name != identifier}
        (self.directory / "objects.json").write_text(json.dumps(left))

    def lose(self, token: str) -> None:
        """The same, for every object of this type."""
        left = {name: found for name, found in self.objects.items() if found["type"] != token}
        (self.directory / "objects.json").write_text(json.dumps(left))


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
