"""Every metric and every behavior of the settings, as `autoscaling/v2` spells it."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
from tests.manifests.kubernetes.examples import make_object

RESOURCES = {"cpu": {"request": "490m"}, "memory": {"request": "500Mi"}}
OBJECT = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "hooks"}
# Some metrics need other settings beside them that no case here is about.
CPU = {"kind": "cpu", "targetUtilization": 60}


def make_hpa(**scaling: Any) -> Any:
    autoscaling = {"kind": "hpa", "maxReplicas": 5, "metrics": [CPU], **scaling}
    hpa = make_object("HorizontalPodAutoscaler", {"autoscaling": autoscaling, "resources": RESOURCES})
    for version in ("1.34", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(hpa, version, strict=True)
    return hpa["spec"]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (
            CPU,
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
            },
        ),
        (
            {"kind": "cpu", "targetAverageValue": "0.3"},
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "300m"}},
            },
        ),
        (
            {"kind": "memory", "targetUtilization": 80},
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}},
            },
        ),
        (
            {"kind": "memory", "targetAverageValue": "1Gi"},
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
            },
        ),
        (
            {"kind": "containerCpu", "targetUtilization": 60},
            {
                "type": "ContainerResource",
                "containerResource": {
                    "container": "consumer",
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 60},
                },
            },
        ),
        (
            {"kind": "containerMemory", "container": "sidecar", "targetAverageValue": "300Mi"},
            {
                "type": "ContainerResource",
                "containerResource": {
                    "container": "sidecar",
                    "name": "memory",
                    "target": {"type": "AverageValue", "averageValue": "300Mi"},
                },
            },
        ),
        (
            {"kind": "pods", "metric": "busy", "targetAverageValue": "0.5"},
            {
                "type": "Pods",
                "pods": {"metric": {"name": "busy"}, "target": {"type": "AverageValue", "averageValue": "500m"}},
            },
        ),
        (
            {"kind": "object", "metric": "hits", "describedObject": OBJECT, "targetValue": "2k"},
            {
                "type": "Object",
                "object": {
                    "describedObject": OBJECT,
                    "metric": {"name": "hits"},
                    "target": {"type": "Value", "value": "2000"},
                },
            },
        ),
        (
            {"kind": "object", "metric": "hits", "describedObject": OBJECT, "targetAverageValue": 7},
            {
                "type": "Object",
                "object": {
                    "describedObject": OBJECT,
                    "metric": {"name": "hits"},
                    "target": {"type": "AverageValue", "averageValue": "7"},
                },
            },
        ),
        (
            {"kind": "external", "metric": "backlog", "selector": {"queue": "events"}, "targetAverageValue": 30},
            {
                "type": "External",
                "external": {
                    "metric": {"name": "backlog", "selector": {"matchLabels": {"queue": "events"}}},
                    "target": {"type": "AverageValue", "averageValue": "30"},
                },
            },
        ),
        (
            {"kind": "external", "metric": "backlog", "targetValue": 100},
            {
                "type": "External",
                "external": {"metric": {"name": "backlog"}, "target": {"type": "Value", "value": "100"}},
            },
        ),
    ],
    ids=lambda value: value.get("kind", "") if isinstance(value, dict) else "",
)
def test_every_kind_of_metric_is_spelled_as_the_api_server_reads_it(metric: Any, expected: Any) -> None:
    assert make_hpa(metrics=[metric])["metrics"] == [expected]


def test_several_metrics_keep_their_order() -> None:
    backlog = {"kind": "external", "metric": "backlog", "targetValue": 100}
    assert [metric["type"] for metric in make_hpa(metrics=[backlog, CPU])["metrics"]] == ["External", "Resource"]


def test_the_autoscaler_targets_the_deployment_of_its_consumer() -> None:
    spec = make_hpa(minReplicas=2)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "events"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)


def test_an_empty_behavior_is_sent_because_it_selects_another_algorithm() -> None:
    assert "behavior" not in make_hpa()
    assert make_hpa(behavior={})["behavior"] == {}, "the first step from one pod would be to 4 instead of 5"


def test_behavior_is_sent_field_by_field() -> None:
    behavior = {
        "scaleUp": {
            "stabilizationWindow": "0s",
            "selectPolicy": "Min",
            "policies": [
                {"kind": "percent", "value": 100, "period": "15s"},
                {"kind": "pods", "value": 2, "period": "1m"},
            ],
        },
        "scaleDown": {"selectPolicy": "Disabled", "stabilizationWindow": "10m"},
    }
    assert make_hpa(behavior=behavior)["behavior"] == {
        "scaleUp": {
            "selectPolicy": "Min",
            "stabilizationWindowSeconds": 0,
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 2, "periodSeconds": 60},
            ],
        },
        "scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 600},
    }


def test_a_tolerance_is_sent_where_the_cluster_knows_it() -> None:
    rules = {"scaleUp": {"tolerance": "0.05"}}
    scaling = {"kind": "hpa", "maxReplicas": 5, "metrics": [CPU], "behavior": rules}
    cluster = {"kind": "existing", "kubernetesVersion": "1.35"}
    hpa = make_object("HorizontalPodAutoscaler", {"autoscaling": scaling, "resources": RESOURCES}, cluster=cluster)
    assert hpa["spec"]["behavior"]["scaleUp"] == {"selectPolicy": "Max", "tolerance": "50m"}
