"""Why the number of pods is what it is, in a sentence: which metric, and what window, policy or bound made of it."""

from __future__ import annotations

import pytest

from ebbtide.capacity.hpa import Controller, History, MetricFailure, PodSamples, Scale
from ebbtide.capacity.hpa.manifest import read_manifest
from ebbtide.capacity.words import explain_decision

_CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
}
_BACKLOG = {
    "type": "External",
    "external": {"metric": {"name": "backlog"}, "target": {"type": "AverageValue", "averageValue": "8"}},
}
_IDLE = PodSamples(ready=4, ready_usage_milli=120, ready_request_milli=400)
_ONE_A_MINUTE = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
_AT_ONCE = {"stabilizationWindowSeconds": 0}
_GONE = MetricFailure("gone")
_CPU_IS_LOW = "cpu is at 0.50 of its target of 60 % and asks for 2"
_BACKLOG_IS_LOW = "backlog is at 0.25 of its target of 8 and asks for 1"
_BACKLOG_IS_HIGH = "backlog is at 1.50 of its target of 8 and asks for 6"


@pytest.mark.parametrize(
    ("behavior", "metrics", "seen", "told"),
    [
        ({}, [_CPU], [_IDLE], [_CPU_IS_LOW, "the stabilization window makes it 4", "stays at 4"]),
        ({}, [_CPU, _BACKLOG], [_IDLE, 48_000], [_BACKLOG_IS_HIGH, "cpu asks for 2", "4 → 6"]),
        ({}, [_BACKLOG, _CPU], [48_000, _GONE], [_BACKLOG_IS_HIGH, "cpu could not be read", "4 → 6"]),
        ({}, [_BACKLOG], [_GONE], ["no metric (external metric backlog: gone): the number stays at 4"]),
        ({"scaleUp": _ONE_A_MINUTE}, [_BACKLOG], [48_000],
         [_BACKLOG_IS_HIGH, "the limit on scaling up (ScaleUpLimit) makes it 5", "4 → 5"]),
        ({"scaleDown": {**_ONE_A_MINUTE, **_AT_ONCE}}, [_BACKLOG], [8_000],
         [_BACKLOG_IS_LOW, "the limit on scaling down (ScaleDownLimit) makes it 3", "4 → 3"]),
        ({"scaleDown": _AT_ONCE}, [_BACKLOG], [8_000],
         [_BACKLOG_IS_LOW, "minReplicas (TooFewReplicas) makes it 2", "4 → 2"]),
        ({}, [_BACKLOG], [80_000],
         ["backlog is at 2.50 of its target of 8 and asks for 10", "maxReplicas (TooManyReplicas) makes it 7",
          "4 → 7"]),
    ],
)  # fmt: skip
def test_a_decision_is_told_with_all_that_it_stands_on(behavior, metrics, seen, told):
    spec = read_manifest(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "spec": {"minReplicas": 2, "maxReplicas": 7, "metrics": metrics, "behavior": behavior},
        }
    )
    decision = Controller(spec).sync(History(), 0, Scale(4, 4), None, seen)
    assert explain_decision(decision, spec.metrics) == "; ".join(told)
