"""Reading a manifest: quantities, defaults and refusals.

Sources: k8s.io/apimachinery/pkg/api/resource (quantity.go: what MilliValue rounds, which suffixes exist),
pkg/apis/autoscaling/v2/defaults.go (what is filled in), pkg/apis/autoscaling/validation (what is refused).
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

# source, text, milli-units (None: refused)
QUANTITIES = [
    ("quantity: whole", "30", 30_000),
    ("quantity: a YAML number", 30, 30_000),
    ("quantity: a YAML float", 0.5, 500),
    ("quantity: milli", "500m", 500),
    ("quantity: decimal", "1.5", 1_500),
    ("quantity: leading point", ".5", 500),
    ("quantity: trailing point", "5.", 5_000),
    ("quantity: finer than a milli-unit rounds up", "0.490m", 1),
    ("quantity: negative rounds away from zero", "-1.5m", -2),
    ("quantity: plus sign", "+2", 2_000),
    ("quantity: nano", "1n", 1),
    ("quantity: micro", "1500u", 2),
    ("quantity: kilo", "2k", 2_000_000),
    ("quantity: mega", "3M", 3 * 10**9),
    ("quantity: giga", "1G", 10**12),
    ("quantity: tera", "1T", 10**15),
    ("quantity: peta", "1P", 10**18),
    ("quantity: exa", "1E", 10**21),
    ("quantity: kibi", "1Ki", 1_024_000),
    ("quantity: mebi", "150Mi", 150 * 1024**2 * 1000),
    ("quantity: gibi", "1Gi", 1024**3 * 1000),
    ("quantity: tebi", "1Ti", 1024**4 * 1000),
    ("quantity: pebi", "1Pi", 1024**5 * 1000),
    ("quantity: exbi", "1Ei", 1024**6 * 1000),
    ("quantity: exponent", "1e3", 1_000_000),
    ("quantity: negative exponent", "5E-2", 50),
    ("quantity: exactly zero", "0", 0),
    ("quantity: nano in bulk", "2000000n", 2),
    ("quantity: half a milli-unit below zero", "-0.5m", -1),
    ("quantity: empty", "", None),
    ("quantity: only a suffix", "Mi", None),
    ("quantity: unknown suffix", "1K", None),
    ("quantity: milli of kibi", "1mi", None),
    ("quantity: space", "1 Mi", None),
    ("quantity: two points", "1.2.3", None),
    ("quantity: exponent and suffix", "1e3Mi", None),
    ("quantity: true is no number", True, None),
    ("quantity: a trailing newline", "1\n", None),
]

_EXTERNAL = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "30"}}}
_UP = ((("Pods", 4, 15), ("Percent", 100, 15)), "Max", 0, None)
_DOWN = ((("Percent", 100, 15),), "Max", None, None)
_POLICY = {"type": "Pods", "value": 1, "periodSeconds": 60}

# source, spec.behavior, expected (scale up, scale down) as (policies, select, window, tolerance)
BEHAVIORS: list[tuple[str, Any, Any]] = [
    ("defaults.go: no behavior stays none", None, None),
    ("defaults.go: {} is completed", {}, (_UP, _DOWN)),
    ("defaults.go: empty rules are completed", {"scaleUp": {}, "scaleDown": {}}, (_UP, _DOWN)),
    ("defaults.go: one direction given, the other completed", {"scaleDown": {"selectPolicy": "Min"}}, (_UP, (_DOWN[0], "Min", None, None))),
    ("defaults.go: policies are replaced as a whole", {"scaleUp": {"policies": [_POLICY]}}, (((("Pods", 1, 60),), "Max", 0, None), _DOWN)),
    ("defaults.go: a window of 0 is kept", {"scaleDown": {"stabilizationWindowSeconds": 0}}, (_UP, (_DOWN[0], "Max", 0, None))),
    ("defaults.go: an up window is kept", {"scaleUp": {"stabilizationWindowSeconds": 60}}, ((_UP[0], "Max", 60, None), _DOWN)),
    ("defaults.go: tolerances", {"scaleUp": {"tolerance": "50m"}, "scaleDown": {"tolerance": 0}}, ((_UP[0], "Max", 0, 0.05), (_DOWN[0], "Max", None, 0.0))),
    ("defaults.go: disabled", {"scaleDown": {"selectPolicy": "Disabled"}}, (_UP, (_DOWN[0], "Disabled", None, None))),
    ("validation: the longest window and period", {"scaleDown": {"stabilizationWindowSeconds": 3600, "policies": [{**_POLICY, "periodSeconds": 1800}]}}, (_UP, ((("Pods", 1, 1800),), "Max", 3600, None))),
]

# source, changes of a sound spec, expected words of each problem
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("validation: maxReplicas is required", {"maxReplicas": None}, ["spec.maxReplicas: must be a whole number from 1"]),
    ("validation: maxReplicas 0", {"maxReplicas": 0}, ["spec.maxReplicas: must be a whole number from 1"]),
    ("validation: maxReplicas as text", {"maxReplicas": "5"}, ["spec.maxReplicas: must be a whole number"]),
    ("validation: maxReplicas true", {"maxReplicas": True}, ["spec.maxReplicas: must be a whole number"]),
    ("validation: beyond int32", {"maxReplicas": 2**31}, ["spec.maxReplicas: must be a whole number from 1 to 2147483647"]),
    ("validation: minReplicas negative", {"minReplicas": -1}, ["spec.minReplicas: must be a whole number from 0"]),
    ("validation: minReplicas above maxReplicas", {"minReplicas": 6}, ["spec.maxReplicas: must be at least minReplicas, 6"]),
    ("validation: minReplicas 0 without an outside metric", {"minReplicas": 0, "metrics": []}, ["spec.minReplicas: 0 needs an Object or External metric (got 0)"]),
    ("validation: minReplicas 0 with a pods' metric only", {"minReplicas": 0, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}}]}, ["spec.minReplicas: 0 needs an Object or External metric (got 0)"]),
    ("validation: unknown metric type", {"metrics": [{"type": "CheddarCheese"}]}, ["spec.metrics[0].type: must be one of Resource"]),
    ("validation: no body", {"metrics": [{"type": "Pods"}]}, ["spec.metrics[0].pods: must be a mapping", "spec.metrics[0].pods.metric: must be a mapping", "spec.metrics[0].pods.name: must name the metric", "spec.metrics[0].pods.target: must be a mapping", "spec.metrics[0].pods.target: needs exactly one averageValue"]),
    ("validation: no target", {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {}}}]}, ["spec.metrics[0].resource.target: needs exactly one averageUtilization or averageValue"]),
    ("validation: two targets", {"metrics": [{"type": "External", "external": {"metric": {"name": "q"}, "target": {"value": "1", "averageValue": "1"}}}]}, ["spec.metrics[0].external.target: needs exactly one value or averageValue"]),
    ("validation: a target the source does not have", {"metrics": [{"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"value": "1"}}}]}, ["spec.metrics[0].pods.target: needs exactly one averageValue"]),
    ("validation: a target of 0", {"metrics": [{"type": "External", "external": {"metric": {"name": "q"}, "target": {"value": "0"}}}]}, ["spec.metrics[0].external.target.value: must be greater than 0"]),
    ("validation: a negative target", {"metrics": [{"type": "External", "external": {"metric": {"name": "q"}, "target": {"value": "-1"}}}]}, ["spec.metrics[0].external.target.value: must be greater than 0"]),
    ("validation: no quantity", {"metrics": [{"type": "External", "external": {"metric": {"name": "q"}, "target": {"value": "many"}}}]}, ["spec.metrics[0].external.target.value: a quantity is a number"]),
    ("validation: utilization 0", {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 0}}}]}, ["spec.metrics[0].resource.target.averageUtilization: must be a whole number from 1"]),
    ("validation: empty name", {"metrics": [_EXTERNAL, {"type": "External", "external": {"metric": {"name": ""}, "target": {"value": "1"}}}]}, ["spec.metrics[1].external.name: must name the metric"]),
    ("validation: behavior's words", {"behavior": {"scaleUp": {"selectPolicy": "Average"}}}, ["spec.behavior.scaleUp.selectPolicy: must be Max, Min or Disabled"]),
    ("validation: no policies", {"behavior": {"scaleDown": {"policies": []}}}, ["spec.behavior.scaleDown.policies: needs at least one policy"]),
    ("validation: policy fields", {"behavior": {"scaleDown": {"policies": [_POLICY, {"type": "Cores", "value": 0, "periodSeconds": 1801}]}}}, ["spec.behavior.scaleDown.policies[1].type: must be Pods or Percent", "spec.behavior.scaleDown.policies[1].value: must be a whole number from 1", "spec.behavior.scaleDown.policies[1].periodSeconds: must be a whole number from 1 to 1800"]),
    ("validation: a window above an hour", {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}}, ["spec.behavior.scaleUp.stabilizationWindowSeconds: must be a whole number from 0 to 3600"]),
    ("validation: a negative tolerance", {"behavior": {"scaleUp": {"tolerance": "-0.1"}}}, ["spec.behavior.scaleUp.tolerance: must not be negative"]),
    ("validation: a tolerance that is no quantity", {"behavior": {"scaleDown": {"tolerance": "ten"}}}, ["spec.behavior.scaleDown.tolerance: a quantity is a number"]),
    ("validation: all at once", {"maxReplicas": 0, "behavior": {"scaleUp": {"policies": []}}}, ["spec.maxReplicas", "spec.behavior.scaleUp.policies"]),
]

# source, metric entry, (source, target type, target, name, container, of pods, is cpu, title)
METRICS: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("Resource utilization", {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}}, ("Resource", "Utilization", 60, "cpu", None, True, True, "cpu resource utilization (percentage of request)")),
    ("Resource averageValue", {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "150Mi"}}}, ("Resource", "AverageValue", 157286400000, "memory", None, True, False, "memory resource")),
    ("ContainerResource", {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "consumer", "target": {"averageUtilization": 60}}}, ("ContainerResource", "Utilization", 60, "cpu", "consumer", True, True, "cpu container resource utilization (percentage of request)")),
    ("Pods: a metric called cpu is no CPU", {"type": "Pods", "pods": {"metric": {"name": "cpu"}, "target": {"averageValue": "500m"}}}, ("Pods", "AverageValue", 500, "cpu", None, True, False, "pods metric cpu")),
    ("Object value", {"type": "Object", "object": {"metric": {"name": "q"}, "describedObject": {"kind": "Queue"}, "target": {"value": "2k"}}}, ("Object", "Value", 2_000_000, "q", None, False, False, "Queue metric q")),
    ("Object averageValue: upstream calls it external", {"type": "Object", "object": {"metric": {"name": "q"}, "describedObject": {"kind": "Queue"}, "target": {"averageValue": "2"}}}, ("Object", "AverageValue", 2_000, "q", None, False, False, "external metric q")),
    ("External value", {"type": "External", "external": {"metric": {"name": "q"}, "target": {"value": 7}}}, ("External", "Value", 7_000, "q", None, False, False, "external metric q")),
    ("External averageValue", _EXTERNAL, ("External", "AverageValue", 30_000, "q", None, False, False, "external metric q")),
]

# minor, gates, (inclusive, configurable, to zero, needs condition, fill at target, fill at 1, cap average, cap value)
RELEASES: list[tuple[str, int, dict[str, bool], tuple[bool, ...]]] = [
    ("1.25", 25, {}, (False, False, False, False, False, True, False, False)),
    ("1.26: kubernetes#112178", 26, {}, (False, False, False, False, True, True, False, False)),
    ("1.27", 27, {}, (False, False, False, False, True, True, False, False)),
    ("1.28: kubernetes#117845", 28, {}, (False, False, False, False, True, False, False, False)),
    ("1.32", 32, {}, (False, False, False, False, True, False, False, False)),
    ("1.33: band", 33, {}, (True, False, False, False, True, False, False, False)),
    ("1.34: kubernetes#127050", 34, {}, (True, False, False, False, True, False, True, False)),
    ("1.35: tolerance on, kubernetes#126979", 35, {}, (True, True, False, False, True, False, True, True)),
    ("1.36: ScaledToZero", 36, {}, (True, True, False, True, True, False, True, True)),
    ("1.37: to zero on", 37, {}, (True, True, True, True, True, False, True, True)),
    ("gate HPAConfigurableTolerance before it exists", 32, {"configurable_tolerance": True}, (False, False, False, False, True, False, False, False)),
    ("gate HPAConfigurableTolerance alpha", 33, {"configurable_tolerance": True}, (True, True, False, False, True, False, False, False)),
    ("gate HPAConfigurableTolerance turned off", 35, {"configurable_tolerance": False}, (True, False, False, False, True, False, True, True)),
    ("gate HPAScaleToZero turned on", 34, {"scale_to_zero": True}, (True, False, True, False, True, False, True, False)),
    ("gate HPAScaleToZero turned off", 37, {"scale_to_zero": False}, (True, True, False, True, True, False, True, True)),
]
