"""Google Cloud collects, and Cloud Monitoring tells people."""

from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.models.metrics import GOOGLE_SCRAPERS, Scraper
from ebbtide.settings.models.observability import CollectorSettings


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
