"""What owns the number of pods, as manifests: one function a kind of autoscaling."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

from ebbtide.manifests.kubernetes.labels import Manifest, consumer_metadata
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.behavior import ScalingRules
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.fixed import FixedReplicas, Singleton
from ebbtide.settings.models.hpa import HpaSettings
from ebbtide.settings.models.named_metrics import ExternalMetric, ObjectMetric, PodsMetric
from ebbtide.settings.models.scaling_metric import ResourceMetric, ScalingMetric
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.units import format_cpu, format_memory, format_quantity

BOUNDS = {"HorizontalPodAutoscaler": ("minReplicas", "maxReplicas")}
"""Where an object that owns a number of pods states its bounds, in its `spec`; by kind of object. What reads manifests
without settings (a preview) knows autoscalers by it."""
_POLICY_TYPES = {"pods": "Pods", "percent": "Percent"}


@singledispatch
def build_autoscaler(
    scaling: AutoscalingSettings, stack: StackSettings, consumer: ConsumerSettings
) -> tuple[Manifest, ...]:
    """The objects that own the number of this consumer's pods, in the order of applying.

    Raises NotImplementedError for a kind that has not registered its own: nothing would own the number.
    """
    raise NotImplementedError(f"autoscaling of kind {scaling.kind} has no manifests")


@build_autoscaler.register
def _fixed(
    scaling: FixedReplicas | Singleton,  # noqa: ARG001
    stack: StackSettings,  # noqa: ARG001
    consumer: ConsumerSettings,  # noqa: ARG001
) -> tuple[Manifest, ...]:
    """Nothing: the Deployment states the number."""
    return ()


@build_autoscaler.register
def _hpa(scaling: HpaSettings, stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """The HorizontalPodAutoscaler: settings to `autoscaling/v2`, field by field."""
    spec: Manifest = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": consumer.name},
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [build_metric(metric) for metric in scaling.metrics],
    }
    # Not by truth: an empty behavior selects the controller's newer algorithm, none the older one.
    if scaling.behavior is not None:
        spec["behavior"] = build_behavior(scaling.directions)
    return (
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": consumer_metadata(stack, consumer),
            "spec": spec,
        },
    )


def build_behavior(directions: Mapping[str, ScalingRules]) -> Manifest:
    """`behavior` of an HPA, by `scaleUp` and `scaleDown`."""
    return {name: _rules(rules) for name, rules in directions.items()}


@singledispatch
def build_metric(metric: ScalingMetric) -> Manifest:
    """One entry of `metrics` of an HPA. Each kind of metric registers its own. Raises TypeError for one without."""
    raise TypeError(f"nobody builds a metric of kind {metric.kind}")


@build_metric.register
def _of_resource(metric: ResourceMetric) -> Manifest:
    target: Manifest
    if metric.target_average_value is not None:
        quantity = format_cpu if metric.resource == "cpu" else format_memory
        target = {"type": "AverageValue", "averageValue": quantity(metric.target_average_value)}
    else:
        target = {"type": "Utilization", "averageUtilization": metric.target_utilization}
    measured: Manifest = {"name": metric.resource, "target": target}
    if metric.counts_only is None:
        return {"type": "Resource", "resource": measured}
    return {"type": "ContainerResource", "containerResource": {"container": metric.counts_only, **measured}}


@build_metric.register
def _of_pods(metric: PodsMetric) -> Manifest:
    average = {"type": "AverageValue", "averageValue": format_quantity(metric.target_average_value)}
    return {"type": "Pods", "pods": {"metric": _identifier(metric), "target": average}}


@build_metric.register
def _of_object(metric: ObjectMetric) -> Manifest:
    described = metric.described_object
    reference = {"apiVersion": described.api_version, "kind": described.kind, "name": described.name}
    rest = {"metric": _identifier(metric), "target": _value_target(metric)}
    return {"type": "Object", "object": {"describedObject": reference, **rest}}


@build_metric.register
def _of_outside(metric: ExternalMetric) -> Manifest:
    return {"type": "External", "external": {"metric": _identifier(metric), "target": _value_target(metric)}}


def _identifier(metric: PodsMetric | ObjectMetric | ExternalMetric) -> Manifest:
    return {"name": metric.metric, **({"selector": {"matchLabels": dict(metric.selector)}} if metric.selector else {})}


def _value_target(metric: ObjectMetric | ExternalMetric) -> Manifest:
    if metric.target_average_value is not None:
        return {"type": "AverageValue", "averageValue": format_quantity(metric.target_average_value)}
    return {"type": "Value", "value": format_quantity(metric.target_value or 0)}


def _rules(rules: ScalingRules) -> Manifest:
    manifest: Manifest = {"selectPolicy": rules.select_policy}
    if rules.stabilization_window is not None:
        manifest["stabilizationWindowSeconds"] = rules.stabilization_window
    if rules.policies is not None:
        manifest["policies"] = [
            {"type": _POLICY_TYPES[policy.kind], "value": policy.value, "periodSeconds": policy.period}
            for policy in rules.policies
        ]
    if rules.tolerance is not None:
        manifest["tolerance"] = format_quantity(rules.tolerance)
    return manifest
