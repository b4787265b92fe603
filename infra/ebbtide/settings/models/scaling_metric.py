"""What an HPA may measure (`autoscaling/v2`): the base of every kind of metric."""

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.judgement.findings import Path
from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.values.names import CONTAINER_NAME
from ebbtide.settings.values.units import Count


def exactly_one(model: SettingsModel, *names: str) -> None:
    """Refuse a model that has not just one of these fields. Raises PydanticCustomError."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        fields = [type(model).model_fields[name].alias or name for name in names]
        got = ", ".join(type(model).model_fields[name].alias or name for name in given) or "none"
        raise PydanticCustomError(
            "exactly_one",
            "needs exactly one of {fields} (got {got})",
            {"fields": " and ".join(fields), "got": got, "remedy": f"keep one, for example {fields[0]}"},
        )


class PodTarget(NamedTuple):
    """What the kubelets measure of the pods, as an autoscaler of any kind holds it against a target."""

    path: Path
    """Which of the consumer's settings asks for it."""
    resource: str
    """`cpu` or `memory`."""
    container: str | None
    """The container that counts by itself; None for all of the pod."""
    percent: int | None
    """Of the request."""
    amount: int | None
    """Millicores, or bytes."""
    container_at: Path
    """Where the container is named, within `path`."""
    alone_at: Path
    """Where it is said that one container counts alone, within `path`."""
    alone: str
    """What is to be written there for the workers."""

    @property
    def is_of_workers(self) -> bool:
        """Whether their own use is in it."""
        return self.container in {None, CONTAINER_NAME}


class ScalingMetric(Family):
    """What an HPA measures: what every kind of metric answers."""

    kinds = Kinds(
        cpu="resource_metrics.CpuMetric",
        memory="resource_metrics.MemoryMetric",
        containerCpu="resource_metrics.ContainerCpuMetric",
        containerMemory="resource_metrics.ContainerMemoryMetric",
        pods="named_metrics.PodsMetric",
        object="named_metrics.ObjectMetric",
        external="named_metrics.ExternalMetric",
    )
    outlives_pods: ClassVar[bool] = False
    """Whether it can be read where there is no pod."""


class ResourceMetric(ScalingMetric):
    """What the kubelets measure of the pods: `cpu` or `memory`, as `resource` says."""

    resource: ClassVar[str]
    target_utilization: Count | None = Field(default=None, ge=1, le=1000)
    """Average use of all pods, in per cent of the request."""

    if TYPE_CHECKING:
        # A field of each kind, in its own unit.
        @property
        def target_average_value(self) -> int | None:
            """Average use of all pods: millicores, or bytes."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        exactly_one(self, "target_utilization", "target_average_value")
        return self

    @property
    def counts_only(self) -> str | None:
        """The container that counts by itself; None for all of the pod."""
        return None

    def target(self, index: int) -> PodTarget:
        """As the metric of this number."""
        return PodTarget(
            ("autoscaling", "metrics", index),
            self.resource,
            self.counts_only,
            self.target_utilization,
            self.target_average_value,
            container_at=("container",),
            alone_at=("kind",),
            alone="kind: containerCpu" if self.resource == "cpu" else "kind: containerMemory",
        )
