"""Object and External metrics: `value` targets (ready pods) and `averageValue` targets (status.replicas).

Source of the first rows: kubernetes pkg/controller/podautoscaler/replica_calculator_test.go, test and case name. Rows
that name a function instead are edges of replica_calculator.go that upstream's tests leave open.

VALUE: source, kind, minor, spec replicas, pods listed and ready, target, series, tolerances, proposal, value.
AVERAGE: source, kind, minor, status replicas, target, series, tolerances, proposal, value per pod.
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

MAX32, MIN32, MAX64 = 2**31 - 1, -(2**31), 2**63 - 1
_10 = (0.1, 0.1)
_UP_1 = (0.1, 0.01)

OBJ = "TestReplicaCalcObjectMetric: "
E = "TestReplicaCalcExternalMetric: "
OP = "TestReplicaCalcObjectPerPodMetric: "
EP = "TestReplicaCalcExternalPerPodMetric: "
U = "getUsageRatioReplicaCount: "
G = "GetExternalPerPodMetricReplicas: "

VALUE = [
    (OBJ + "scale up", "Object", 37, 3, (3, 3), 15000, 20000, _10, 4, 20000),
    (OBJ + "scale up: very large metric saturates replicas to MaxInt32", "Object", 37, 3, (3, 3), 1, MAX64, _10, MAX32, MAX64),
    (OBJ + "scale up: ignores unready pods", "Object", 37, 3, (3, 1), 10000, 50000, _10, 5, 50000),
    (OBJ + "scale down", "Object", 37, 5, (5, 5), 20000, 12000, _10, 3, 12000),
    (OBJ + "within default tolerance", "Object", 37, 3, (3, 3), 20000, 20666, _10, 3, 20666),
    (OBJ + "outside configurable 1% tolerance", "Object", 37, 3, (3, 3), 20000, 20666, _UP_1, 4, 20666),
    (E + "scale down: ignores unready pods (would otherwise scale up)", "External", 37, 3, (3, 1), 4400, (8600,), _10, 2, 8600),
    (E + "scale down", "External", 37, 5, (5, 5), 14334, (8600,), _10, 3, 8600),
    (E + "within default tolerance", "External", 37, 3, (3, 3), 8888, (8600,), _10, 3, 8600),
    (E + "outside configurable 1% tolerance", "External", 37, 3, (3, 3), 8800, (8900,), _UP_1, 4, 8900),
    (E + "usage overflow caps at MaxInt64", "External", 37, 3, (3, 3), MAX64, (MAX64 // 2 + 1, MAX64 // 2 + 1), _10, 3, MAX64),
    (E + "the same sum wrapped up to 1.34 (kubernetes#133888)", "External", 34, 3, (3, 3), MAX64, (MAX64 // 2 + 1, MAX64 // 2 + 1), _10, -3, -(2**63)),
    (U + "from zero: no tolerance, no pods", "Object", 37, 0, (0, 0), 1000, 1000, _10, 1, 1000),
    (U + "from zero: rounded up", "Object", 37, 0, (0, 0), 15000, 20000, _10, 2, 20000),
    (U + "from zero: nothing stays zero", "External", 37, 0, (0, 0), 15000, (0,), _10, 0, 0),
    (U + "from zero beyond int32 is not capped", "External", 37, 0, (0, 0), 1, (MAX64,), _10, MIN32, MAX64),
    (U + "no pods listed is an error outside the band", "External", 37, 3, (0, 0), 1000, (5000,), _10, None, "no pods returned by selector"),
    (U + "no pods listed is none inside the band", "External", 37, 3, (0, 0), 1000, (1000,), _10, 3, 1000),
    (U + "no ready pod proposes zero", "External", 37, 3, (3, 0), 1000, (5000,), _10, 0, 5000),
    (U + "beyond int32 it wrapped up to 1.34 (kubernetes#126979)", "Object", 34, 3, (3, 3), 1, MAX64, _10, MIN32, MAX64),
    (U + "the largest proposal that fits", "Object", 37, 1, (1, 1), 1, MAX32, _10, MAX32, MAX32),
    (U + "the largest proposal that fits, before the cap", "Object", 34, 1, (1, 1), 1, MAX32, _10, MAX32, MAX32),
    (U + "one more wraps before the cap", "Object", 34, 1, (1, 1), 1, MAX32 + 1, _10, MIN32, MAX32 + 1),
    (U + "one more is capped since 1.35", "Object", 35, 1, (1, 1), 1, MAX32 + 1, _10, MAX32, MAX32 + 1),
    (U + "1.1 exactly holds since 1.33", "External", 33, 10, (10, 10), 1000, (1100,), _10, 10, 1100),
    (U + "1.1 exactly scaled up to 1.32", "External", 32, 10, (10, 10), 1000, (1100,), _10, 11, 1100),
    (U + "the older form includes its edge where doubles allow: 1.5 on 0.5", "External", 32, 10, (10, 10), 1000, (1500,), (0.5, 0.5), 10, 1500),
    (U + "0.9 exactly holds", "External", 32, 10, (10, 10), 1000, (900,), _10, 10, 900),
    (U + "0.899 does not", "External", 37, 10, (10, 10), 1000, (899,), _10, 9, 899),
    (U + "series are summed", "External", 37, 3, (3, 3), 1000, (1000, 500, 500), _10, 6, 2000),
    (U + "negative series are summed too", "External", 37, 3, (3, 3), 1000, (3000, -1000), _10, 6, 2000),
    (U + "a negative sum proposes a negative count", "External", 37, 3, (3, 3), 1000, (-2500,), _10, -7, -2500),
    (U + "a sum of exactly MaxInt64 is no overflow", "External", 37, 3, (3, 3), MAX64, (MAX64 - 5, 5, -MAX64), _10, 0, 0),
    (U + "positive overflow stops the sum", "External", 37, 3, (3, 3), MAX64, (MAX64, 1, -MAX64), _10, 3, MAX64),
    (U + "zero after the largest is no overflow", "External", 37, 3, (3, 3), MAX64, (MAX64, 0, -MAX64), _10, 0, 0),
]

AVERAGE = [
    (OP + "scale up", "Object", 37, 3, 5000, 20000, _10, 4, 6667),
    (OP + "scale down", "Object", 37, 5, 2000, 6000, _10, 3, 1200),
    (OP + "within default tolerance", "Object", 37, 4, 5000, 20166, _10, 4, 5042),
    (OP + "outside configurable 1% tolerance", "Object", 37, 4, 5000, 20208, _UP_1, 5, 5052),
    (EP + "replica count overflow saturates to MaxInt32", "External", 37, 1, 1, (MAX64,), _10, MAX32, MAX64),
    (EP + "usage overflow with huge target leaves replicas unchanged", "External", 37, 1, MAX64, (MAX64,), _10, 1, MAX64),
    (EP + "scale up", "External", 37, 3, 2150, (8600,), _10, 4, 2867),
    (EP + "scale down", "External", 37, 5, 2867, (8600,), _10, 3, 1720),
    (EP + "within default tolerance", "External", 37, 3, 2900, (8600,), _10, 3, 2867),
    (EP + "outside configurable 1% tolerance", "External", 37, 3, 2800, (8600,), _UP_1, 4, 2867),
    (G + "the proposal inside the band is status, not spec", "External", 37, 7, 1000, (7000,), _10, 7, 1000),
    (G + "no pods and work: no tolerance", "External", 37, 0, 1000, (1500,), _10, 2, 0),
    (G + "no pods and nothing: zero", "External", 37, 0, 1000, (0,), _10, 0, 0),
    (G + "no pods and one target's worth", "External", 37, 0, 1000, (1000,), _10, 1, 0),
    (G + "1.1 exactly holds since 1.33", "External", 33, 10, 1000, (11000,), _10, 10, 1100),
    (G + "1.1 exactly scaled up to 1.32", "External", 32, 10, 1000, (11000,), _10, 11, 1100),
    (G + "0.9 exactly holds since 1.33", "External", 33, 10, 1000, (9000,), _10, 10, 900),
    (G + "0.8999 does not hold", "External", 37, 10, 1000, (8999,), _10, 9, 900),
    (G + "the largest proposal that fits", "External", 34, 1, 1, (MAX32,), _10, MAX32, MAX32),
    (G + "one more is capped since 1.34 (kubernetes#127050)", "External", 34, 1, 1, (MAX32 + 1,), _10, MAX32, MAX32 + 1),
    (G + "one more wrapped up to 1.33: the largest backlog shrank it to the minimum", "External", 33, 1, 1, (MAX32 + 1,), _10, MIN32, MAX32 + 1),
    (G + "an overflowing sum is capped since 1.34", "External", 34, 1, MAX64, (MAX64, 1), _10, 1, MAX64),
    (G + "an overflowing sum wrapped up to 1.33", "External", 33, 1, MAX64, (MAX64, 1), _10, -1, -(2**63)),
    (G + "a negative sum is taken for an overflow since 1.34", "External", 34, 4, 1000, (-1000,), _10, MAX32, MAX64),
    (G + "the smallest negative sum too", "External", 34, 4, 1000, (-1,), _10, MAX32, MAX64),
    (G + "a negative sum proposed a negative count up to 1.33", "External", 33, 4, 1000, (-1000,), _10, -1, -250),
    ("GetObjectPerPodMetricReplicas: never capped up to 1.37", "Object", 37, 1, 1, MAX32 + 1, _10, MIN32, MAX32 + 1),
    ("GetObjectPerPodMetricReplicas: a negative value stays negative", "Object", 37, 4, 1000, -2000, _10, -2, -500),
    ("getPerPodUsage: rounded up", "Object", 37, 3, 1000, 9001, _10, 10, 3001),
    ("getPerPodUsage: a negative value is rounded up toward zero", "Object", 37, 3, 1000, -2000, _10, -2, -666),
    ("hpa 2.5: no pods, negative value", "Object", 37, 0, 1000, -2000, _10, -2, 0),
]
