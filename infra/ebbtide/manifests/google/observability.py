"""What Cloud Monitoring is given of a stack: metrics from the log, alert policies, and a dashboard."""

from __future__ import annotations

import json
from typing import Any

from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Resource
from ebbtide.observability.alerts import StackAlert, alerts_of_stack
from ebbtide.observability.cloud_monitoring import cloud_dashboard
from ebbtide.observability.logs import pods_of
from ebbtide.observability.metrics import CONSUMER, EVENT_COUNTS, EventCount, log_metric_id
from ebbtide.observability.prometheus import EVALUATION_SECONDS, runbook_url
from ebbtide.settings.models.managed_prometheus import ManagedPrometheus
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.values.names import CONTAINER_NAME

# How long an incident stays open when nothing more is heard; the shortest that the API takes is half an hour.
_AUTO_CLOSE_SECONDS = 1800
_SEVERITIES = {"page": "CRITICAL", "ticket": "WARNING"}
# Drains take from nothing to the longest grace; what is counted beside them is small numbers.
_BOUNDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400, 604800)


def build_cloud_observability(
    collector: ManagedPrometheus, stack: StackSettings, name: str, parent: str
) -> tuple[Resource, ...]:
    """Log-based metrics, then what asks them. Raises SettingsError without a project, which a rule refuses earlier."""
    counts = tuple(_log_metric(count, stack, name, parent) for count in EVENT_COUNTS)
    keys = tuple(resource.key for resource in counts)
    policies = tuple(
        _policy(collector, found, stack, name, parent).after(*(keys if found.asks_log else ()))
        for found in alerts_of_stack(stack)
    )
    if not collector.dashboard:
        return (*counts, *policies)
    text = json.dumps(cloud_dashboard(stack), sort_keys=True, separators=(",", ":"))
    dashboard = Resource(
        token=names.DASHBOARD,
        name=f"{name}-dashboard",
        parent=parent,
        properties={"project": names.google(stack).project, "dashboardJson": text},
    )
    return (*counts, *policies, dashboard.after(*keys))


def log_filter(count: EventCount, stack: StackSettings) -> str:
    """The lines that are counted, in Cloud Logging's language."""
    consumers = "|".join(stack.consumers)
    parts = {
        "resource.type": "k8s_container",
        **({"resource.labels.cluster_name": names.cluster_name(stack)} if is_gke(stack.cluster) else {}),
        "resource.labels.container_name": CONTAINER_NAME,
        "jsonPayload.event": count.event,
    }
    texts = [f'{field}="{value}"' for field, value in parts.items()]
    texts.insert(-1, f'resource.labels.namespace_name=~"^({"|".join(stack.seen_by_namespace)})$"')
    return " AND ".join([*texts, f'resource.labels.pod_name=~"^{pods_of(f"({consumers})")}$"'])


def log_metric_config(count: EventCount, stack: StackSettings) -> dict[str, Any]:
    """The metric as the API, and `gcloud logging metrics create --config-from-file`, take it; without its name."""
    labels = {CONSUMER: f'REGEXP_EXTRACT(resource.labels.pod_name, "^{pods_of("(.+)")}$")'}
    if count.label is not None:
        labels[count.label] = f"EXTRACT(jsonPayload.{count.label})"
    config: dict[str, Any] = {
        "description": count.help,
        "filter": log_filter(count, stack),
        "labelExtractors": labels,
        "metricDescriptor": {
            "metricKind": "DELTA",
            "valueType": "INT64" if count.value is None else "DISTRIBUTION",
            "unit": count.unit,
            "labels": [{"key": key, "valueType": "STRING"} for key in labels],
        },
    }
    if count.value is not None:
        config["valueExtractor"] = f"EXTRACT(jsonPayload.{count.value})"
        config["bucketOptions"] = {"explicitBuckets": {"bounds": [float(bound) for bound in _BOUNDS]}}
    return config


def _log_metric(count: EventCount, stack: StackSettings, name: str, parent: str) -> Resource:
    return Resource(
        token=names.LOG_METRIC,
        name=f"{name}-{count.name.removeprefix('ebbtide_').replace('_', '-')}",
        parent=parent,
        delete_before_replace=True,
        properties={
            "project": names.google(stack).project,
            "name": log_metric_id(count, stack),
            **log_metric_config(count, stack),
        },
    )


def _policy(collector: ManagedPrometheus, found: StackAlert, stack: StackSettings, name: str, parent: str) -> Resource:
    """A policy of its own for each alert: it takes one condition in PromQL."""
    alert = found.alert
    condition = {
        "displayName": alert.title,
        "conditionPrometheusQueryLanguage": {
            "query": found.query,
            "duration": f"{alert.for_seconds}s",
            "evaluationInterval": f"{EVALUATION_SECONDS}s",
            # Nothing has been written yet when a stack is made.
            "disableMetricValidation": True,
            "labels": {"severity": alert.severity, "stack": stack.name},
        },
    }
    properties = {
        "project": names.google(stack).project,
        "displayName": f"ebbtide {stack.name}: {alert.name}",
        "combiner": "OR",
        "conditions": [condition],
        "severity": _SEVERITIES[alert.severity],
        "documentation": {
            "content": f"{alert.title}.\n\nWhat to do: {runbook_url(stack, alert)}",
            "mimeType": "text/markdown",
        },
        "alertStrategy": {"autoClose": f"{_AUTO_CLOSE_SECONDS}s"},
        "notificationChannels": list(collector.notification_channels),
        "userLabels": {"ebbtide": stack.name},
    }
    logical = f"{name}-{_dashed(alert.name.removeprefix('Ebbtide'))}"
    return Resource(token=names.ALERT_POLICY, name=logical, parent=parent, properties=properties)


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
