"""Who owns the number of pods: exactly one kind of autoscaling.

A kind answers for itself: here its bounds and who owns `replicas`; for its manifests, its simulation and its words it
registers with the functions of the same name in `manifests/kubernetes/autoscaler`, `capacity/autoscaler` and
`explain/scaling` (`functools.singledispatch`). Nobody else asks which kind it is.

The models follow `autoscaling/v2`; what the API server refuses is refused here, earlier and with a remedy.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.models.worker import WorkerSettings
from ebbtide.settings.values.names import DnsLabel, LabelValue, PathSegment, QualifiedName
from ebbtide.settings.values.units import MAX_INT32, Count, MemoryBytes, Millicores, QuantityMilli, Seconds

MAX_REPLICAS = 10_000
# validateHPAScalingRules in the API server: windows up to an hour, policy periods up to half an hour.
MAX_STABILIZATION_WINDOW_SECONDS = 3600
MAX_POLICY_PERIOD_SECONDS = 1800
MAX_POLICY_VALUE = MAX_INT32


def _exactly_one(model: SettingsModel, *names: str) -> None:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        fields = [type(model).model_fields[name].alias or name for name in names]
        got = ", ".join(type(model).model_fields[name].alias or name for name in given) or "none"
        raise PydanticCustomError(
            "exactly_one",
            "needs exactly one of {fields} (got {got})",
            {"fields": " and ".join(fields), "got": got, "remedy": f"keep one, for example {fields[0]}"},
        )


class _UtilizationMetric(SettingsModel):
    resource: ClassVar[str]
    target_utilization: Count | None = Field(default=None, ge=1, le=1000)
    """Average use of all pods, in per cent of the request."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        _exactly_one(self, "target_utilization", "target_average_value")
        return self

    @property
    def counts_only(self) -> str | None:
        """The container that counts by itself; None for all of the pod."""
        return None


class CpuMetric(_UtilizationMetric):
    """CPU of the pod. It does not measure load where workers wait for something else: see V-16."""

    resource: ClassVar[str] = "cpu"
    kind: Literal["cpu"]
    """CPU of the pod."""
    target_average_value: Millicores | None = None
    """Average use of all pods."""


class MemoryMetric(_UtilizationMetric):
    """Memory of the pod."""

    resource: ClassVar[str] = "memory"
    kind: Literal["memory"]
    """Memory of the pod."""
    target_average_value: MemoryBytes | None = None
    """Average use of all pods."""


class ContainerCpuMetric(_UtilizationMetric):
    """CPU of one container, without sidecars (ContainerResource)."""

    resource: ClassVar[str] = "cpu"
    kind: Literal["containerCpu"]
    """CPU of one container."""
    container: DnsLabel = "consumer"
    """The container's name."""
    target_average_value: Millicores | None = None
    """Average use of all pods."""

    @property
    def counts_only(self) -> str | None:
        return self.container


class ContainerMemoryMetric(_UtilizationMetric):
    """Memory of one container, without sidecars (ContainerResource)."""

    resource: ClassVar[str] = "memory"
    kind: Literal["containerMemory"]
    """Memory of one container."""
    container: DnsLabel = "consumer"
    """The container's name."""
    target_average_value: MemoryBytes | None = None
    """Average use of all pods."""

    @property
    def counts_only(self) -> str | None:
        return self.container


class _NamedMetric(SettingsModel):
    metric: PathSegment = Field(min_length=1, max_length=253)
    """The metric's name, as the adapter serves it."""
    selector: dict[QualifiedName, LabelValue] = {}
    """Labels that select the series."""


class PodsMetric(_NamedMetric):
    """A custom metric that every pod reports, averaged."""

    kind: Literal["pods"]
    """A custom metric of the pods."""
    target_average_value: QuantityMilli
    """Average of all pods."""


class ObjectReference(SettingsModel):
    """The object a metric describes."""

    api_version: str = Field(min_length=1)
    """For example `networking.k8s.io/v1`."""
    kind: PathSegment = Field(min_length=1)
    """For example `Ingress`."""
    name: PathSegment = Field(min_length=1, max_length=253)
    """Its name, in the consumers' namespace."""


class ObjectMetric(_NamedMetric):
    """A custom metric of one object in the same namespace."""

    kind: Literal["object"]
    """A custom metric of one object."""
    described_object: ObjectReference
    """The object."""
    target_value: QuantityMilli | None = None
    """Target for the metric itself."""
    target_average_value: QuantityMilli | None = None
    """Target for the metric divided by the number of pods."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        _exactly_one(self, "target_value", "target_average_value")
        return self


class ExternalMetric(_NamedMetric):
    """A metric from outside the cluster: the backlog of a queue."""

    kind: Literal["external"]
    """A metric from outside the cluster."""
    target_value: QuantityMilli | None = None
    """Target for the metric itself."""
    target_average_value: QuantityMilli | None = None
    """Target for the metric divided by the number of pods: messages a pod may have waiting."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        _exactly_one(self, "target_value", "target_average_value")
        return self


Metric = Annotated[
    CpuMetric | MemoryMetric | ContainerCpuMetric | ContainerMemoryMetric | PodsMetric | ObjectMetric | ExternalMetric,
    Field(discriminator="kind"),
]


class ScalingPolicy(SettingsModel):
    """One limit on how far a scaling may go within a period."""

    kind: Literal["pods", "percent"]
    """Count in pods, or in per cent of the pods at the start of the period."""
    value: Count = Field(ge=1, le=MAX_POLICY_VALUE)
    """How many."""
    period: Seconds = Field(ge=1, le=MAX_POLICY_PERIOD_SECONDS)
    """The period, at most 30m."""


