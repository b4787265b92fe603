"""Stacks that are watched, by each kind of collector; two consumers that differ in what their alerts ask."""

from __future__ import annotations

from typing import Any

from ebbtide.settings.models.stack import StackSettings

GOOGLE = {"project": "acme-shop", "region": "europe-west1"}
HPA = {"kind": "hpa", "minReplicas": 1, "maxReplicas": 4, "metrics": [{"kind": "cpu", "targetAverageValue": "200m"}]}
CONSUMERS: dict[str, dict[str, Any]] = {
    "mail": {
        "image": "registry.example/consumers/mail:1",
        "worker": {"kind": "symfonyMessenger", "receivers": ["mail"], "processes": 2},
        "shutdown": {"longestMessage": "60s"},
        "autoscaling": HPA,
        "goal": {"within": "10s", "percent": 99},
    },
    "reports": {
        "image": "registry.example/consumers/reports:1",
        "worker": {"kind": "symfonyMessenger", "receivers": ["reports"], "processes": 2},
        "shutdown": {"longestMessage": "5m"},
        "autoscaling": {"kind": "fixed", "replicas": 2},
    },
}


def watched(observability: dict[str, Any], **more: Any) -> StackSettings:
    """A stack with this collector."""
    values = {
        "name": "shop-eu",
        "google": GOOGLE,
        "cluster": {"kind": "gkeStandard"},
        "observability": observability,
        "consumers": CONSUMERS,
        **more,
    }
    return StackSettings.model_validate(values)


REDIS = {
    "kind": "redis",
    "address": "redis.brokers:6379",
    "stream": "mail",
    "redeliverTimeout": "90s",
    "recover": True,
}
KEDA = {"kind": "keda", "minReplicas": 1, "maxReplicas": 4}

STACKS = {
    "scaled by KEDA": watched(
        {"kind": "managedPrometheus"},
        cluster={"kind": "gkeStandard", "keda": "existing"},
        consumers={
            "mail": {**CONSUMERS["mail"], "transport": REDIS, "autoscaling": KEDA},
            "reports": CONSUMERS["reports"],
        },
    ),
    "managedPrometheus": watched({"kind": "managedPrometheus"}),
    "managedPrometheus, everything": watched(
        {
            "kind": "managedPrometheus",
            "rules": True,
            "scrapeInterval": "15s",
            "runbook": "https://wiki.acme.example/runbook",
            "notificationChannels": ["projects/acme-shop/notificationChannels/123"],
        }
    ),
    "prometheusOperator": watched(
        {"kind": "prometheusOperator", "labels": {"release": "kube-prometheus-stack"}},
        google=None,
        cluster={"kind": "existing", "kubernetesVersion": "1.34"},
        consumers={**CONSUMERS, "mail": {**CONSUMERS["mail"], "transport": REDIS}},
    ),
}
