"""The cluster that the consumers run in: made here (GKE Standard or Autopilot) or one that exists."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.base import SettingsModel


class ExistingCluster(SettingsModel):
    """A cluster that something else manages: the recommended form for production consumers."""

    kind: Literal["existing"]
    """A cluster that exists."""
    kubernetes_version: str = Field(default="1.34", pattern=r"^1\.\d+$")
    """Its minor version: some fields are dropped without a word by older ones."""
    context: str | None = None
    """The kubeconfig context to use; the current one if none is given."""


class GkeStandard(SettingsModel):
    """A GKE Standard cluster with its own network and node pools."""

    kind: Literal["gkeStandard"]
    """GKE Standard."""
    kubernetes_version: str = Field(default="1.34", pattern=r"^1\.\d+$")
    """The minor version that the settings are checked against; the release channel decides the patch."""


class GkeAutopilot(SettingsModel):
    """A GKE Autopilot cluster with its own network."""

    kind: Literal["gkeAutopilot"]
    """GKE Autopilot."""
    kubernetes_version: str = Field(default="1.34", pattern=r"^1\.\d+$")
    """The minor version that the settings are checked against; the release channel decides the patch."""


Cluster = Annotated[GkeStandard | GkeAutopilot | ExistingCluster, Field(discriminator="kind")]
