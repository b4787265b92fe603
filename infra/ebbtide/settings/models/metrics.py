"""Whether a consumer's pods serve metrics, and who may read them."""

from typing import Annotated, Any

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.values.names import DnsLabel, LabelValue, QualifiedName

# The OpenTelemetry project's port for pages in Prometheus' format; below 1024 a container without rights cannot listen.
DEFAULT_PORT = 9464


class Scraper(SettingsModel):
    """Pods that may read the metrics."""

    namespace: DnsLabel
    """The namespace that they run in."""
    pods: dict[QualifiedName, LabelValue] = {}
    """Their labels; none: all of the namespace's."""


# Managed Service for Prometheus: the second is where Autopilot runs it.
GOOGLE_SCRAPERS = tuple(
    Scraper.model_construct(namespace=namespace, pods={"app.kubernetes.io/name": "collector"})
    for namespace in ("gmp-system", "gke-gmp-system")
)


class MetricsSettings(SettingsModel):
    """Serve `/metrics`: workers, messages, drains (docs/observability.md)."""

    port: Annotated[int, Field(ge=1024, le=65535)] = DEFAULT_PORT
    """The port, named `metrics` in the pod."""
    scrapers: Annotated[tuple[Scraper, ...], Field(min_length=1)] | None = None
    """Who may connect; nobody else may. Default: what the stack's `observability` names, and Google's Managed Service
    for Prometheus without one."""


def inject_metrics(consumers: Any) -> Any:
    """Give each entry of `consumers` that says nothing of metrics the usual ones, before validation: the stack is
    watched."""
    if not isinstance(consumers, dict):
        return consumers
    return {
        name: {**entry, "metrics": entry.get("metrics") or {}} if isinstance(entry, dict) else entry
        for name, entry in consumers.items()
    }
