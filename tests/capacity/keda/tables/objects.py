"""What a ScaledObject states. Source: KEDA 2.21.0, test or function name; apis/keda/v1alpha1 unless another is named."""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

ANY: dict[str, Any] = {"type": "prometheus", "metadata": {"threshold": "10", "query": "q"}}
CPU: dict[str, Any] = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
MEMORY: dict[str, Any] = {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "1Gi"}}
_PAUSED, _REPLICAS = "autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"
_IN, _OUT = "autoscaling.keda.sh/paused-scale-in", "autoscaling.keda.sh/paused-scale-out"
_FORCE = "autoscaling.keda.sh/force-activation"

# Columns: source, annotations, (whole, replicas, scale in, scale out, force).
PAUSES: list[tuple[Any, ...]] = [
    ("TestNeedToBePausedByAnnotation: No annotations", {}, (False, None, False, False, False)),
    ("TestNeedToBePausedByAnnotation: PausedAnnotation with true value", {_PAUSED: "true"}, (True, None, False, False, False)),
    ("TestNeedToBePausedByAnnotation: PausedAnnotation with false value", {_PAUSED: "false"}, (False, None, False, False, False)),
    ("TestNeedToBePausedByAnnotation: PausedAnnotation with invalid value", {_PAUSED: "invalid"}, (True, None, False, False, False)),
    ("TestNeedToBePausedByAnnotation: PausedReplicasAnnotation with value", {_REPLICAS: "5"}, (True, 5, False, False, False)),
    ("TestNeedToBePausedByAnnotation: Both annotations set", {_PAUSED: "true", _REPLICAS: "5"}, (True, 5, False, False, False)),
    ("TestNeedToBePausedByAnnotation: Both annotations set, PausedAnnotation false", {_PAUSED: "false", _REPLICAS: "5"}, (True, 5, False, False, False)),
    ("TestHasPausedAnnotation: Has other annotations but not paused ones", {"some-other-annotation": "value"}, (False, None, False, False, False)),
    ("TestGetPausedReplicaCount: zero value annotation", {_REPLICAS: "0"}, (True, 0, False, False, False)),
    ("getBoolAnnotation: scale in", {_IN: "true"}, (False, None, True, False, False)),
    ("getBoolAnnotation: scale in, 0 is false", {_IN: "0"}, (False, None, False, False, False)),
    ("getBoolAnnotation: scale in, F is false", {_IN: "F"}, (False, None, False, False, False)),
    ("getBoolAnnotation: scale in, no is no boolean of Go's and so true", {_IN: "no"}, (False, None, True, False, False)),
    ("getBoolAnnotation: scale in, empty is true", {_IN: ""}, (False, None, True, False, False)),
    ("getBoolAnnotation: scale out", {_OUT: "t"}, (False, None, False, True, False)),
    ("getBoolAnnotation: scale out off", {_OUT: "FALSE"}, (False, None, False, False, False)),
    ("getBoolAnnotation: force activation", {_FORCE: "1"}, (False, None, False, False, True)),
    ("getBoolAnnotation: force activation off", {_FORCE: "False"}, (False, None, False, False, False)),
]

# Columns: source, spec, (polls, uses the HPA's observations).
_CACHED = {**ANY, "useCachedMetrics": True}
_FORMULA = {"scalingModifiers": {"formula": "a + 1", "target": "1"}}
_NAMED = {**ANY, "name": "a"}
POLLING: list[tuple[Any, ...]] = [
    ("TestIsPollingIntervalRelevant: minReplicaCount unset (defaults to 0)", {"triggers": [ANY]}, (True, False)),
    ("TestIsPollingIntervalRelevant: minReplicaCount = 0 allows scale to zero", {"minReplicaCount": 0, "triggers": [ANY]}, (True, False)),
    ("TestIsPollingIntervalRelevant: minReplicaCount > 0, idle mode disabled, no cached metrics", {"minReplicaCount": 2, "triggers": [ANY]}, (False, True)),
    ("TestIsPollingIntervalRelevant: minReplicaCount > 0, idleReplicaCount = 0", {"minReplicaCount": 2, "idleReplicaCount": 0, "triggers": [ANY]}, (True, False)),
    ("TestIsPollingIntervalRelevant: minReplicaCount > 0, idleReplicaCount > 0", {"minReplicaCount": 2, "idleReplicaCount": 1, "triggers": [ANY]}, (True, False)),
    ("TestIsPollingIntervalRelevant: minReplicaCount > 0, no idle, a trigger uses cached metrics", {"minReplicaCount": 2, "triggers": [CPU, _CACHED]}, (True, False)),
    ("TestIsPollingIntervalRelevant: minReplicaCount > 0, no idle, no trigger uses cached metrics", {"minReplicaCount": 2, "triggers": [CPU, ANY]}, (False, True)),
    ("TestUsesHPAObservations: minReplicaCount > 0 without idle mode and cached metrics", {"minReplicaCount": 1, "triggers": [ANY]}, (False, True)),
    ("TestUsesHPAObservations: scaling modifiers require polling", {"minReplicaCount": 1, "triggers": [_NAMED], "advanced": _FORMULA}, (False, False)),
]

