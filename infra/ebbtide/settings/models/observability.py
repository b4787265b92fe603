"""Who collects metrics, and who is told when something is wrong: exactly one kind.

A kind answers for itself; for its objects it registers with `monitoring_of` in `manifests/kubernetes/monitoring`, with
`scrape_keda` in `manifests/keda` and with `build_observability` in `manifests/observability`
(`functools.singledispatch`).
"""

from abc import abstractmethod

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.models.metrics import Scraper
from ebbtide.settings.values.units import Seconds


class GoalSettings(SettingsModel):
    """What the consumer's messages are promised; alerts hold it over days (docs/observability.md)."""

    within: Seconds | None = Field(default=None, ge=1)
    """In how long a message is to be handled, from being taken to having told the broker; one of the bounds that the
    image's histogram has. Default: the first of them that is not below the longest message."""
    percent: float = Field(default=99.0, ge=50, le=99.99)
    """How many of a hundred messages are to hold it."""


class CollectorSettings(Family):
    """What every kind of collector answers."""

    kinds = Kinds(
        managedPrometheus="managed_prometheus.ManagedPrometheus",
        prometheusOperator="prometheus_operator.PrometheusOperator",
    )

    scrape_interval: Seconds = Field(default=30, ge=5, le=300)
    """How often each pod is asked. A pod's last seconds are seen only if a drain takes longer than this; how it ended
    is counted from its log."""
    runbook: str = Field(default="", pattern=r"^(https://\S+)?$", examples=["https://wiki.acme.example/ebbtide"])
    """Where people of yours read docs/runbook.md: each alert links to its section there. Empty: an alert names the
    section only."""

    @property
    def counts_logs(self) -> bool:
        """Whether log lines become metrics, from which alerts and charts can be made."""
        return False

    @property
    @abstractmethod
    def scrapers(self) -> tuple[Scraper, ...]:
        """The pods that scrape: nobody else may connect to a consumer's."""
