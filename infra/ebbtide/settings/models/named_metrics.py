"""Metrics that an adapter serves by name: of the pods, of another object, from outside of the cluster."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.scaling_metric import ScalingMetric, exactly_one
from ebbtide.settings.values.names import ApiVersion, LabelValue, PathSegment, QualifiedName
from ebbtide.settings.values.units import QuantityMilli


class _NamedMetric(ScalingMetric):
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

    api_version: ApiVersion
    """For example `networking.k8s.io/v1`."""
    kind: PathSegment = Field(min_length=1)
    """For example `Ingress`."""
    name: PathSegment = Field(min_length=1, max_length=253)
    """Its name, in the consumers' namespace."""


class ObjectMetric(_NamedMetric):
    """A custom metric of one object in the same namespace."""

    outlives_pods = True

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
        exactly_one(self, "target_value", "target_average_value")
        return self


class ExternalMetric(_NamedMetric):
    """A metric from outside the cluster: the backlog of a queue."""

    outlives_pods = True

    kind: Literal["external"]
    """A metric from outside the cluster."""
    target_value: QuantityMilli | None = None
    """Target for the metric itself."""
    target_average_value: QuantityMilli | None = None
    """Target for the metric divided by the number of pods: messages a pod may have waiting."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        exactly_one(self, "target_value", "target_average_value")
        return self
