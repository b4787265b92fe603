"""Bounds, rate limits and the events they count.

Source: kubernetes pkg/controller/podautoscaler/horizontal_test.go, test and case name; rows that name a function are
edges of horizontal.go (sections 5.1 to 5.3 of the controller's rules). Upstream spreads events evenly over the last
120 s: three events are 100, 60 and 20 s old, four are 105, 75, 45 and 15 s old, one is 60 s old. A policy is
(kind, value, period in seconds).
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

MAX32, MIN32 = 2**31 - 1, -(2**31)

C = "TestConvertDesiredReplicasWithRules: "
R = "convertDesiredReplicasWithRules: "
# Without behavior. source, factor of the limit, current, desired, min, max, expected, reason
WITHOUT_BEHAVIOR = [
    (C + "prenormalized desired replicas within range", 8, 5, 7, 3, 8, 7, "DesiredWithinRange"),
    (C + "prenormalized desired replicas < minReplicas", 8, 3, 1, 2, 8, 2, "TooFewReplicas"),
    (C + "prenormalized desired zeroed replicas within range", 8, 1, 0, 0, 10, 0, "DesiredWithinRange"),
    (C + "maxReplicas is the limit because maxReplicas < scaleUpLimit", 8, 20, 1000, 1, 10, 10, "TooManyReplicas"),
    (C + "scaleUpLimit is the limit because scaleUpLimit < maxReplicas", 8, 3, 1000, 1, 2000, 24, "ScaleUpLimit"),
    (R + "at least 4", 2, 1, 50, 1, 100, 4, "ScaleUpLimit"),
    (R + "at least 4, from zero", 2, 0, 50, 0, 100, 4, "ScaleUpLimit"),
    (R + "twice 2 is the same 4", 2, 2, 50, 1, 100, 4, "ScaleUpLimit"),
    (R + "twice 3 is more", 2, 3, 50, 1, 100, 6, "ScaleUpLimit"),
    (R + "the cap reached exactly is no limit", 2, 3, 6, 1, 100, 6, "DesiredWithinRange"),
    (R + "the cap equal to the maximum: the maximum is named", 2, 3, 50, 1, 6, 6, "TooManyReplicas"),
    (R + "the maximum reached exactly", 2, 3, 6, 1, 6, 6, "DesiredWithinRange"),
    (R + "the minimum reached exactly", 2, 9, 2, 2, 10, 2, "DesiredWithinRange"),
    (R + "the minimum wins over the cap", 2, 1, 3, 9, 100, 9, "TooFewReplicas"),
    (R + "shrinking is not limited", 2, 1000, 1, 1, 2000, 1, "DesiredWithinRange"),
    (R + "a fractional factor is truncated", 1.5, 5, 50, 1, 100, 7, "ScaleUpLimit"),
]

L = "TestCalculateScaleUpLimitWithScalingRules"
M = "TestCalculateScaleDownLimitWithBehaviors"
U = "calculateScaleUpLimitWithScalingRules: "
D = "calculateScaleDownLimitWithBehaviors: "
_TWO_OR_HALF = (("Pods", 2, 60), ("Percent", 50, 60))
# source, direction, select, policies, current, up events (change, age s), down events, expected
RATE = [
    (L, "up", "Min", _TWO_OR_HALF, 1, (), (), 2),
    (M, "down", "Min", _TWO_OR_HALF, 5, (), (), 3),
    (U + "the larger of the two", "up", "Max", _TWO_OR_HALF, 1, (), (), 3),
    (U + "the larger of the two, by per cent", "up", "Max", _TWO_OR_HALF, 10, (), (), 15),
    (U + "the smaller of the two, by pods", "up", "Min", _TWO_OR_HALF, 10, (), (), 12),
    (U + "disabled", "up", "Disabled", _TWO_OR_HALF, 10, (), (), 10),
    (U + "rounded up", "up", "Max", (("Percent", 1, 60),), 3, (), (), 4),
    (U + "per cent of none is none", "up", "Max", (("Percent", 100, 60),), 0, (), (), 0),
    (U + "growth of the period is taken off", "up", "Max", (("Pods", 4, 60),), 10, ((3, 30),), (), 11),
    (U + "shrinking of the period is put back", "up", "Max", (("Pods", 4, 60),), 10, (), ((3, 30),), 17),
    (U + "both at once", "up", "Max", (("Pods", 4, 60),), 10, ((5, 1),), ((2, 59),), 11),
    (U + "an event one period old is free", "up", "Max", (("Pods", 4, 60),), 10, ((3, 60),), (), 14),
    (U + "a microsecond younger is not", "up", "Max", (("Pods", 4, 60),), 10, ((3, 59.999999),), (), 11),
    (U + "each policy has its own period", "up", "Max", (("Pods", 1, 60), ("Percent", 100, 15)), 10, ((4, 30),), (), 20),
    (U + "each policy has its own period, smaller", "up", "Min", (("Pods", 1, 60), ("Percent", 100, 15)), 10, ((4, 30),), (), 7),
    (U + "order of the doubles: 10 x 1.1 is 11", "up", "Max", (("Percent", 10, 60),), 10, (), (), 11),
    (U + "order of the doubles: 100 x 1.1 is 110.00000000000001", "up", "Max", (("Percent", 10, 60),), 100, (), (), 111),
    (U + "order of the doubles: 20 x 1.15", "up", "Max", (("Percent", 15, 60),), 20, (), (), 23),
    (U + "a huge Pods policy wraps int32", "up", "Max", (("Pods", MAX32, 60),), 1, (), (), MIN32),
    (U + "a huge Pods policy that just fits", "up", "Max", (("Pods", MAX32 - 1, 60),), 1, (), (), MAX32),
    (U + "a huge Percent policy leaves int32 (amd64)", "up", "Max", (("Percent", MAX32, 60),), 1000, (), (), MIN32),
    (U + "a wrapped policy loses against a sound one", "up", "Max", (("Pods", MAX32, 60), ("Pods", 1, 60)), 10, (), (), 11),
    (D + "the larger change is the smaller count", "down", "Max", _TWO_OR_HALF, 10, (), (), 5),
    (D + "the larger change by pods", "down", "Max", _TWO_OR_HALF, 3, (), (), 1),
    (D + "disabled", "down", "Disabled", _TWO_OR_HALF, 10, (), (), 10),
    (D + "truncated", "down", "Max", (("Percent", 1, 60),), 3, (), (), 2),
    (D + "all of it", "down", "Max", (("Percent", 100, 60),), 7, (), (), 0),
    (D + "more than all of it", "down", "Max", (("Percent", 150, 60),), 7, (), (), -3),
    (D + "order of the doubles: 10 x 0.9", "down", "Max", (("Percent", 10, 60),), 10, (), (), 9),
    (D + "order of the doubles: 100 x 0.07 is 6.999999999999995", "down", "Max", (("Percent", 93, 60),), 100, (), (), 6),
    (D + "shrinking of the period is put back", "down", "Max", (("Pods", 4, 60),), 10, (), ((3, 30),), 9),
    (D + "growth of the period is taken off", "down", "Max", (("Pods", 4, 60),), 10, ((3, 30),), (), 3),
    (D + "an event one period old is free", "down", "Max", (("Pods", 4, 60),), 10, (), ((3, 60),), 6),
    (D + "a microsecond younger is not", "down", "Max", (("Pods", 4, 60),), 10, (), ((3, 59.999999),), 9),
    (D + "below int32 wraps", "down", "Max", (("Pods", MAX32, 60),), 0, ((5, 1),), (), MAX32 - 3),
    (D + "below int32 leaves int32 (amd64)", "down", "Max", (("Percent", MAX32, 60),), 1000, (), (), MIN32),
]

S = "TestScalingWithRules: "
V = "convertDesiredReplicasWithBehaviorRate: "
_THREE = ((1, 100), (5, 60), (9, 20))
_FOUR = ((8, 105), (12, 75), (9, 45), (11, 15))


def _pods(value: int, period: int = 60) -> tuple[tuple[str, int, int], ...]:
    return (("Pods", value, period),)


def _percent(value: int, period: int = 60) -> tuple[tuple[str, int, int], ...]:
    return (("Percent", value, period),)


# With behavior. source, up policies or None (default), down policies, up events, down events, current, desired, min, max, expected, reason
WITH_BEHAVIOR = [
    (S + "prenormalized desired replicas within range", None, None, (), (), 5, 7, 3, 8, 7, "DesiredWithinRange"),
    (S + "prenormalized desired replicas < minReplicas", None, None, (), (), 3, 1, 2, 8, 2, "TooFewReplicas"),
    (S + "prenormalized desired replicas within range when minReplicas is 0", None, None, (), (), 1, 0, 0, 10, 0, "DesiredWithinRange"),
    (S + "maxReplicas is the limit because maxReplicas < scaleUpLimit", None, None, (), (), 20, 1000, 1, 10, 10, "TooManyReplicas"),
    (S + "desired replica count is more than the maximum replica count", None, None, (), (), 100, 1000, 100, 150, 150, "TooManyReplicas"),
    (S + "scaleUpLimit is the limit because scaleUpLimit < maxReplicas with user policies", _percent(1), None, (), (), 3, 1000, 1, 2000, 4, "ScaleUpLimit"),
    (S + "scaleDownLimit is the limit because scaleDownLimit > minReplicas with user defined policies", None, _pods(20), (), (), 1000, 3, 3, 2000, 980, "ScaleDownLimit"),
    (S + "scaleUp with default behavior", None, None, (), (), 10, 50, 1, 1000, 20, "ScaleUpLimit"),
    (S + "scaleUp with pods policy larger than percent policy", _pods(100) + _percent(100), None, (), (), 10, 500, 1, 1000, 110, "ScaleUpLimit"),
    (S + "scaleUp with percent policy larger than pods policy", _pods(2) + _percent(100), None, (), (), 10, 500, 1, 1000, 20, "ScaleUpLimit"),
    (S + "scaleUp with spec MaxReplicas limitation with large pod policy", _pods(100), None, (), (), 10, 50, 1, 1000, 50, "DesiredWithinRange"),
    (S + "scaleUp with spec MaxReplicas limitation with large percent policy", _pods(10000), None, (), (), 10, 50, 1, 1000, 50, "DesiredWithinRange"),
    (S + "scaleUp with pod policy limitation", _pods(30), None, (), (), 10, 50, 1, 1000, 40, "ScaleUpLimit"),
    (S + "scaleUp with percent policy limitation", _percent(200), None, (), (), 10, 50, 1, 1000, 30, "ScaleUpLimit"),
    (S + "scaleDown with percent policy larger than pod policy", None, _pods(20) + _percent(1), (), (), 100, 2, 1, 1000, 80, "ScaleDownLimit"),
    (S + "scaleDown with pod policy larger than percent policy", None, _pods(2) + _percent(1), (), (), 100, 2, 1, 1000, 98, "ScaleDownLimit"),
    (S + "scaleDown with spec MinReplicas=nil limitation with large pod policy", None, _pods(100), (), (), 10, 0, 1, 1000, 1, "TooFewReplicas"),
    (S + "scaleDown with spec MinReplicas limitation with large percent policy", None, _percent(100), (), (), 10, 2, 5, 1000, 5, "TooFewReplicas"),
    (S + "scaleDown with pod policy limitation", None, _pods(5), (), (), 10, 2, 1, 1000, 5, "ScaleDownLimit"),
    (S + "scaleDown with percent policy limitation", None, _percent(50), (), (), 10, 5, 1, 1000, 5, "DesiredWithinRange"),
    (S + "scaleUp with spec MaxReplicas limitation with large pod policy and events", _pods(300), None, _THREE, (), 100, 500, 1, 200, 200, "TooManyReplicas"),
    (S + "scaleUp with spec MaxReplicas limitation with large percent policy and events", _percent(10000), None, _THREE, (), 100, 500, 1, 200, 200, "TooManyReplicas"),
    (S + "scaleUp with currentReplicas limitation with rate.PeriodSeconds with a lot of recent scale up events", _pods(5, 120), None, _THREE, (), 100, 500, 1, 1000, 100, "ScaleUpLimit"),
    (S + "scaleUp with pod policy and previous scale up events", _pods(150, 120), None, _THREE, (), 100, 500, 1, 1000, 235, "ScaleUpLimit"),
    (S + "scaleUp with percent policy and previous scale up events", _percent(200, 120), None, _THREE, (), 100, 500, 1, 1000, 255, "ScaleUpLimit"),
    (S + "scaleUp with percent policy and previous scale up and down events", _percent(300, 300), None, ((4, 60),), ((2, 60),), 6, 24, 1, 1000, 16, "ScaleUpLimit"),
    (S + "scaleDown with default policy and previous events", None, None, (), _THREE, 10, 5, 1, 1000, 5, "DesiredWithinRange"),
    (S + "scaleDown with spec MinReplicas=nil limitation with large pod policy and previous events", None, _pods(115, 120), (), _THREE, 100, 0, 1, 1000, 1, "TooFewReplicas"),
    (S + "scaleDown with spec MinReplicas limitation with large pod policy and previous events", None, _pods(130, 120), (), _THREE, 100, 0, 5, 1000, 5, "TooFewReplicas"),
    (S + "scaleDown with spec MinReplicas limitation with large percent policy and previous events", None, _percent(100, 120), (), _THREE, 100, 2, 5, 1000, 5, "TooFewReplicas"),
    (S + "scaleDown with pod policy limitation and previous events", None, _pods(5, 120), (), _THREE, 100, 2, 1, 1000, 100, "ScaleDownLimit"),
    (S + "scaleDown with percent policy limitation and previous events", None, _percent(50, 120), (), ((2, 100), (4, 60), (6, 20)), 100, 0, 1, 1000, 56, "ScaleDownLimit"),
    (S + "scaleDown with percent policy and previous scale up and down events", None, _percent(50, 180), ((2, 60),), ((4, 60),), 10, 1, 1, 1000, 6, "ScaleDownLimit"),
    (S + "scaleDown with previous events preventing further scale down", None, _percent(10, 120), (), ((10, 100), (10, 60), (10, 20)), 100, 0, 1, 1000, 100, "ScaleDownLimit"),
    (S + "scaleDown with with previous events still allowing more scale down", None, _percent(1000, 120), (), ((10, 100), (10, 60), (10, 20)), 10, 5, 1, 1000, 5, "DesiredWithinRange"),
    (S + "check 'outdated' flag for events for one behavior for up", _pods(1000), None, _FOUR, (), 100, 200, 1, 1000, 200, "DesiredWithinRange"),
    (S + "check that events were not marked 'outdated' for two different policies in the behavior for up", _pods(1000, 120) + _percent(100), None, _FOUR, (), 100, 200, 1, 1000, 200, "DesiredWithinRange"),
    (S + "check that events were marked 'outdated' for two different policies in the behavior for up", _pods(1000, 30) + _percent(100), None, _FOUR, (), 100, 200, 1, 1000, 200, "DesiredWithinRange"),
    (S + "check 'outdated' flag for events for one behavior for down", None, _pods(1000), (), _FOUR, 100, 5, 1, 1000, 5, "DesiredWithinRange"),
    (S + "check that events were not marked 'outdated' for two different policies in the behavior for down", None, _pods(1000, 120) + _percent(100), (), _FOUR, 100, 5, 1, 1000, 5, "DesiredWithinRange"),
    (S + "check that events were marked 'outdated' for two different policies in the behavior for down", None, _pods(1000, 30) + _percent(100), (), _FOUR, 100, 5, 1, 1000, 5, "DesiredWithinRange"),
    (V + "from 1 the default lets it grow to 5", None, None, (), (), 1, 50, 1, 100, 5, "ScaleUpLimit"),
    (V + "from 0 the default lets it grow to 4", None, None, (), (), 0, 50, 0, 100, 4, "ScaleUpLimit"),
    (V + "nothing to do is within range, above the maximum too", None, None, (), (), 12, 12, 1, 10, 12, "DesiredWithinRange"),
    (V + "the minimum does not bind a growing count", None, None, (), (), 1, 3, 4, 100, 3, "DesiredWithinRange"),
    (V + "the maximum does not bind a shrinking count", None, None, (), (), 20, 15, 1, 10, 15, "DesiredWithinRange"),
    (V + "rate limit equal to the maximum: the maximum is named", _pods(5), None, (), (), 5, 50, 1, 10, 10, "TooManyReplicas"),
    (V + "rate limit one below the maximum", _pods(4), None, (), (), 5, 50, 1, 10, 9, "ScaleUpLimit"),
    (V + "the limit reached exactly", _pods(4), None, (), (), 5, 9, 1, 10, 9, "DesiredWithinRange"),
    (V + "rate limit equal to the minimum: the minimum is named", None, _pods(5), (), (), 10, 1, 5, 100, 5, "TooFewReplicas"),
    (V + "rate limit one above the minimum", None, _pods(4), (), (), 10, 1, 5, 100, 6, "ScaleDownLimit"),
    (V + "the lower limit reached exactly", None, _pods(4), (), (), 10, 6, 5, 100, 6, "DesiredWithinRange"),
    (V + "a limit below current never forces it down", _pods(1, 120), None, ((9, 10),), (), 10, 11, 1, 100, 10, "ScaleUpLimit"),
    (V + "a limit above current never forces it up", None, _pods(1, 120), (), ((9, 10),), 10, 9, 1, 100, 10, "ScaleDownLimit"),
]

E = "TestStoreScaleEvents: "
K = "storeScaleEvent: "
_BOTH = _pods(10) + _percent(100)
# source, policies or None (no behavior), events before (change, age s), change, expected (change, outdated), change counted over 60 s before
EVENTS = [
    (E + "empty entries with default behavior", None, (), 5, (), 0),
    (E + "empty entries with two-policy-behavior", _BOTH, (), 5, ((5, False),), 0),
    (E + "one outdated entry to be kept untouched without behavior", None, ((7, 61),), 5, ((7, False),), 0),
    (E + "one outdated entry to be replaced with behavior", _BOTH, ((7, 61),), 5, ((5, False),), 0),
    (E + "one actual entry to be not touched with behavior", _BOTH, ((7, 58),), 5, ((7, False), (5, False)), 7),
    (E + "two entries, one of them to be replaced", _pods(10), ((7, 61), (6, 59)), 5, ((5, False), (6, False)), 6),
    (E + "replace one entry, use policies with different periods", _pods(10) + _percent(100, 30), ((8, 29), (6, 59), (7, 61), (9, 61)), 5, ((8, False), (6, False), (7, True), (5, False)), 14),
    (E + "two entries, both actual", _pods(10, 120) + _percent(100, 30), ((7, 58), (6, 59)), 5, ((7, False), (6, False), (5, False)), 13),
    (K + "an entry exactly one period old is kept", _pods(10), ((7, 60),), 5, ((7, False), (5, False)), 0),
    (K + "a microsecond older is replaced", _pods(10), ((7, 60.000001),), 5, ((5, False),), 0),
]
