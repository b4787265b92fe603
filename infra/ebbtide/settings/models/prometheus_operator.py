"""The Prometheus Operator of the cluster collects."""

from typing import Literal

from ebbtide.settings.models.metrics import Scraper
from ebbtide.settings.models.observability import CollectorSettings
from ebbtide.settings.values.names import DnsLabel, LabelValue, QualifiedName


class PrometheusOperator(CollectorSettings):
    """The Prometheus Operator, as kube-prometheus-stack installs it. It knows metrics only: how pods ended is a query
    for whoever keeps the logs (`ebbtide dashboard`)."""

    kind: Literal["prometheusOperator"]
    """The Prometheus Operator."""
    labels: dict[QualifiedName, LabelValue] = {}
    """Labels by which a Prometheus selects its monitors and rules: `release: kube-prometheus-stack`."""
    namespace: DnsLabel = "monitoring"
    """Where the Prometheus runs: the only namespace from which pods may be scraped."""

    @property
    def scrapers(self) -> tuple[Scraper, ...]:
        """Whatever runs in its namespace: the labels of a Prometheus are its operator's."""
        return (Scraper.model_construct(namespace=self.namespace),)