class ScalingRules(SettingsModel):
    """Limits for one direction."""

    stabilization_window: Seconds | None = Field(default=None, ge=0, le=MAX_STABILIZATION_WINDOW_SECONDS)
    """How long recommendations are remembered, so that a short dip does not count. At most 1h."""
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"
    """Which policy wins when several are given; `Disabled` forbids this direction."""
    policies: tuple[ScalingPolicy, ...] | None = Field(default=None, min_length=1)
    """The policies. They replace Kubernetes' defaults as a whole."""
    tolerance: QuantityMilli | None = None
    """How far the metric may be off its target before this direction scales, for example 0.05. From Kubernetes 1.35;
    on 1.34 the API server drops it without a word (measured)."""


class Behavior(SettingsModel):
    """How fast and how eagerly the HPA scales. Giving it at all, even empty, selects another algorithm in the
    controller: from one pod the first step is to 5 instead of 4."""

    scale_up: ScalingRules | None = None
    """Growing."""
    scale_down: ScalingRules | None = None
    """Shrinking. Every pod that goes drains first."""

    @property
    def directions(self) -> dict[str, ScalingRules]:
        """The limits that are given, by `scaleUp` and `scaleDown`."""
        directions = {"scaleUp": self.scale_up, "scaleDown": self.scale_down}
        return {name: rules for name, rules in directions.items() if rules is not None}


class AutoscalingSettings(SettingsModel):
    """What every kind answers."""

    if TYPE_CHECKING:
        # Fields in one kind and derived in another.
        @property
        def kind(self) -> str:
            """The kind's name in a stack file."""

        @property
        def min_replicas(self) -> int:
            """The smallest number of pods."""

        @property
        def max_replicas(self) -> int:
            """The largest number of pods."""

    @property
    def percentages(self) -> tuple[tuple[str, int, str | None], ...]:
        """The targets in per cent of a request: cpu or memory, per cent, and the container where one counts alone."""
        return tuple(
            (metric.resource, metric.target_utilization, metric.counts_only)
            for metric in self.measured
            if isinstance(metric, _UtilizationMetric) and metric.target_utilization is not None
        )

    @property
    def stated_replicas(self) -> int | None:
        """What the Deployment states; None where an autoscaler owns the number, and a stated one would fight it."""
        return None

    @property
    def overlaps(self) -> bool:
        """Whether two pods may run side by side: in an update, or while one that was evicted drains."""
        return True

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics of `autoscaling/v2` that it scales on; none where it scales on something else, or not at all."""
        return ()

    @property
    def directions(self) -> dict[str, ScalingRules]:
        """The limits that are given, by `scaleUp` and `scaleDown`."""
        return {}

    @property
    def needs_keda(self) -> bool:
        """Whether its objects are of kinds that only KEDA brings into a cluster."""
        return False

    @property
    def asks_transport(self) -> bool:
        """Whether something in the cluster asks the broker how much there is."""
        return False

    def pods_in_drop(self, transport: TransportSettings | None, worker: WorkerSettings) -> int:  # noqa: ARG002
        """How many pods there are at most while all go at once, those that a new burst starts beside them included; 0
        where they never do."""
        return 0

    def counts_delayed(self, transport: TransportSettings | None, worker: WorkerSettings) -> bool:  # noqa: ARG002
        """Whether messages that are not due yet wake the first pod, or come due without one."""
        return False


class FixedReplicas(AutoscalingSettings):
    """A number of pods that only a change of the settings changes."""

    kind: Literal["fixed"]
    """A fixed number of pods."""
    replicas: Count = Field(ge=0, le=MAX_REPLICAS)
    """How many pods."""

    @property
    def stated_replicas(self) -> int:
        """The Deployment owns it."""
        return self.replicas

    @property
    def min_replicas(self) -> int:
        """The smallest number of pods."""
        return self.replicas

    @property
    def max_replicas(self) -> int:
        """The largest number of pods."""
        return self.replicas


class Singleton(AutoscalingSettings):
    """One pod with one process, and never a second one beside it: for schedules, and for queues whose order matters.

    The next pod starts when the last one is gone, and nothing consumes meanwhile. It holds in updates (`Recreate`), in
    evictions and after `kubectl delete pod`, where a Deployment alone starts the next pod at once: the scheduler places
    it only when the pod before it has ended (required anti-affinity against its own kind). It does not hold for a pod
    that is deleted by force, as after the loss of a node: nobody knows then whether it still runs."""

    kind: Literal["singleton"]
    """One pod, never two."""

    @property
    def stated_replicas(self) -> int:
        """The Deployment owns it."""
        return 1

    @property
    def min_replicas(self) -> int:
        """The smallest number of pods."""
        return 1

    @property
    def max_replicas(self) -> int:
        """The largest number of pods."""
        return 1

    @property
    def overlaps(self) -> bool:
        """That is the point of it."""
        return False


class HpaSettings(AutoscalingSettings):
    """A HorizontalPodAutoscaler owns the number of pods; the Deployment then states none."""

    kind: Literal["hpa"]
    """A HorizontalPodAutoscaler."""
    min_replicas: Count = Field(default=1, ge=0, le=MAX_REPLICAS)
    """The smallest number of pods. 0 needs an object or external metric and Kubernetes 1.37."""
    max_replicas: Count = Field(ge=1, le=MAX_REPLICAS)
    """The largest number of pods."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    """What is measured. With several, the one that asks for most pods wins."""
    behavior: Behavior | None = None
    """How fast it scales. Without it Kubernetes' older algorithm applies."""

    @property
    def measured(self) -> tuple[Metric, ...]:
        """All of them."""
        return self.metrics

    @property
    def directions(self) -> dict[str, ScalingRules]:
        """Those of `behavior`."""
        return {} if self.behavior is None else self.behavior.directions
