"""What an `autoscaling/v2` HorizontalPodAutoscaler states, and the controller's flags.

Values are plain numbers: replicas, per cent, milli-units and seconds. `manifest.py` reads them from a manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ebbtide.capacity.hpa.release import Release
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR

MetricSource = Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
TargetType = Literal["Utilization", "AverageValue", "Value"]
SelectPolicy = Literal["Max", "Min", "Disabled"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of `spec.metrics`.

    `target` is in per cent for `Utilization` and in milli-units otherwise ("30" is 30_000, "500m" is 500).
    `name` is the resource ("cpu", "memory") or the metric's name.
    """

    source: MetricSource
    target_type: TargetType
    target: int
    name: str
    container: str | None = None
    described_kind: str | None = None

    @property
    def of_pods(self) -> bool:
        """Whether it is averaged over pods' samples, so that unready and missing pods matter."""
        return self.source in {"Resource", "ContainerResource", "Pods"}

    @property
    def is_cpu(self) -> bool:
        """Whether a starting pod's samples are left out (rule for CPU alone)."""
        return self.name == "cpu" and self.source in {"Resource", "ContainerResource"}

    @property
    def title(self) -> str:
        """What the controller calls it in its reasons and conditions."""
        if self.source == "Pods":
            return f"pods metric {self.name}"
        if self.source == "Object" and self.target_type == "Value":
            return f"{self.described_kind or 'Object'} metric {self.name}"
        if self.source in {"Object", "External"}:
            return f"external metric {self.name}"
        if self.target_type != "Utilization":
            return f"{self.name} resource"
        container = "container " if self.source == "ContainerResource" else ""
        return f"{self.name} {container}resource utilization (percentage of request)"


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """At most `value` pods, or per cent of the period's first count, within `period_seconds`."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """`behavior.scaleUp` or `behavior.scaleDown`, completed with the API server's defaults.

    `tolerance` None is the controller's flag. `stabilization_window_seconds` None (down only) is the flag too.
    """

    policies: tuple[ScalingPolicy, ...]
    select_policy: SelectPolicy = "Max"
    stabilization_window_seconds: int | None = None
    tolerance: float | None = None


# pkg/apis/autoscaling/v2/defaults.go, defaultHPAScaleUpRules and defaultHPAScaleDownRules.
DEFAULT_SCALE_UP = ScalingRules(
    policies=(ScalingPolicy("Pods", 4, 15), ScalingPolicy("Percent", 100, 15)), stabilization_window_seconds=0
)
DEFAULT_SCALE_DOWN = ScalingRules(policies=(ScalingPolicy("Percent", 100, 15),))


@dataclass(frozen=True, slots=True)
class Behavior:
    """`spec.behavior`. Its presence, even as `{}`, selects another algorithm (limits, windows, events)."""

    scale_up: ScalingRules = DEFAULT_SCALE_UP
    scale_down: ScalingRules = DEFAULT_SCALE_DOWN


# pkg/apis/autoscaling/v2/defaults.go, DefaultCPUUtilization: what an HPA without metrics gets.
DEFAULT_METRIC = Metric("Resource", "Utilization", 80, "cpu")


@dataclass(frozen=True, slots=True)
class HpaSpec:
    """A HorizontalPodAutoscaler and the release whose controller reads it."""

    min_replicas: int
    max_replicas: int
    metrics: tuple[Metric, ...] = (DEFAULT_METRIC,)
    behavior: Behavior | None = None
    release: Release = field(default_factory=lambda: Release.of(NEWEST_KNOWN_MINOR))


@dataclass(frozen=True, slots=True)
class ControllerFlags:
    """kube-controller-manager's flags (pkg/controller/podautoscaler/config/v1alpha1/defaults.go) and the two
    variables of the algorithm without `behavior` (horizontal.go; upstream's tests set the factor to 8)."""

    tolerance: float = 0.1
    sync_period_seconds: int = 15
    downscale_stabilization_seconds: int = 300
    cpu_initialization_period_seconds: int = 300
    initial_readiness_delay_seconds: int = 30
    scale_up_limit_factor: float = 2.0
    scale_up_limit_minimum: float = 4.0


DEFAULT_FLAGS = ControllerFlags()
