"""The HorizontalPodAutoscaler's decision as a step: `Controller(spec).sync(history, now_us, scale, pods, metrics)`.

A spec can be read from a manifest: `manifest.read_manifest`, which is not loaded with the package.

Standard library only. Its cost does not depend on the number of pods: sums per class of pods enter, not pods.
"""

from __future__ import annotations

from ebbtide.capacity.hpa.controller import Controller, Decision
from ebbtide.capacity.hpa.history import Condition, History
from ebbtide.capacity.hpa.metrics import MetricFailure, MetricInput, MetricResult, Scale
from ebbtide.capacity.hpa.pods import Pod, PodCounts, PodSamples, Sample, count_ready, group_pods
from ebbtide.capacity.hpa.release import Release
from ebbtide.capacity.hpa.spec import Behavior, ControllerFlags, HpaSpec, Metric, ScalingPolicy, ScalingRules

__all__ = [
    "Behavior",
    "Condition",
    "Controller",
    "ControllerFlags",
    "Decision",
    "History",
    "HpaSpec",
    "Metric",
    "MetricFailure",
    "MetricInput",
    "MetricResult",
    "Pod",
    "PodCounts",
    "PodSamples",
    "Release",
    "Sample",
    "Scale",
    "ScalingPolicy",
    "ScalingRules",
    "count_ready",
    "group_pods",
]
