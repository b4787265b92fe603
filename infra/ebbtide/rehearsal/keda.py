"""Which namespaces KEDA watches, and what it and its HPA say of one Deployment, as they write it into their objects."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ebbtide.kubernetes.quantity import parse_quantity
from ebbtide.manifests.keda import OPERATOR
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.cluster import Cluster, Manifest
from ebbtide.rehearsal.ledger import parse_time
from ebbtide.rehearsal.problem import refusal

GROUP = "keda.sh"
VERSION = "v1alpha1"


def require_watched(cluster: Cluster, namespace: str) -> None:
    """Raises SettingsError where KEDA watches other namespaces only, and would leave a ScaledObject here alone."""
    for operator in cluster.deployments(f"app={OPERATOR}"):
        variables = operator["spec"]["template"]["spec"]["containers"][0].get("env") or []
        watched = next((one.get("value", "") for one in variables if one["name"] == "WATCH_NAMESPACE"), "")
        if watched and namespace not in watched.split(","):
            raise refusal(
                "--context",
                f"KEDA in {cluster.access.context} watches {watched} only, and scales nothing in {namespace}",
                "name a cluster whose KEDA watches every namespace, as `scripts/cluster up --keda` makes one",
            )


def look_at_keda(cluster: Cluster, namespace: str, deployment: str, since: float) -> KedaLook | None:
    """None before there are the Deployment and its ScaledObject. Times are seconds since the epoch; `since` is when the
    look before began."""
    deployments = cluster.objects("apps/v1", namespace, "deployments")
    target = next((one for one in deployments if one["metadata"]["name"] == deployment), None)
    scaled = _scaling(cluster.objects(f"{GROUP}/{VERSION}", namespace, "scaledobjects"), deployment)
    if target is None or scaled is None:
        return None
    hpa = _scaling(cluster.objects("autoscaling/v2", namespace, "horizontalpodautoscalers"), deployment)
    status, told = scaled.get("status", {}), (hpa or {}).get("status", {})
    ready, active = _condition(status, "Ready"), _condition(status, "Active")
    last = status.get("lastActiveTime")
    return KedaLook(
        time.time(),
        since,
        target["spec"].get("replicas", 1),
        target.get("status", {}).get("replicas", 0),
        parse_time(scaled["metadata"]["creationTimestamp"]),
        told.get("currentReplicas"),
        told.get("desiredReplicas"),
        tuple(_averages(told)),
        _condition(told, "ScalingActive").get("reason", ""),
        ready.get("reason", ""),
        ready.get("status") == "True",
        active.get("status") == "True",
        _condition(status, "Fallback").get("status") == "True",
        _condition(status, "Paused").get("status") == "True",
        None if last is None else parse_time(last),
        tuple(one.get("numberOfFailures") or 0 for _, one in sorted((status.get("health") or {}).items())),
    )


def _scaling(objects: Iterable[Manifest], deployment: str) -> Manifest | None:
    return next((one for one in objects if one["spec"]["scaleTargetRef"]["name"] == deployment), None)


def _condition(status: Manifest, kind: str) -> Manifest:
    found: Manifest = next((one for one in status.get("conditions") or [] if one["type"] == kind), {})
    return found


def _averages(status: Manifest) -> Iterable[float]:
    for metric in status.get("currentMetrics") or []:
        current = (metric.get("external") or {}).get("current", {})
        # A sync that meets a Deployment whose status still says 0 pods divides by them, and writes down -2^63 (1.34).
        if "averageValue" in current and (average := float(parse_quantity(current["averageValue"]))) >= 0:
            yield average
