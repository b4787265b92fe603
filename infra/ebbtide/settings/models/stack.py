"""One stack: a cluster and the consumers in it. The root of every setting."""

from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import TypeIs

from ebbtide.judgement.accept import Accepted
from ebbtide.settings.models.base import JudgedModel, SettingsModel
from ebbtide.settings.models.broker import BrokerSettings
from ebbtide.settings.models.broker_access import BrokerAccess
from ebbtide.settings.models.cluster import ClusterSettings, GkeAutopilot, GkeStandard
from ebbtide.settings.models.consumer import ConsumerSettings, inject_names
from ebbtide.settings.models.metrics import inject_metrics
from ebbtide.settings.models.namespace import Namespace, NamespaceSettings
from ebbtide.settings.models.observability import CollectorSettings
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.values.names import DnsLabel
from ebbtide.settings.values.units import Count


class GoogleSettings(SettingsModel):
    """Where in Google Cloud the stack lives."""

    project: str = Field(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$", examples=["acme-production"])
    """The project's id (`gcp:project`)."""
    region: str = Field(pattern=r"^[a-z]+-[a-z]+[0-9]$", examples=["europe-west1"])
    """The region (`gcp:region`)."""


class ImageRepositorySettings(SettingsModel):
    """An Artifact Registry repository for consumer images, with a clean-up policy."""

    name: DnsLabel = "consumers"
    """The repository's id."""
    keep_versions: Count = Field(default=20, ge=1, le=1000)
    """How many recent versions of each image are kept, whatever their age."""
    delete_untagged_after_days: Count = Field(default=14, ge=1, le=3650)
    """Untagged versions older than this are deleted."""


class StackSettings(JudgedModel):
    """Everything one stack deploys, validated as a whole."""

    name: DnsLabel = Field(json_schema_extra={"x-injected": True})
    """The stack's name."""
    google: GoogleSettings | None = Field(default=None, json_schema_extra={"x-injected": True})
    """Google Cloud project and region; needed by every GKE cluster."""
    cluster: ClusterSettings
    """The cluster."""
    broker: BrokerSettings | None = None
    """The broker that the consumers read from: made here, or one that exists. None: each consumer brings its own
    address and Secret."""
    image_repository: ImageRepositorySettings | None = None
    """A repository to make for the images."""
    namespace: Namespace = NamespaceSettings.model_construct()
    """The Kubernetes namespace of all consumers of the stack: its name, or `{name: shop, create: false}`."""
    observability: CollectorSettings | None = None
    """Who collects the pods' metrics, and what is made of them: alerts and a dashboard. None by default."""
    protect: bool = False
    """Refuse to delete or replace what holds data or capacity: cluster, node pools, network, repository."""
    accept: Accepted = {}
    """Findings that somebody lives with in the whole stack, each with the reason. Never an error."""
    consumers: dict[str, ConsumerSettings] = {}
    """The consumers by name. None: this stack makes the cluster for other stacks."""

    @field_validator("consumers", mode="before")
    @classmethod
    def _named(cls, value: object, info: ValidationInfo) -> object:
        # What was refused is not among the data: its own error is all that is to be said of it.
        named = tell_of_broker(inject_names(value), info.data.get("broker", REFUSED))
        return named if info.data.get("observability") is None else inject_metrics(named)

    def seen_by(self, consumer: ConsumerSettings) -> Self:
        """The stack as this consumer sees it: in the namespace that is its own, where it has one."""
        return self if consumer.namespace is None else self.model_copy(update={"namespace": consumer.namespace})

    @property
    def uses_own_namespace(self) -> bool:
        """Whether anything is in the namespace that is the stack's own."""
        elsewhere = all(consumer.namespace is not None for consumer in self.consumers.values())
        return self.broker is not None or not self.consumers or not elsewhere

    @property
    def seen_by_namespace(self) -> dict[str, Self]:
        """The stack as it is seen in each of its namespaces, by their names; its own first, if anything is in it."""
        views = [self] if self.uses_own_namespace else []
        views += [self.seen_by(consumer) for consumer in self.consumers.values()]
        return {view.namespace.name: view for view in views}

    @property
    def kubernetes_minor(self) -> int:
        """34 for Kubernetes 1.34."""
        return int(self.cluster.kubernetes_version.split(".")[1])

    def broker_of(self, consumer: ConsumerSettings) -> BrokerSettings | None:
        """The stack's broker, if this consumer reads from it: its transport speaks the same, and has no address of
        its own."""
        transport = consumer.transport
        if self.broker is None or transport is None or transport.own_address is not None:
            return None
        return self.broker if transport.protocol == self.broker.speaks else None


REFUSED = BrokerAccess.model_construct(says=("address", "database", "password", "username"))
"""What a transport is told of a broker that is refused, or that it cannot read from (BR-40): enough that nobody asks
where its broker is."""


def tell_of_broker(consumers: Any, broker: BrokerSettings | BrokerAccess | None) -> Any:
    """Tell each transport that reads from the stack's broker of it, before validation: the rules about a consumer then
    see it whole."""
    if broker is None or not isinstance(consumers, dict):
        return consumers
    return {name: _told(consumer, broker) for name, consumer in consumers.items()}


def _told(consumer: Any, broker: BrokerSettings | BrokerAccess) -> Any:
    transport = consumer.get("transport") if isinstance(consumer, dict) else None
    if not isinstance(transport, dict) or "ofStack" in transport or transport.get("address") is not None:
        return consumer
    name = transport.get("kind")
    kind = TransportSettings.kinds.get(name) if isinstance(name, str) else None
    if kind is None or not kind.speaks:
        return consumer
    fits = isinstance(broker, BrokerSettings) and kind.spoken(transport) == broker.speaks
    told = broker.access if isinstance(broker, BrokerSettings) and fits else REFUSED
    return {**consumer, "transport": {**transport, "ofStack": told}}


def is_gke(cluster: ClusterSettings) -> TypeIs[GkeStandard | GkeAutopilot]:
    """Whether this stack makes the cluster itself."""
    return isinstance(cluster, GkeStandard | GkeAutopilot)
