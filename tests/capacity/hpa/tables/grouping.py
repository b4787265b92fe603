"""Which class a pod is in. Source: kubernetes replica_calculator_test.go TestGroupPods (case names), CPU initialisation
period 120 s, readiness delay 10 s; rows of `groupPods` are the edges of its comparisons.

Columns: source, resource, pods, expected ready, unready, missing, ignored. A pod: phase, Ready condition, age of its
last transition, age of the pod (None: no start time), sample (None, or its age and window), deleted. Ages in seconds.
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

T = "TestGroupPods: "
G = "groupPods: "
LONG_AGO = 10**6

GROUPS = [
    (T + "void", "cpu", [], 0, 0, 0, 0),
    (T + "count in a ready pod - memory", "memory", [("Succeeded", None, 0, None, (0, 60), False)], 1, 0, 0, 0),
    (T + "unready a pod without ready condition - CPU", "cpu", [("Succeeded", None, 0, 0, (LONG_AGO, 0), False)], 0, 1, 0, 0),
    (T + "count in a ready pod with fresh metrics during initialization period - CPU", "cpu", [("Succeeded", "True", 30, 60, (0, 30), False)], 1, 0, 0, 0),
    (T + "unready a ready pod without fresh metrics during initialization period - CPU", "cpu", [("Succeeded", "True", 30, 60, (0, 60), False)], 0, 1, 0, 0),
    (T + "unready an unready pod during initialization period - CPU", "cpu", [("Succeeded", "False", 594, 600, (LONG_AGO, 0), False)], 0, 1, 0, 0),
    (T + "count in a ready pod without fresh metrics after initialization period - CPU", "cpu", [("Succeeded", "True", 180, 180, (120, 60), False)], 1, 0, 0, 0),
    (T + "count in an unready pod that was ready after initialization period - CPU", "cpu", [("Succeeded", "False", 540, 600, (LONG_AGO, 0), False)], 1, 0, 0, 0),
    (T + "unready pod that has never been ready after initialization period - CPU", "cpu", [("Succeeded", "False", 590, 600, (LONG_AGO, 0), False)], 1, 0, 0, 0),
    (T + "a missing pod", "cpu", [("Succeeded", None, 0, 180, None, False)], 0, 0, 1, 0),
    (T + "several pods", "cpu", [("Succeeded", None, 0, 0, (LONG_AGO, 0), False), ("Succeeded", "True", 180, 180, (LONG_AGO, 0), False), ("Succeeded", None, 0, 180, None, False)], 1, 1, 1, 0),
    (T + "pending pods are unreadied", "cpu", [("Pending", None, 0, None, None, False)], 0, 1, 0, 0),
    (T + "ignore pods with deletion timestamps", "cpu", [("Pending", None, 0, None, (LONG_AGO, 0), True)], 0, 0, 0, 1),
    (T + "ignore pods in a failed state", "cpu", [("Failed", None, 0, None, (LONG_AGO, 0), False)], 0, 0, 0, 1),
    (G + "no start time - CPU", "cpu", [("Running", "True", 0, None, (0, 0), False)], 0, 1, 0, 0),
    (G + "exactly at the end of the initialisation period it counts", "cpu", [("Running", "False", 60, 120, (LONG_AGO, 0), False)], 1, 0, 0, 0),
    (G + "a second before it does not", "cpu", [("Running", "False", 60, 119, (0, 0), False)], 0, 1, 0, 0),
    (G + "a sample exactly one window after ready is fresh", "cpu", [("Running", "True", 30, 60, (0, 30), False)], 1, 0, 0, 0),
    (G + "one second less is stale", "cpu", [("Running", "True", 29, 60, (0, 30), False)], 0, 1, 0, 0),
    (G + "not ready within the period, fresh sample", "cpu", [("Running", "False", 100, 110, (0, 30), False)], 0, 1, 0, 0),
    (G + "Unknown is not False: fresh sample within the period", "cpu", [("Running", "Unknown", 100, 110, (0, 30), False)], 1, 0, 0, 0),
    (G + "Unknown is not False: after the period", "cpu", [("Running", "Unknown", 600, 600, (0, 30), False)], 1, 0, 0, 0),
    (G + "went unready exactly after the readiness delay: it was ready once", "cpu", [("Running", "False", 590, 600, (0, 30), False)], 1, 0, 0, 0),
    (G + "went unready a second before: never ready", "cpu", [("Running", "False", 591, 600, (0, 30), False)], 0, 1, 0, 0),
    (G + "memory of an unready pod counts in full", "memory", [("Running", "False", 0, 0, (0, 30), False)], 1, 0, 0, 0),
    (G + "memory of a pending pod does not", "memory", [("Pending", "False", 0, 0, (0, 30), False)], 0, 1, 0, 0),
    (G + "a failed pod that is being deleted is ignored once", "cpu", [("Failed", "False", 0, 0, None, True)], 0, 0, 0, 1),
    (G + "phase Unknown counts by its sample", "cpu", [("Unknown", "True", 600, 600, (0, 30), False)], 1, 0, 0, 0),
    (G + "a Succeeded pod without a sample is missing up to 1.37 (kubernetes#141298)", "memory", [("Succeeded", "False", 60, 600, None, False)], 0, 0, 1, 0),
]

# getReadyPodsCount: pods, listed, Running and Ready. Deletion is not looked at.
READY = [
    ("getReadyPodsCount: none", [], 0, 0),
    ("getReadyPodsCount: running and ready", [("Running", "True", 0, 0, None, False)], 1, 1),
    ("getReadyPodsCount: being deleted counts", [("Running", "True", 0, 0, None, True)], 1, 1),
    ("getReadyPodsCount: not ready", [("Running", "False", 0, 0, None, False)], 1, 0),
    ("getReadyPodsCount: Unknown", [("Running", "Unknown", 0, 0, None, False)], 1, 0),
    ("getReadyPodsCount: no condition", [("Running", None, 0, 0, None, False)], 1, 0),
    ("getReadyPodsCount: pending", [("Pending", "True", 0, 0, None, False)], 1, 0),
    ("getReadyPodsCount: succeeded", [("Succeeded", "True", 0, 0, None, False)], 1, 0),
]
