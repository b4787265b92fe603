"""Who collects metrics, and who is told when something is wrong: exactly one kind.

A kind answers for itself; for its objects it registers with `build_monitoring` in `manifests/kubernetes/monitoring` and
with `build_observability` in `manifests/observability` (`functools.singledispatch`).
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.metrics import GOOGLE_SCRAPERS, Scraper
from ebbtide.settings.values.names import DnsLabel, LabelValue, QualifiedName
from ebbtide.settings.values.units import Seconds


class GoalSettings(SettingsModel):
    """What the consumer's messages are promised; alerts hold it over days (docs/observability.md)."""

    within: Seconds | None = Field(default=None, ge=1)
    """In how long a message is to be handled, from being taken to having told the broker; one of the bounds that the
    image's histogram has. Default: the first of them that is not below the longest message."""
    percent: float = Field(default=99.0, ge=50, le=99.99)
    """How many of a hundred messages are to hold it."""


class CollectorSettings(SettingsModel):
    """What every kind of collector answers."""

    scrape_interval: Seconds = Field(default=30, ge=5, le=300)
    """How often each pod is asked. A pod's last seconds are seen only if a drain takes longer than this; how it ended
    is counted from its log."""
    runbook: str = Field(default="", pattern=r"^(https://\S+)?$", examples=["https://wiki.acme.example/ebbtide"])
    """Where people of yours read docs/runbook.md: each alert links to its section there. Empty: an alert names the
    section only."""

    if TYPE_CHECKING:

        @property
        def kind(self) -> str:
            """The kind's name in a stack file."""

    @property
    def counts_logs(self) -> bool:
        """Whether log lines become metrics, from which alerts and charts can be made."""
        return False

    @property
    @abstractmethod
    def scrapers(self) -> tuple[Scraper, ...]:
        """The pods that scrape: nobody else may connect to a consumer's."""


class ManagedPrometheus(CollectorSettings):
    """Google Cloud Managed Service for Prometheus, which GKE clusters have: metrics, log-based metrics, alert policies
    and a dashboard, all in Cloud Monitoring."""

    kind: Literal["managedPrometheus"]
    """Google's Prometheus."""
    notification_channels: tuple[
        Annotated[
            str,
            Field(
                pattern=r"^projects/[^/]+/notificationChannels/[0-9]+$",
                examples=["projects/acme/notificationChannels/123"],
            ),
        ],
        ...,
    ] = ()
    """Who is told: channels of Cloud Monitoring, `projects/<project>/notificationChannels/<number>`."""
    rules: bool = False
    """Make the alerts that ask metrics `Rules` as well, for GKE's managed Alertmanager: it reaches no channel of Cloud
    Monitoring, and knows nothing of the log."""
    dashboard: bool = True
    """Make a dashboard in Cloud Monitoring."""

    @property
    def counts_logs(self) -> bool:
        """By log-based metrics."""
        return True

    @property
    def scrapers(self) -> tuple[Scraper, ...]:
        """GKE's own."""
        return GOOGLE_SCRAPERS


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


Collector = Annotated[ManagedPrometheus | PrometheusOperator, Field(discriminator="kind")]
