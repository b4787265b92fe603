"""A HorizontalPodAutoscaler of the consumer's own owns the number of pods."""

from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.models.autoscaling import MAX_REPLICAS, AutoscalingSettings
from ebbtide.settings.models.behavior import Behavior, ScalingRules
from ebbtide.settings.models.scaling_metric import ScalingMetric
from ebbtide.settings.values.units import Count


class HpaSettings(AutoscalingSettings):
    """A HorizontalPodAutoscaler owns the number of pods; the Deployment then states none."""

    kind: Literal["hpa"]
    """A HorizontalPodAutoscaler."""
    min_replicas: Count = Field(default=1, ge=0, le=MAX_REPLICAS)
    """The smallest number of pods. 0 needs an object or external metric and Kubernetes 1.37."""
    max_replicas: Count = Field(ge=1, le=MAX_REPLICAS)
    """The largest number of pods."""
    metrics: Annotated[tuple[ScalingMetric, ...], Field(min_length=1)]
    """What is measured. With several, the one that asks for most pods wins."""
    behavior: Behavior | None = None
    """How fast it scales. Without it Kubernetes' older algorithm applies."""

    @property
    def measured(self) -> tuple[ScalingMetric, ...]:
        """All of them."""
        return self.metrics

    @property
    def directions(self) -> dict[str, ScalingRules]:
        """Those of `behavior`."""
        return {} if self.behavior is None else self.behavior.directions