# Columns: source, spec, (the HPA's minimum, its maximum, where an inactive target goes, where activation takes it).
BOUNDS: list[tuple[Any, ...]] = [
    ("TestGetHPAReplicas: Default min and max; TestGetIdleOrMinimumReplicaCount: nil and nil", {}, (1, 100, 0, 1)),
    ("TestGetHPAReplicas: Custom min, default max", {"minReplicaCount": 5}, (5, 100, 5, 5)),
    ("TestGetHPAReplicas: Default min, custom max", {"maxReplicaCount": 10}, (1, 10, 0, 1)),
    ("TestGetHPAReplicas: Custom min and max", {"minReplicaCount": 5, "maxReplicaCount": 10}, (5, 10, 5, 5)),
    ("TestGetHPAReplicas: Zero min, default max", {"minReplicaCount": 0}, (1, 100, 0, 1)),
    ("TestGetIdleOrMinimumReplicaCount: IdleReplicaCount set", {"idleReplicaCount": 0, "minReplicaCount": 5}, (5, 100, 0, 5)),
    ("TestGetIdleOrMinimumReplicaCount: IdleReplicaCount non-zero", {"idleReplicaCount": 3, "minReplicaCount": 4}, (4, 100, 3, 4)),
    ("TestCheckReplicaCountBoundsAreValid: min 1, max 5, no idle", {"minReplicaCount": 1, "maxReplicaCount": 5}, (1, 5, 1, 1)),
    ("TestCheckReplicaCountBoundsAreValid: min 1, max 5, idle 0", {"minReplicaCount": 1, "maxReplicaCount": 5, "idleReplicaCount": 0}, (1, 5, 0, 1)),
    ("CheckReplicaCountBoundsAreValid: a 0 that is written is the HPA's 1", {"minReplicaCount": 0, "idleReplicaCount": 0}, (1, 100, 0, 1)),
    ("CRD: minReplicaCount may equal maxReplicaCount", {"minReplicaCount": 7, "maxReplicaCount": 7}, (7, 7, 7, 7)),
]

# Columns: source, spec, (polling, cooldown, initial cooldown) in seconds.
TIMES: list[tuple[Any, ...]] = [
    ("GetPollingInterval, defaultCooldownPeriod, defaultInitialCooldownPeriod: the defaults", {}, (30, 300, 0)),
    ("GetPollingInterval: stated", {"pollingInterval": 5, "cooldownPeriod": 20, "initialCooldownPeriod": 60}, (5, 20, 60)),
    ("CRD minimums: 1, 0 and 0", {"pollingInterval": 1, "cooldownPeriod": 0, "initialCooldownPeriod": 0}, (1, 0, 0)),
]

