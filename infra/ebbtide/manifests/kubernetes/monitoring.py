"""Who scrapes a consumer's pods and asks of their metrics, as manifests: one function a kind of collector."""

from __future__ import annotations

from functools import singledispatch

from ebbtide.manifests.kubernetes.container import METRICS_PORT_NAME
from ebbtide.manifests.kubernetes.labels import (
    INSTANCE,
    NAME,
    Manifest,
    consumer_metadata,
    selector_labels,
)
from ebbtide.observability.metrics import CONSUMER, STACK
from ebbtide.observability.prometheus import rule_groups
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.managed_prometheus import ManagedPrometheus
from ebbtide.settings.models.observability import CollectorSettings
from ebbtide.settings.models.prometheus_operator import PrometheusOperator
from ebbtide.settings.models.stack import StackSettings


@singledispatch
def monitoring_of(
    collector: CollectorSettings, stack: StackSettings, consumer: ConsumerSettings
) -> tuple[Manifest, ...]:
    """The objects that watch one consumer, in the order of applying.

    Raises NotImplementedError for a kind that has not registered its own: nobody would watch.
    """
    raise NotImplementedError(f"a collector of kind {collector.kind} has no manifests")


@monitoring_of.register
def _managed(collector: ManagedPrometheus, stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """GMP's PodMonitoring, which reads only pods of its own namespace; and Rules, where they are wanted."""
    version = "monitoring.googleapis.com/v1"
    monitoring = {
        "apiVersion": version,
        "kind": "PodMonitoring",
        "metadata": consumer_metadata(stack, consumer),
        "spec": {
            "selector": {"matchLabels": selector_labels(stack, consumer)},
            "endpoints": [{"port": METRICS_PORT_NAME, "interval": f"{collector.scrape_interval}s"}],
            "targetLabels": {
                "metadata": ["pod"],
                "fromPod": [{"from": NAME, "to": CONSUMER}, {"from": INSTANCE, "to": STACK}],
            },
        },
    }
    if not collector.rules:
        return (monitoring,)
    return (
        monitoring,
        {
            "apiVersion": version,
            "kind": "Rules",
            "metadata": consumer_metadata(stack, consumer),
            "spec": {"groups": rule_groups(stack, consumer)},
        },
    )


@monitoring_of.register
def _operator(collector: PrometheusOperator, stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """The Prometheus Operator's PodMonitor and PrometheusRule, with the labels by which it selects them."""
    version = "monitoring.coreos.com/v1"

    def metadata() -> Manifest:
        shared = consumer_metadata(stack, consumer)
        return {**shared, "labels": {**shared["labels"], **collector.labels}}

    relabelings = [
        {"sourceLabels": [f"__meta_kubernetes_pod_label_{_discovered(label)}"], "targetLabel": target}
        for label, target in ((NAME, CONSUMER), (INSTANCE, STACK))
    ]
    endpoint = {"port": METRICS_PORT_NAME, "interval": f"{collector.scrape_interval}s", "relabelings": relabelings}
    return (
        {
            "apiVersion": version,
            "kind": "PodMonitor",
            "metadata": metadata(),
            "spec": {
                "selector": {"matchLabels": selector_labels(stack, consumer)},
                "podMetricsEndpoints": [endpoint],
            },
        },
        {
            "apiVersion": version,
            "kind": "PrometheusRule",
            "metadata": metadata(),
            "spec": {"groups": rule_groups(stack, consumer)},
        },
    )


def _discovered(label: str) -> str:
    """A label's name as Prometheus' discovery writes it."""
    return "".join(letter if letter.isalnum() else "_" for letter in label)
