"""Who owns the number of pods: exactly one kind of autoscaling.

A kind answers for itself: here its bounds and who owns `replicas`; for its manifests, its simulation and its words it
registers with the functions of the same name in `manifests/kubernetes/autoscaler`, `capacity/autoscaler` and
`explain/scaling` (`functools.singledispatch`). Nobody else asks which kind it is.
"""

from typing import TYPE_CHECKING

from ebbtide.settings.models.behavior import ScalingRules
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.models.scaling_metric import PodTarget, ResourceMetric, ScalingMetric
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.models.worker import WorkerSettings

MAX_REPLICAS = 10_000


class AutoscalingSettings(Family):
    """What every kind answers."""

    kinds = Kinds(
        fixed="fixed.FixedReplicas",
        singleton="fixed.Singleton",
        hpa="hpa.HpaSettings",
        keda="keda.KedaSettings",
    )

    if TYPE_CHECKING:
        # Fields in one kind and derived in another.
        @property
        def min_replicas(self) -> int:
            """The smallest number of pods."""

        @property
        def max_replicas(self) -> int:
            """The largest number of pods."""

    @property
    def percentages(self) -> tuple[tuple[str, int, str | None], ...]:
        """The targets in per cent of a request: cpu or memory, per cent, and the container where one counts alone."""
        return tuple((one.resource, one.percent, one.container) for one in self.pod_targets if one.percent is not None)

    @property
    def pod_targets(self) -> tuple[PodTarget, ...]:
        """What of the pods' own use it is scaled on."""
        numbered = enumerate(self.measured)
        return tuple(metric.target(index) for index, metric in numbered if isinstance(metric, ResourceMetric))

    @property
    def counts_work(self) -> bool:
        """Whether it is scaled on anything but the pods' own use."""
        return any(not isinstance(metric, ResourceMetric) for metric in self.measured)

    @property
    def stated_replicas(self) -> int | None:
        """What the Deployment states; None where an autoscaler owns the number, and a stated one would fight it."""
        return None

    @property
    def overlaps(self) -> bool:
        """Whether two pods may run side by side: in an update, or while one that was evicted drains."""
        return True

    @property
    def measured(self) -> tuple[ScalingMetric, ...]:
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