# Columns: source, what differs from a sound manifest, the problems' beginnings.
_TWICE = [{**ANY, "name": "trigger1"}, {**ANY, "name": "trigger1"}]
REFUSED: list[tuple[Any, ...]] = [
    ("TestCheckReplicaCountBoundsAreValid: min 2 > max 1", {"minReplicaCount": 2, "maxReplicaCount": 1}, ["spec.minReplicaCount: must be at most maxReplicaCount, 1"]),
    ("TestCheckReplicaCountBoundsAreValid: idle 1 == min 1", {"minReplicaCount": 1, "maxReplicaCount": 5, "idleReplicaCount": 1}, ["spec.idleReplicaCount: must be less than minReplicaCount, 1"]),
    ("TestCheckReplicaCountBoundsAreValid: idle 2 > min 1", {"minReplicaCount": 1, "maxReplicaCount": 5, "idleReplicaCount": 2}, ["spec.idleReplicaCount: must be less than minReplicaCount, 1"]),
    ("CheckReplicaCountBoundsAreValid: nobody has written a minimum", {"idleReplicaCount": 0}, ["spec.idleReplicaCount: must be less than minReplicaCount, 0"]),
    ("CRD: minimums", {"minReplicaCount": -1, "maxReplicaCount": 0, "pollingInterval": 0, "cooldownPeriod": -1, "initialCooldownPeriod": -1}, ["spec.minReplicaCount: must be a whole number from 0", "spec.maxReplicaCount: must be a whole number from 1", "spec.pollingInterval: must be a whole number from 1", "spec.cooldownPeriod: must be a whole number from 0", "spec.initialCooldownPeriod: must be a whole number from 0"]),
    ("CRD: whole numbers", {"minReplicaCount": 1, "maxReplicaCount": True, "idleReplicaCount": "0"}, ["spec.maxReplicaCount: must be", "spec.idleReplicaCount: must be"]),
    ("TestValidateTriggers: duplicate trigger names", {"triggers": _TWICE}, ["spec.triggers[1].name: is another trigger's name as well"]),
    ("TestValidateTriggers: unsupported useCachedMetrics property for cpu scaler", {"triggers": [{**CPU, "useCachedMetrics": True}]}, ["spec.triggers[0]: useCachedMetrics is not supported for cpu"]),
    ("TestValidateTriggers: unsupported useCachedMetrics property for memory scaler", {"triggers": [{**MEMORY, "useCachedMetrics": True}]}, ["spec.triggers[0]: useCachedMetrics is not supported for memory"]),
    ("TestValidateTriggers: empty triggers array should be blocked", {"triggers": []}, ["spec.triggers: needs at least one trigger"]),
    ("buildScaler: a type nobody knows", {"triggers": [{"type": "nonsense", "metadata": {}}]}, ["spec.triggers[0]: cannot be simulated: it knows triggers of type redis-streams"]),
    ("CRD: a trigger is a mapping", {"triggers": ["redis"]}, ["spec.triggers[0]: must be a mapping"]),
    ("CRD: metadata is a mapping", {"triggers": [{"type": "redis", "metadata": ["listName"]}]}, ["spec.triggers[0]: metadata must be a mapping"]),
    ("GetMetricTargetType: utilization metric type", {"triggers": [{**ANY, "metricType": "Utilization"}]}, ["spec.triggers[0]: metricType must be AverageValue or Value"]),
    ("CRD: fallback's numbers and behavior", {"fallback": {"failureThreshold": -1, "replicas": -1, "behavior": "sometimes"}}, ["spec.fallback.behavior: must be one of static, currentReplicas,", "spec.fallback.failureThreshold: must be", "spec.fallback.replicas: must be"]),
    ("validateScalingModifiersFormula: formula is given but target is empty", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "a + 1"}}}, ["spec.advanced.scalingModifiers.target: must be a number above 0"]),
    ("ValidateAndCompileScalingModifiers: Formula is mandatory", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"target": "1"}}}, ["spec.advanced.scalingModifiers.formula: is needed"]),
    ("ValidateAndCompileScalingModifiers: an empty formula", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "", "target": "1"}}}, ["spec.advanced.scalingModifiers.formula: is needed"]),
    ("validateScalingModifiersTarget: a target without an end", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "a", "target": "inf"}}}, ["spec.advanced.scalingModifiers.target: must be"]),
    ("validateScalingModifiersFormula: tried with -1", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "1 % (int(a) + 1)", "target": "1"}}}, ["spec.advanced.scalingModifiers.formula: integer divide by zero"]),
    ("CRD: an idle count below zero", {"idleReplicaCount": -1, "minReplicaCount": 1}, ["spec.idleReplicaCount: must be a whole number from 0"]),
    ("validateScalingModifiersTarget: a target of 0, and one that is no string", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "a", "target": "0"}}}, ["spec.advanced.scalingModifiers.target: must be"]),
    ("validateScalingModifiersTarget: Utilization", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "a", "target": "1", "metricType": "Utilization", "activationTarget": "x"}}}, ["spec.advanced.scalingModifiers.activationTarget: must be a number", "spec.advanced.scalingModifiers.metricType: must be AverageValue or Value"]),
    ("webhook: shouldnt validate a formula whose trigger has no name", {"triggers": [ANY], "advanced": {"scalingModifiers": {"formula": "workload_trig + cron_trig", "target": "2"}}}, ["spec.advanced.scalingModifiers.formula: 'workload_trig + cron_trig' names 'workload_trig', which no trigger is called"]),
    ("validateScalingModifiersFormula: CPU is no part of a formula", {"triggers": [{**CPU, "name": "a"}], "advanced": {"scalingModifiers": {"formula": "a", "target": "2"}}}, ["spec.advanced.scalingModifiers.formula: 'a' names 'a'"]),
    ("validateHPAScalingRules: a behavior the API server refuses", {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"selectPolicy": "Sometimes"}}}}}, ["spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.selectPolicy: must be Max, Min or Disabled"]),
]
REFUSED_ANNOTATIONS = ("TestGetPausedReplicaCount: invalid string annotation", {_REPLICAS: "not-a-number"}, ["metadata.annotations[autoscaling.keda.sh/paused-replicas]: must be a whole number"])

