"""The two stabilisation algorithms. Source: kubernetes horizontal_test.go, test and case name; rows that name a function
are the edges of its windows. A recommendation is (replicas, age in seconds).
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

N = "TestNormalizeDesiredReplicas: "
R = "stabilizeRecommendation: "
# Without behavior, window 300 s. source, remembered, proposal, expected, remembered afterwards
WITHOUT_BEHAVIOR = [
    (N + "empty log", (), 5, 5, (5,)),
    (N + "stabilize", ((4, 120), (5, 60)), 3, 5, (4, 5, 3)),
    (N + "no stabilize", ((1, 120), (2, 60)), 3, 3, (1, 2, 3)),
    (N + "no stabilize - old recommendations", ((10, 600), (9, 540)), 3, 3, (10, 3)),
    (N + "stabilize - old recommendations", ((10, 600), (4, 60), (5, 120), (9, 540)), 3, 5, (10, 4, 5, 3)),
    (R + "exactly as old as the window still counts", ((9, 300),), 3, 9, (9, 3)),
    (R + "a microsecond older does not", ((9, 300.000001),), 3, 3, (3,)),
    (R + "an equal one changes nothing", ((3, 10),), 3, 3, (3, 3)),
    (R + "growth is never held back", ((1, 10), (2, 20)), 8, 8, (1, 2, 8)),
    (R + "the last expired place is reused, before younger ones", ((9, 400), (8, 301), (2, 10)), 3, 3, (9, 3, 2)),
]

B = "TestNormalizeDesiredReplicasWithBehavior: "
W = "stabilizeRecommendationWithBehaviors: "
# source, up window s, down window s, remembered, current, proposal, expected, remembered afterwards
WITH_BEHAVIOR = [
    (B + "empty recommendations for scaling down", 0, 0, (), 100, 5, 5, (5,)),
    (B + "simple scale down stabilization", 0, 180, ((4, 120), (5, 60)), 100, 3, 5, (4, 5, 3)),
    (B + "simple scale up stabilization", 300, 0, ((4, 120), (5, 60)), 1, 7, 4, (4, 5, 7)),
    (B + "no scale down stabilization", 300, 0, ((1, 120), (2, 60)), 100, 3, 3, (1, 2, 3)),
    (B + "no scale up stabilization", 0, 300, ((4, 120), (5, 60)), 1, 3, 3, (4, 5, 3)),
    (B + "no scale down stabilization, reuse recommendation element", 0, 0, ((10, 600), (9, 540)), 100, 3, 3, (10, 3)),
    (B + "no scale up stabilization, reuse recommendation element", 0, 0, ((10, 600), (9, 540)), 1, 100, 100, (10, 100)),
    (B + "scale down stabilization, reuse one of obsolete recommendation element", 0, 180, ((10, 600), (4, 60), (5, 120), (9, 540)), 100, 3, 5, (10, 4, 5, 3)),
    (B + "scale up stabilization, reuse one of obsolete recommendation element", 300, 0, ((10, 6000), (6, 60), (5, 120), (9, 180)), 1, 100, 5, (100, 6, 5, 9)),
    (B + "scale up and down stabilization, do not scale up when prenormalized rec goes down", 300, 300, ((2, 6000), (3, 180)), 2, 1, 2, (1, 3)),
    (B + "scale up and down stabilization, do not scale down when prenormalized rec goes up", 300, 300, ((2, 6000), (1, 180)), 2, 3, 2, (3, 1)),
    (W + "exactly as old as the down window no longer counts", 0, 300, ((9, 300),), 9, 3, 3, (9, 3)),
    (W + "a microsecond younger counts", 0, 300, ((9, 299.999999),), 9, 3, 9, (9, 3)),
    (W + "exactly as old as the up window no longer counts", 60, 0, ((1, 60),), 1, 8, 8, (1, 8)),
    (W + "a microsecond younger counts for growth", 60, 0, ((1, 59.999999),), 1, 8, 1, (1, 8)),
    (W + "exactly as old as the longer window: the place is kept", 0, 300, ((9, 300),), 5, 5, 5, (9, 5)),
    (W + "a microsecond older: the place is reused", 0, 300, ((9, 300.000001),), 5, 5, 5, (5,)),
    (W + "older than one window only: the place is kept", 60, 300, ((9, 100),), 5, 5, 5, (9, 5)),
    (W + "the smallest of the up window", 300, 0, ((4, 10), (3, 20), (6, 30)), 1, 9, 3, (4, 3, 6, 9)),
    (W + "the largest of the down window", 0, 300, ((4, 10), (7, 20), (6, 30)), 9, 1, 7, (4, 7, 6, 1)),
    (W + "current inside the two limits stays", 300, 300, ((2, 10), (8, 20)), 5, 4, 5, (2, 8, 4)),
    (W + "a window of 0 remembers nothing of this instant", 0, 0, ((9, 0),), 9, 3, 3, (9, 3)),
    (W + "raw proposals are remembered, not stabilised ones", 0, 300, ((9, 10),), 9, 2, 9, (9, 2)),
]
