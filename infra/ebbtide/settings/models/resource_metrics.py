"""Metrics that the kubelets measure: CPU and memory, of a pod or of one container."""

from typing import ClassVar, Literal

from ebbtide.settings.models.scaling_metric import ResourceMetric
from ebbtide.settings.values.names import CONTAINER_NAME, DnsLabel
from ebbtide.settings.values.units import MemoryBytes, Millicores


class CpuMetric(ResourceMetric):
    """CPU of the pod. It does not measure load where workers wait for something else: see V-16."""

    resource: ClassVar[str] = "cpu"
    kind: Literal["cpu"]
    """CPU of the pod."""
    target_average_value: Millicores | None = None
    """Average use of all pods."""


class MemoryMetric(ResourceMetric):
    """Memory of the pod."""

    resource: ClassVar[str] = "memory"
    kind: Literal["memory"]
    """Memory of the pod."""
    target_average_value: MemoryBytes | None = None
    """Average use of all pods."""


class ContainerCpuMetric(ResourceMetric):
    """CPU of one container, without sidecars (ContainerResource)."""

    resource: ClassVar[str] = "cpu"
    kind: Literal["containerCpu"]
    """CPU of one container."""
    container: DnsLabel = CONTAINER_NAME
    """The container's name."""
    target_average_value: Millicores | None = None
    """Average use of all pods."""

    @property
    def counts_only(self) -> str | None:
        return self.container


class ContainerMemoryMetric(ResourceMetric):
    """Memory of one container, without sidecars (ContainerResource)."""

    resource: ClassVar[str] = "memory"
    kind: Literal["containerMemory"]
    """Memory of one container."""
    container: DnsLabel = CONTAINER_NAME
    """The container's name."""
    target_average_value: MemoryBytes | None = None
    """Average use of all pods."""

    @property
    def counts_only(self) -> str | None:
        return self.container