# Columns: source (controllers/keda/hpa.go), spec, annotations, metrics as (source, type, target, name), select policies
# of (up, down), None where there is no behavior.
_TWO = [{**ANY, "name": "one"}, CPU, MEMORY, {**ANY, "name": "two", "metricType": "Value"}]
_CONTAINER = {**CPU, "metadata": {"value": "50", "containerName": "foo"}}
_BEHAVIOR = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"selectPolicy": "Min", "stabilizationWindowSeconds": 60}}}}
HPAS: list[tuple[Any, ...]] = [
    ("newHPAForScaledObject: no behavior", {"triggers": [ANY]}, {}, [("External", "AverageValue", 10_000, "s0-prometheus")], None),
    ("newHPAForScaledObject: the behavior is copied", {"triggers": [ANY], "advanced": _BEHAVIOR}, {}, [("External", "AverageValue", 10_000, "s0-prometheus")], ("Max", "Min")),
    ("newHPAForScaledObject: paused scale in makes a behavior", {"triggers": [ANY]}, {_IN: "true"}, [("External", "AverageValue", 10_000, "s0-prometheus")], ("Max", "Disabled")),
    ("newHPAForScaledObject: paused scale out", {"triggers": [ANY], "advanced": _BEHAVIOR}, {_OUT: "true"}, [("External", "AverageValue", 10_000, "s0-prometheus")], ("Disabled", "Min")),
    ("newHPAForScaledObject: paused both ways", {"triggers": [ANY], "advanced": _BEHAVIOR}, {_IN: "x", _OUT: "x"}, [("External", "AverageValue", 10_000, "s0-prometheus")], ("Disabled", "Disabled")),
    ("getScaledObjectMetricSpecs: sorted by type", {"triggers": _TWO}, {}, [("External", "AverageValue", 10_000, "s0-prometheus"), ("External", "Value", 10_000, "s3-prometheus"), ("Resource", "Utilization", 50, "cpu"), ("Resource", "AverageValue", 1024**3 * 1000, "memory")], None),
    ("getScaledObjectMetricSpecs: composite metric in place of all external ones", {"triggers": _TWO, "advanced": {"scalingModifiers": {"formula": "one + two", "target": "2.5"}}}, {}, [("Resource", "Utilization", 50, "cpu"), ("Resource", "AverageValue", 1024**3 * 1000, "memory"), ("External", "AverageValue", 2_500, "composite-metric")], None),
    ("getScaledObjectMetricSpecs: composite metric of type Value", {"triggers": [_NAMED], "advanced": {"scalingModifiers": {"formula": "a", "target": "3", "metricType": "Value"}}}, {}, [("External", "Value", 3_000, "composite-metric")], None),
    ("TestGetContainerMetricSpecForScaling", {"triggers": [ANY, _CONTAINER]}, {}, [("ContainerResource", "Utilization", 50, "cpu"), ("External", "AverageValue", 10_000, "s0-prometheus")], None),
    ("getScaledObjectMetricSpecs: a formula drops a container's metric", {"triggers": [_NAMED, _CONTAINER], "advanced": _FORMULA}, {}, [("External", "AverageValue", 1_000, "composite-metric")], None),
    ("handlePause: the HPA is deleted", {"triggers": [ANY]}, {_PAUSED: "true"}, None, None),
]
