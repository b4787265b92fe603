"""One whole sync. Source: kubernetes pkg/controller/podautoscaler/horizontal_test.go, test name; the rows below them
name the function or the section of the controller's rules whose edge they fix.

Upstream's tests run with a scale-up factor of 8 without behavior, a CPU initialisation period of 120 s and a readiness
delay of 10 s; their fresh controllers remember nothing unless `remembered` says so ("none": an empty list, so that no
first recommendation is recorded). Conditions not stated are AbleToScale/SucceededRescale, ScalingActive/
ValidMetricFound and ScalingLimited False/DesiredWithinRange.

Columns: source, (min, max), (spec, status), metrics, state, expected replicas, conditions that differ.
Metrics: (kind, target, what is seen): cpu% and c2% (levels in millicores), pods, object, object/ (average), external,
external/; "failed" for a metric that cannot be had.
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

MIXED = (900, 1000, 1100)
READY = {"AbleToScale": "ReadyForNewScale"}
TOO_MANY = {"ScalingLimited": "TooManyReplicas"}
TOO_FEW = {"ScalingLimited": "TooFewReplicas"}
UP_LIMIT = {"ScalingLimited": "ScaleUpLimit"}
BOUND_ONLY = {"AbleToScale": "SucceededRescale", "ScalingActive": None, "ScalingLimited": None}


def _failed(source: str) -> dict[str, str | None]:
    return {"AbleToScale": "SucceededGetScale", "ScalingActive": f"!FailedGet{source}Metric", "ScalingLimited": None}


_UP3 = (300, 500, 700)
_DOWN5 = (100, 300, 500, 250, 250)
_NONE: dict[str, Any] = {"remembered": "none"}
_ONE3, _ONE5, _TENTH3 = (1000,) * 3, (1000,) * 5, (100,) * 3
_SEVEN_PERCENT_RULE = {"scaleUp": {"policies": [{"type": "Percent", "value": 700, "periodSeconds": 60}], "stabilizationWindowSeconds": 0, "selectPolicy": "Max"}}

UPSTREAM: list[tuple[Any, ...]] = [
    ("TestScaleUp", (2, 6), (3, 3), [("cpu%", 30, _UP3)], {"requests": _ONE3}, 5, {}),
    ("TestScaleUpContainer", (2, 6), (3, 3), [("c2%", 30, _UP3)], {"requests": _ONE3}, 5, {}),
    ("TestScaleUpUnreadyLessScale", (2, 6), (3, 3), [("cpu%", 30, _UP3)], {"requests": _ONE3, "ready": "FTT"}, 4, {}),
    ("TestScaleUpHotCpuLessScale", (2, 6), (3, 3), [("cpu%", 30, _UP3)], {"requests": _ONE3, "start": "hcc"}, 4, {}),
    ("TestScaleUpUnreadyNoScale", (2, 6), (3, 3), [("cpu%", 30, (400, 500, 700))], {"requests": _ONE3, "ready": "TFF"}, 3, READY),
    ("TestScaleUpHotCpuNoScale", (2, 6), (3, 3), [("cpu%", 30, (400, 500, 700))], {"requests": _ONE3, "start": "chh", "ready": "TFF"}, 3, READY),
    ("TestScaleUpIgnoresFailedPods", (2, 6), (2, 2), [("cpu%", 30, (500, 700))], {"requests": (1000,) * 4, "ready": "TTFF", "phase": "RRFF"}, 4, {}),
    ("TestScaleUpIgnoresDeletionPods", (2, 6), (2, 2), [("cpu%", 30, (500, 700))], {"requests": (1000,) * 4, "ready": "TTFF", "deleted": "..DD"}, 4, {}),
    ("TestScaleUpCM", (2, 6), (3, 3), [("pods", 15000, (20000, 10000, 30000))], {"requests": _ONE3}, 4, {}),
    ("TestScaleUpCMUnreadyAndHotCpuNoLessScale", (2, 6), (3, 3), [("pods", 15000, (50000, 10000, 30000))], {"requests": _ONE3, "ready": "TTF", "start": "cch"}, 6, {}),
    ("TestScaleUpCMUnreadyandCpuHot", (2, 6), (3, 3), [("pods", 15000, (50000, 15000, 30000))], {"requests": _ONE3, "ready": "FTF", "start": "hch"}, 6, TOO_MANY),
    ("TestScaleUpHotCpuNoScaleWouldScaleDown", (2, 6), (3, 3), [("pods", 15000, (50000, 15000, 30000))], {"requests": _ONE3, "start": "hch"}, 6, TOO_MANY),
    ("TestScaleUpCMObject", (2, 6), (3, 3), [("object", 15000, 20000)], {}, 4, {}),
    ("TestScaleUpFromZeroCMObject", (0, 6), (0, 0), [("object", 15000, 20000)], {}, 2, {}),
    ("TestScaleUpFromZeroIgnoresToleranceCMObject", (0, 6), (0, 0), [("object", 1000, 1000)], {}, 1, {}),
    ("TestScaleUpPerPodCMObject", (2, 6), (3, 3), [("object/", 10000, 40000)], {}, 4, {}),
    ("TestScaleUpCMExternal", (2, 6), (3, 3), [("external", 6666, (8600,))], {}, 4, {}),
    ("TestScaleUpPerPodCMExternal", (2, 6), (3, 3), [("external/", 2222, (8600,))], {}, 4, {}),
    ("TestScaleDown", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": _ONE5, **_NONE}, 3, {}),
    ("TestScaleDownContainerResource", (2, 6), (5, 5), [("c2%", 50, _DOWN5)], {"requests": _ONE5, **_NONE}, 3, {}),
    ("TestScaleDownWithScalingRules", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": _ONE5, **_NONE, "behavior": {"scaleUp": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}], "stabilizationWindowSeconds": 30, "selectPolicy": "Max"}}}, 3, {}),
    ("TestScaleDownStabilizeInitialSize", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": _ONE5}, 5, {"AbleToScale": "ScaleDownStabilized"}),
    ("TestScaleDownCM", (2, 6), (5, 5), [("pods", 20000, (12000,) * 5)], {"requests": _ONE5, **_NONE}, 3, {}),
    ("TestScaleDownCMObject", (2, 6), (5, 5), [("object", 20000, 12000)], {"requests": _ONE5, **_NONE}, 3, {}),
    ("TestScaleDownToZeroCMObject", (0, 6), (5, 5), [("object", 20000, 0)], {"requests": _ONE5, **_NONE}, 0, {}),
    ("TestScaleDownPerPodCMObject", (2, 6), (5, 5), [("object/", 20000, 60000)], {"requests": _ONE5, **_NONE}, 3, {}),
    ("TestScaleDownCMExternal", (2, 6), (5, 5), [("external", 14400, (8600,))], _NONE, 3, {}),
    ("TestScaleDownToZeroCMExternal", (0, 6), (5, 5), [("external", 14400, (0,))], _NONE, 0, {}),
    ("TestScaleDownPerPodCMExternal", (2, 6), (5, 5), [("external/", 3000, (8600,))], _NONE, 3, {}),
    ("TestScaleDownIncludeUnreadyPods", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": _ONE5, "ready": "TTTFF", **_NONE}, 2, {}),
    ("TestScaleDownIgnoreHotCpuPods", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": _ONE5, "start": "ccchh", **_NONE}, 2, {}),
    ("TestScaleDownIgnoresFailedPods", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": (1000,) * 7, "ready": "TTTTTFF", "phase": "RRRRRFF", **_NONE}, 3, {}),
    ("TestScaleDownIgnoresDeletionPods", (2, 6), (5, 5), [("cpu%", 50, _DOWN5)], {"requests": (1000,) * 7, "ready": "TTTTTFF", "deleted": ".....DD", **_NONE}, 3, {}),
    ("TestTolerance", (1, 5), (3, 3), [("cpu%", 100, (1010, 1030, 1020))], {"requests": MIXED}, 3, READY),
    ("TestConfigurableTolerance: Scaling up because of a 1% configurable tolerance", (1, 5), (3, 3), [("cpu%", 100, (1010, 1030, 1020))], {"requests": MIXED, "minor": 35, "behavior": {"scaleUp": {"tolerance": "0.01"}}}, 4, {}),
    ("TestConfigurableTolerance: No scale-down because of a 90% configurable tolerance", (1, 5), (3, 3), [("cpu%", 100, (300, 300, 300))], {"requests": _ONE3, "minor": 35, "behavior": {"scaleDown": {"tolerance": "0.9"}}}, 3, READY),
    ("TestConfigurableTolerance: No scaling because of the large default tolerance", (1, 5), (3, 3), [("cpu%", 100, (1010, 1030, 1020))], {"requests": MIXED, "minor": 35}, 3, READY),
    ("TestConfigurableTolerance: No scaling because the configurable tolerance is ignored as the feature gate is disabled", (1, 5), (3, 3), [("cpu%", 100, (1010, 1030, 1020))], {"requests": MIXED, "minor": 34, "behavior": {"scaleUp": {"tolerance": "0.01"}}}, 3, READY),
    ("TestToleranceCM", (1, 5), (3, 3), [("pods", 20000, (20000, 20001, 21000))], {"requests": MIXED}, 3, READY),
    ("TestToleranceCMObject", (1, 5), (3, 3), [("object", 20000, 20050)], {"requests": MIXED}, 3, READY),
    ("TestToleranceCMExternal", (2, 6), (4, 4), [("external", 8666, (8600,))], {}, 4, READY),
    ("TestTolerancePerPodCMObject", (2, 6), (4, 4), [("object/", 2200, 8600)], {}, 4, READY),
    ("TestTolerancePerPodCMExternal", (2, 6), (4, 4), [("external/", 2200, (8600,))], {}, 4, READY),
    ("TestMinReplicas", (2, 5), (3, 3), [("cpu%", 90, (10, 95, 10))], {"requests": MIXED, **_NONE}, 2, TOO_FEW),
    ("TestZeroMinReplicasDesiredZero", (0, 5), (3, 3), [("cpu%", 90, (0, 0, 0))], {"requests": MIXED, **_NONE}, 0, {}),
    ("TestMinReplicasDesiredZero", (2, 5), (3, 3), [("cpu%", 90, (0, 0, 0))], {"requests": MIXED, **_NONE}, 2, TOO_FEW),
    ("TestZeroReplicas", (3, 5), (0, 0), [("cpu%", 90, ())], {"requests": ()}, 0, {"AbleToScale": "SucceededGetScale", "ScalingActive": "!ScalingDisabled", "ScalingLimited": None}),
    ("TestTooFewReplicas", (3, 5), (2, 2), [("cpu%", 90, ())], {"requests": ()}, 3, BOUND_ONLY),
    ("TestTooManyReplicas", (3, 5), (10, 10), [("cpu%", 90, ())], {"requests": ()}, 5, BOUND_ONLY),
    ("TestMaxReplicas", (2, 5), (3, 3), [("cpu%", 90, (8000, 9500, 1000))], {"requests": MIXED}, 5, TOO_MANY),
    ("TestSuperfluousMetrics", (2, 6), (4, 4), [("cpu%", 100, (4000, 9500, 3000, 7000, 3200, 2000))], {"requests": (1000,) * 4}, 6, TOO_MANY),
    ("TestMissingMetrics", (2, 6), (4, 4), [("cpu%", 100, (400, 95))], {"requests": (1000,) * 4, **_NONE}, 3, {}),
    ("TestEmptyMetrics", (2, 6), (4, 4), [("cpu%", 100, "failed")], {"requests": (1000,) * 4}, 4, _failed("Resource")),
    ("TestEmptyCPURequest", (1, 5), (1, 1), [("cpu%", 100, (200,))], {"requests": ()}, 1, _failed("Resource")),
    ("TestEventCreated", (1, 5), (1, 1), [("cpu%", 50, (200,))], {"requests": (200,)}, 2, {}),
    ("TestEventNotCreated", (1, 5), (2, 2), [("cpu%", 50, (200, 200))], {"requests": (400, 400)}, 2, READY),
    ("TestMissingReports", (1, 5), (4, 4), [("cpu%", 50, (200,))], {"requests": (200,), **_NONE}, 2, {}),
    ("TestUpscaleCap", (1, 100), (3, 3), [("cpu%", 10, (100, 200, 300))], {"requests": _TENTH3, "behavior": _SEVEN_PERCENT_RULE}, 24, UP_LIMIT),
    ("TestUpscaleCapGreaterThanMaxReplicas", (1, 20), (3, 3), [("cpu%", 10, (100, 200, 300))], {"requests": _TENTH3, "behavior": _SEVEN_PERCENT_RULE}, 20, TOO_MANY),
    ("TestMoreReplicasThanSpecNoScale", (1, 8), (4, 5), [("cpu%", 50, (500,) * 5)], {"requests": _ONE5}, 4, READY),
    ("TestConditionFailedGetMetrics: FailedGetResourceMetric", (1, 100), (3, 3), [("cpu%", 10, "failed")], {"requests": _TENTH3}, 3, _failed("Resource")),
    ("TestConditionFailedGetMetrics: FailedGetPodsMetric", (1, 100), (3, 3), [("pods", 15000, "failed")], {"requests": _TENTH3}, 3, _failed("Pods")),
    ("TestConditionFailedGetMetrics: FailedGetObjectMetric", (1, 100), (3, 3), [("object", 15000, "failed")], {"requests": _TENTH3}, 3, _failed("Object")),
    ("TestConditionFailedGetMetrics: FailedGetExternalMetric", (1, 100), (3, 3), [("external", 300, "failed")], {"requests": _TENTH3}, 3, _failed("External")),
    ("TestConditionFailedGetScale", (1, 100), (3, 3), [("cpu%", 10, (100, 200, 300))], {"requests": _TENTH3, "unreadable": True, "says": {"current": 0, "desired": 0, "error": "failed to query scale"}}, None, {"AbleToScale": "!FailedGetScale", "ScalingActive": None, "ScalingLimited": None}),
    ("TestConditionFailedUpdateScale", (1, 5), (3, 3), [("cpu%", 100, (150, 150, 150))], {"requests": _TENTH3, "unwritable": True, "says": {"current": 3, "desired": 3, "error": "failed to rescale"}}, None, {"AbleToScale": "!FailedUpdateScale"}),
    ("TestNoBackoffUpscaleCM", (1, 5), (3, 3), [("pods", 15000, (20000, 10000, 30000))], {"requests": _ONE3}, 4, {}),
    ("TestNoBackoffUpscaleCMNoBackoffCpu", (1, 5), (3, 3), [("cpu%", 10, (20000, 10000, 30000)), ("pods", 15000, (20000, 10000, 30000))], {"requests": _ONE3}, 5, TOO_MANY),
    ("TestStabilizeDownscale", (1, 5), (4, 4), [("cpu%", 100, (50, 50, 50))], {"requests": _TENTH3, "remembered": ((10, 600), (4, 60))}, 4, {"AbleToScale": "ScaleDownStabilized"}),
    ("TestScaleUpRCImmediately", (2, 6), (1, 1), [("cpu%", 80, (0, 0, 0, 0))], {"requests": (1000,) * 4}, 2, BOUND_ONLY),
    ("TestScaleDownRCImmediately", (2, 5), (6, 6), [("cpu%", 50, (8000, 9500, 1000))], {"requests": MIXED}, 5, BOUND_ONLY),
    ("TestAvoidUnnecessaryUpdates", (2, 6), (2, 2), [("cpu%", 80, (400, 500, 700))], {"requests": _ONE3, "start": "chh", **_NONE}, 2, {"AbleToScale": "ReadyForNewScale", **TOO_FEW}),
    ("TestScaleUpOneMetricEmpty", (2, 6), (3, 3), [("cpu%", 30, (300, 400, 500)), ("external", 100, "failed")], {"requests": _ONE3}, 4, {}),
    ("TestNoScaleDownOneMetricEmpty", (2, 6), (5, 5), [("cpu%", 50, _DOWN5), ("external", 1000, "failed")], {"requests": _ONE5, **_NONE}, 5, _failed("External")),
    ("TestHPARescaleWithSuccessfulConflictRetry", (2, 6), (3, 3), [("cpu%", 50, (600, 700, 800))], {"requests": _ONE3}, 5, {}),
]

_ZERO: dict[str, Any] = {"scaled_to_zero": True}
_AT_ZERO = {"AbleToScale": "SucceededGetScale", "ScalingActive": "!ScalingDisabled", "ScalingLimited": None}
F = "reconcileAutoscaler: "
K = "computeReplicasForMetrics: "
Z = "shouldComputeMetricsForZeroReplicas: "
EDGES: list[tuple[Any, ...]] = [
    (F + "the maximum exactly is no violation", (1, 5), (5, 5), [("external/", 1000, (5000,))], {}, 5, READY),
    (F + "the minimum exactly is no violation", (5, 9), (5, 5), [("external/", 1000, (5000,))], {}, 5, READY),
    (F + "above the maximum: no window, no metrics", (1, 5), (6, 6), [("external/", 1000, "failed")], {"remembered": ((6, 10),), "says": {"reason": "Current number of replicas above Spec.MaxReplicas", "proposal": None, "metric": None, "stabilized": None}}, 5, BOUND_ONLY),
    (F + "below the minimum: past every rate limit", (9, 90), (1, 1), [("external/", 1000, "failed")], {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}, "says": {"reason": "Current number of replicas below Spec.MinReplicas"}}, 9, BOUND_ONLY),
    (F + "a fresh HPA does not shrink before its window, with behavior", (1, 9), (5, 5), [("external/", 1000, (2000,))], {"behavior": {}}, 5, {"AbleToScale": "ScaleDownStabilized"}),
    (F + "a fresh HPA shrinks at once with a window of 0", (1, 9), (5, 5), [("external/", 1000, (2000,))], {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}, 2, {}),
    (F + "growth held back by the up window", (1, 9), (2, 2), [("external/", 1000, (7000,))], {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 60}}}, 2, {"AbleToScale": "ScaleUpStabilized"}),
    (F + "behavior {} grows 1 to 5", (1, 90), (1, 1), [("external/", 1000, (70000,))], {"behavior": {}}, 5, UP_LIMIT),
    (F + "no behavior grows 1 to 4 with the production factor", (1, 90), (1, 1), [("external/", 1000, (70000,))], {"factor": 2}, 4, UP_LIMIT),
    (K + "the largest of two wins", (1, 9), (3, 3), [("external/", 1000, (4000,)), ("object/", 1000, 6000)], {"says": {"metric": 1, "proposal": 6, "stabilized": 6, "limited": 6, "limit_reason": "DesiredWithinRange", "reason": "external metric qps above target", "error": ""}}, 6, {}),
    (K + "of two equal ones the first is named", (1, 9), (3, 3), [("object/", 1000, 6000), ("external/", 1000, (6000,))], {"says": {"metric": 0}}, 6, {}),
    (K + "the largest of two wins in either order", (1, 9), (3, 3), [("object/", 1000, 6000), ("external/", 1000, (4000,))], {}, 6, {}),
    (K + "one of two wants less: held by the other", (1, 9), (3, 3), [("external/", 1000, (1000,)), ("object/", 1000, 3000)], _NONE, 3, READY),
    (K + "a failed metric vetoes shrinking", (1, 9), (3, 3), [("external/", 1000, (1000,)), ("object/", 1000, "failed")], _NONE, 3, _failed("Object")),
    (K + "a failed metric does not veto staying", (1, 9), (3, 3), [("external/", 1000, (3000,)), ("object/", 1000, "failed")], _NONE, 3, READY),
    (K + "a failed metric does not veto growth", (1, 9), (3, 3), [("object/", 1000, "failed"), ("external/", 1000, (4000,))], _NONE, 4, {}),
    (K + "the first failure is the one reported", (1, 9), (3, 3), [("object/", 1000, "failed"), ("external/", 1000, "failed")], {}, 3, _failed("Object")),
    (K + "zero is a legal result, and the window holds it", (0, 9), (3, 3), [("external/", 1000, (0,))], {}, 3, {"AbleToScale": "ScaleDownStabilized"}),
    (K + "a negative proposal counts as zero", (0, 9), (3, 3), [("external/", 1000, "failed"), ("object/", 1000, -5000)], _NONE, 3, _failed("External")),
    (K + "a negative proposal alone counts as zero", (0, 9), (3, 3), [("object/", 1000, -5000)], {**_NONE, "says": {"proposal": 0, "reason": "All metrics below target"}}, 0, {}),
    (K + "a zero proposal is named too", (0, 9), (3, 3), [("cpu%", 50, "failed"), ("external/", 1000, (0,))], {"behavior": {}, **_ZERO, "minor": 37, "says": {"error": "cpu resource utilization (percentage of request): something went wrong"}}, 3, {**_failed("Resource"), "ScaledToZero": "ScaledToZero"}),
    (K + "two negative ones: the larger is named", (0, 9), (3, 3), [("object/", 1000, -5000), ("object", 1000, -1000)], {**_NONE, "says": {"metric": 1, "proposal": 0}}, 0, {}),
    (K + "two zeros: the last is named", (0, 9), (3, 3), [("object/", 1000, 0), ("external/", 1000, (0,))], {**_NONE, "says": {"metric": 1}}, 0, {}),
    (K + "a failed one, then zero at zero: the second is named", (0, 9), (0, 0), [("object/", 1000, "failed"), ("external/", 1000, (0,))], {**_ZERO, "minor": 37, "says": {"metric": 1, "reason": "", "proposal": 0}}, 0, {**READY, "ScaledToZero": "ScaledToZero"}),
    (K + "staying gives no reason", (1, 9), (3, 3), [("external/", 1000, (3000,))], {"says": {"reason": "", "proposal": 3, "metric": 0}}, 3, READY),
    (K + "zero, then a negative proposal: zero", (0, 9), (3, 3), [("external/", 1000, (0,)), ("object/", 1000, -5000)], _NONE, 0, {}),
    (K + "a negative proposal, then a positive one", (1, 9), (3, 3), [("object/", 1000, -5000), ("external/", 1000, (4000,))], _NONE, 4, {}),
    (Z + "minimum 0, up to 1.35: computed", (0, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 35}, 3, {}),
    (Z + "minimum 1, up to 1.35: disabled", (1, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 35}, 0, _AT_ZERO),
    (Z + "since 1.36 without the condition: paused by hand", (0, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 37}, 0, _AT_ZERO),
    (Z + "since 1.36 with the condition: computed", (0, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 37, **_ZERO}, 3, {"ScaledToZero": "!NotScaledToZero"}),
    (Z + "1.36 with the gate off: disabled, the condition goes", (0, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 36, **_ZERO}, 0, _AT_ZERO),
    (Z + "1.36 with the gate on", (0, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 36, "gate": True, **_ZERO}, 3, {"ScaledToZero": "!NotScaledToZero"}),
    (Z + "one outside metric among others is enough", (0, 9), (0, 0), [("cpu%", 50, "failed"), ("external/", 1000, (2500,))], {"minor": 37, "requests": (), **_ZERO}, 3, {"ScaledToZero": "!NotScaledToZero"}),
    (Z + "only pods' metrics: stays at zero", (0, 9), (0, 0), [("cpu%", 50, ())], {"minor": 37, "requests": (), **_ZERO}, 0, {**_AT_ZERO, "ScaledToZero": "ScaledToZero"}),
    (Z + "minimum raised: back to it at least", (4, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 37, "says": {"reason": "external metric qps above target"}, **_ZERO}, 4, {"ScaledToZero": "!NotScaledToZero", **TOO_FEW}),
    (Z + "minimum raised, with behavior", (4, 9), (0, 0), [("external/", 1000, (2500,))], {"minor": 37, "behavior": {}, **_ZERO}, 4, {"ScaledToZero": "!NotScaledToZero"}),
    (Z + "minimum raised, nothing to do: back to it all the same", (4, 9), (0, 0), [("external/", 1000, (0,))], {"minor": 37, "behavior": {}, "says": {"reason": "Current number of replicas below Spec.MinReplicas"}, **_ZERO}, 4, {"ScaledToZero": "!NotScaledToZero"}),
    (Z + "minimum raised, only pods' metrics: computed and failing", (4, 9), (0, 0), [("cpu%", 50, "failed")], {"minor": 37, "requests": (), **_ZERO}, 0, {**_failed("Resource"), "ScaledToZero": "ScaledToZero"}),
    (Z + "more work than the minimum: the proposal", (2, 9), (0, 0), [("external/", 1000, (3500,))], {"minor": 37, "behavior": {}, **_ZERO}, 4, {"ScaledToZero": "!NotScaledToZero"}),
    (F + "the step to zero sets the condition", (0, 9), (3, 3), [("external/", 1000, (0,))], {"minor": 37, **_NONE}, 0, {"ScaledToZero": "ScaledToZero"}),
    (F + "the step to zero of a pods' metric does not", (0, 9), (3, 3), [("cpu%", 50, (0, 0, 0))], {"minor": 37, "requests": _ONE3, **_NONE}, 0, {"ScaledToZero": "!NotScaledToZero"}),
    (F + "any other write clears it", (0, 9), (3, 3), [("external/", 1000, (5000,))], {"minor": 37, **_ZERO}, 5, {"ScaledToZero": "!NotScaledToZero"}),
    (F + "no write keeps it", (0, 9), (3, 3), [("external/", 1000, (3000,))], {"minor": 37, **_ZERO}, 3, {**READY, "ScaledToZero": "ScaledToZero"}),
    (F + "with the gate off a write removes it", (0, 9), (3, 3), [("external/", 1000, (5000,))], {"minor": 36, **_ZERO}, 5, {}),
]
