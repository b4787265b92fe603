"""The cluster that the consumers run in: made here (GKE Standard or Autopilot) or one that exists.

Every row of the hardening table (CIS GKE benchmark and Google's own advice) is a default here, or set without a
choice in manifests/google/cluster.py.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.judgement.findings import Path
from ebbtide.kubernetes.spot import SPOT_CRITICAL_PODS_SECONDS, SPOT_DEFAULT_NOTICE_SECONDS, SPOT_USER_PODS_SECONDS
from ebbtide.kubernetes.versions import DEFAULT_KUBERNETES
from ebbtide.settings.models.base import SettingsModel, repeated
from ebbtide.settings.models.keda_operator import Keda, KedaOperator
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.models.network_ranges import ClusterNetworkSettings
from ebbtide.settings.models.node_pool import KmsKey, NodePoolSettings, SpotNotice
from ebbtide.settings.models.pod import Cidr
from ebbtide.settings.values.names import DnsLabel
from ebbtide.settings.values.units import Seconds

Platform = Literal["gkeStandard", "gkeAutopilot", "other"]
KubernetesVersion = Annotated[str, Field(pattern=r"^1\.[0-9]+$", examples=["1.34"])]

Day = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# GKE refuses a maintenance policy that leaves less than this in 32 days, or windows shorter than four hours.
MIN_MAINTENANCE_HOURS_IN_32_DAYS = 48
MIN_MAINTENANCE_WINDOW_SECONDS = 4 * 3600
# A weekday comes at least four times in any 32 days.
WEEKDAY_OCCURRENCES_IN_32_DAYS = 4
CLUSTER_NAME_MAX_LENGTH = 40


ClusterName = Annotated[DnsLabel, Field(max_length=CLUSTER_NAME_MAX_LENGTH, pattern="^[a-z]", examples=["queues"])]
GoogleLabelKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
GoogleLabelValue = Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]
Moment = Annotated[datetime, Field(examples=['"2026-11-26T00:00:00Z"'])]
"""Written in quotes: the engine reads a bare one as a time and hands on another text."""
# GKE holds back every upgrade for 30 days at most; with NO_MINOR_UPGRADES it can be longer.
MAX_EXCLUSION_OF_ALL_UPGRADES = timedelta(days=30)


class AuthorizedNetwork(SettingsModel):
    """A network from which the control plane's IP address may be reached."""

    name: str = Field(min_length=1, max_length=64)
    """What it is, for people."""
    cidr: Cidr
    """The network."""


class ControlPlaneSettings(SettingsModel):
    """Who may reach the Kubernetes API. By default only through its DNS name, which Google guards by IAM."""

    dns_endpoint: Literal["everywhere", "insideGoogleCloud"] = "everywhere"
    """Where the DNS name is answered; in both cases a caller needs IAM's `container.clusters.connect`."""
    authorized_networks: Annotated[tuple[AuthorizedNetwork, ...], Field(max_length=50)] = ()
    """Networks that may use the IP address as well. None by default: the IP address is then switched off."""

    @field_validator("authorized_networks")
    @classmethod
    def _not_everybody(cls, value: tuple[AuthorizedNetwork, ...]) -> tuple[AuthorizedNetwork, ...]:
        if any(network.cidr.endswith("/0") for network in value):
            context = {"remedy": "name your office or VPN, or use the DNS endpoint"}
            raise PydanticCustomError("networks", "opens the control plane to the whole internet (got '/0')", context)
        return value


class MaintenanceExclusion(SettingsModel):
    """A time without upgrades: a sale, a migration."""

    name: DnsLabel
    """What it is."""
    start: Moment
    """The first moment, for example 2026-11-26T00:00:00Z."""
    end: Moment
    """The last moment."""
    scope: Literal["NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES"] = "NO_UPGRADES"
    """What is held back; without any upgrade for at most 30 days."""

    @model_validator(mode="after")
    def _a_span(self) -> Self:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.end <= self.start:
            context = {
                "got": f"{self.start.isoformat()} to {self.end.isoformat()}",
                "remedy": "write both in UTC, the end after the start, for example 2026-11-26T00:00:00Z",
            }
            raise PydanticCustomError("exclusion", "is no span of time (got {got})", context)
        if self.scope == "NO_UPGRADES" and self.end - self.start > MAX_EXCLUSION_OF_ALL_UPGRADES:
            context = {
                "got": f"{(self.end - self.start).days} days",
                "remedy": "shorten it, or write scope: NO_MINOR_OR_NODE_UPGRADES",
            }
            raise PydanticCustomError(
                "exclusion", "holds back every upgrade for longer than the 30 days that GKE allows (got {got})", context
            )
        return self


class MaintenanceSettings(SettingsModel):
    """When Google may upgrade the cluster, which drains nodes. Upgrades cannot be refused, only timed."""

    start: str = Field(default="02:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["02:00"])
    """When the window opens, in UTC."""
    duration: Seconds = Field(default=6 * 3600, ge=MIN_MAINTENANCE_WINDOW_SECONDS, le=24 * 3600)
    """How long it is open; at least 4h."""
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = ("MO", "TU", "WE", "TH")
    """On which days. Not before a weekend by default."""
    exclusions: Annotated[tuple[MaintenanceExclusion, ...], Field(max_length=20)] = ()
    """Times without upgrades."""

    @field_validator("exclusions")
    @classmethod
    def _named_once(cls, value: tuple[MaintenanceExclusion, ...]) -> tuple[MaintenanceExclusion, ...]:
        twice = repeated(exclusion.name for exclusion in value)
        if twice:
            context = {"got": ", ".join(twice), "remedy": "give each a name of its own; GKE keeps one of a name"}
            raise PydanticCustomError("exclusion", "name two exclusions alike (got {got})", context)
        return value

    @model_validator(mode="after")
    def _often_enough(self) -> Self:
        days = len(set(self.days))
        hours = WEEKDAY_OCCURRENCES_IN_32_DAYS * days * self.duration // 3600
        if hours < MIN_MAINTENANCE_HOURS_IN_32_DAYS:
            needed = -(-MIN_MAINTENANCE_HOURS_IN_32_DAYS // (WEEKDAY_OCCURRENCES_IN_32_DAYS * days))
            context = {"got": f"{hours} hours", "remedy": f"write duration: {needed}h, or more days"}
            raise PydanticCustomError(
                "maintenance", "leaves too little: GKE asks for 48 hours in any 32 days (got {got})", context
            )
        return self


class ObservabilitySettings(SettingsModel):
    """What goes to Cloud Logging and Cloud Monitoring besides the system's own."""

    workload_logs: bool = True
    """Logs of the consumers: the image writes every drain as JSON lines."""
    managed_prometheus: bool = True
    """Google Cloud Managed Service for Prometheus."""
    datapath_metrics: bool = False
    """Metrics of Dataplane V2 (dropped packets per policy); they cost by volume."""


class ClusterSettings(Family):
    """What every kind of cluster answers."""

    kinds = Kinds(
        gkeStandard="cluster.GkeStandard", gkeAutopilot="cluster.GkeAutopilot", existing="cluster.ExistingCluster"
    )

    keda: Keda | None = None
    """KEDA, for `autoscaling: {kind: keda}`: `{version: 2.20.2}` installs it, `existing` says that it is there."""

    if TYPE_CHECKING:
        # Fields in one kind and derived in another.
        @property
        def kubernetes_version(self) -> str:
            """Its minor version, `1.34`."""

        @property
        def platform(self) -> Platform:
            """What the rules about ending pods depend on."""

    @property
    def own_keda(self) -> KedaOperator | None:
        """KEDA, where the stack installs it."""
        return self.keda if self.keda is not None and self.keda.install else None

    @property
    def pools(self) -> Mapping[str, NodePoolSettings]:
        """The node pools that the stack makes, by name; none where somebody else makes the nodes."""
        return {}

    @property
    def spot_notices(self) -> Mapping[Path, int]:
        """How long before its end a Spot node is told, in seconds, by where in the stack that is said."""
        return {}

    @property
    def spot_user_pods_seconds(self) -> int:
        """What is left for consumers of the shortest such notice, in seconds."""
        return SPOT_USER_PODS_SECONDS


class _GkeCluster(ClusterSettings):
    kubernetes_version: KubernetesVersion = DEFAULT_KUBERNETES
    """The minor version that the settings are checked against, and the lowest that the control plane is made with;
    the release channel decides the rest."""
    name: ClusterName | None = None
    """The cluster's name. Default: `ebbtide-<stack>`."""
    release_channel: Literal["RAPID", "REGULAR", "STABLE", "EXTENDED"] = "STABLE"
    """How soon new versions arrive."""
    network: ClusterNetworkSettings = ClusterNetworkSettings.model_construct()
    """The cluster's own network."""
    control_plane: ControlPlaneSettings = ControlPlaneSettings.model_construct()
    """Who may reach the Kubernetes API."""
    maintenance: MaintenanceSettings = MaintenanceSettings.model_construct()
    """When Google may upgrade."""
    observability: ObservabilitySettings = ObservabilitySettings.model_construct()
    """Logs and metrics."""
    secret_encryption_key: KmsKey | None = None
    """A Cloud KMS key with which Secrets are encrypted in etcd as well (CIS 5.3.1)."""
    secret_rotation: Seconds | None = Field(default=None, ge=120)
    """Mount secrets of Secret Manager with GKE's add-on and look for new versions this often. Off by default: it runs
    a pod on every node, and consumers read Kubernetes Secrets."""
    secret_sync: bool = False
    """Let GKE write secrets of Secret Manager into Kubernetes Secrets (from 1.34), for brokers of other stacks. A stack
    with a `broker` of its own switches it on by itself."""
    groups_domain: str | None = Field(default=None, pattern=r"^[a-z0-9.-]+\.[a-z]+$", examples=["acme.com"])
    """Grant Kubernetes roles to groups of this domain (`gke-security-groups@<domain>`, CIS 5.8.3)."""
    binary_authorization: bool = False
    """Admit only images that the project's Binary Authorization policy allows (CIS 5.10)."""
    security_posture: bool = True
    """Look for known weaknesses of the cluster's configuration."""
    cost_allocation: bool = True
    """Show cost by namespace and label in billing."""
    hpa_profile: Literal["PERFORMANCE", "NONE"] = "PERFORMANCE"
    """PERFORMANCE reads metrics faster and allows more autoscalers."""
    upgrade_topic: str | None = Field(
        default=None, pattern=r"^projects/[^/]+/topics/[^/]+$", examples=["projects/acme/topics/gke-upgrades"]
    )
    """A Pub/Sub topic that is told about upgrades, `projects/<project>/topics/<topic>`."""
    labels: dict[GoogleLabelKey, GoogleLabelValue] = {}
    """Labels of the cluster in Google Cloud: lowercase letters, digits, '-' and '_'."""


class GkeStandard(_GkeCluster):
    """A GKE Standard cluster with its own network and node pools."""

    kind: Literal["gkeStandard"]
    """GKE Standard."""
    zones: tuple[Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]-[a-z]$", examples=["europe-west1-b"])], ...] = ()
    """Zones of the nodes. By default GKE takes three of the region."""
    node_pools: Annotated[dict[DnsLabel, NodePoolSettings], Field(min_length=1)] = {
        "consumers": NodePoolSettings.model_construct()
    }
    """The node pools by name. Autoscaled, with a node identity of their own."""
    node_scale_down: Literal["BALANCED", "OPTIMIZE_UTILIZATION"] = "BALANCED"
    """How eagerly nodes are removed; every removal drains consumers."""

    @field_validator("zones")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = repeated(value)
        if twice:
            context = {"got": ", ".join(twice), "remedy": "name each zone once"}
            raise PydanticCustomError("zones", "name a zone twice (got {got})", context)
        return value

    @property
    def platform(self) -> Platform:
        """What the rules about ending pods depend on."""
        return "gkeStandard"

    @property
    def pools(self) -> Mapping[str, NodePoolSettings]:
        """All of them."""
        return self.node_pools

    @property
    def spot_notices(self) -> Mapping[Path, int]:
        """A pool's own."""
        return {("cluster", "nodePools", name, "spotNotice"): pool.spot_notice for name, pool in self.pools.items()}

    @property
    def spot_user_pods_seconds(self) -> int:
        """That of the pool with the shortest."""
        pools = (pool.spot_user_pods_seconds for pool in self.pools.values() if pool.spot)
        return min(pools, default=super().spot_user_pods_seconds)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        nodes = sum(pool.max_nodes + pool.upgrade.max_surge for pool in self.node_pools.values())
        if nodes > self.network.max_nodes:
            context = {
                "got": f"{nodes} with surge, and network.maxNodes {self.network.max_nodes}",
                "remedy": f"write network: {{maxNodes: {nodes}}}, before the cluster is made",
            }
            raise PydanticCustomError(
                "nodes", "nodePools have more nodes than the network has room for ({got})", context
            )
        if all(pool.spot for pool in self.node_pools.values()):
            context = {"remedy": "add a pool without spot: true; one small node is enough"}
            raise PydanticCustomError("spot", "nodePools are all Spot, and GKE's own pods do not run there", context)
        return self


class GkeAutopilot(_GkeCluster):
    """A GKE Autopilot cluster with its own network. Google runs the nodes."""

    kind: Literal["gkeAutopilot"]
    """GKE Autopilot."""
    disk_encryption_key: KmsKey | None = None
    """A Cloud KMS key for the nodes' boot disks (CIS 5.9.1); Google's own key if none is given."""

    @property
    def platform(self) -> Platform:
        """What the rules about ending pods depend on."""
        return "gkeAutopilot"


class ExistingCluster(ClusterSettings):
    """A cluster that something else manages: the recommended form for production consumers, because then no change
    to consumers can touch the cluster."""

    kind: Literal["existing"]
    """A cluster that exists."""
    kubernetes_version: KubernetesVersion = DEFAULT_KUBERNETES
    """Its minor version: some fields are dropped without a word by older ones."""
    platform: Platform = "other"
    """What it is: on GKE the limits of Google's node upgrades and Spot machines are checked."""
    context: str | None = Field(default=None, min_length=1)
    """The kubeconfig context to use; the current one if neither this nor `dnsEndpoint` is given."""
    dns_endpoint: str | None = Field(
        default=None, pattern=r"^[a-z0-9.-]+\.gke\.goog$", examples=["gke-0a1b2c-123456789.europe-west1.gke.goog"]
    )
    """The DNS name of a GKE control plane, `gke-....gke.goog`. Needs no kubeconfig: gke-gcloud-auth-plugin logs in."""
    identifier: DnsLabel | None = None
    """What makes it this cluster for Pulumi. Another value means that everything is made anew somewhere else.
    Default: `dnsEndpoint`, or the stack's name."""
    spot_notice: SpotNotice = SPOT_DEFAULT_NOTICE_SECONDS
    """Its Spot nodes' notice, of which 15s are for system pods (V-08)."""

    @property
    def spot_notices(self) -> Mapping[Path, int]:
        """One for all nodes."""
        return {("cluster", "spotNotice"): self.spot_notice}

    @property
    def spot_user_pods_seconds(self) -> int:
        """Of that one."""
        return self.spot_notice - SPOT_CRITICAL_PODS_SECONDS

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.context is not None and self.dns_endpoint is not None:
            context = {"remedy": "keep one; dnsEndpoint works on every machine"}
            raise PydanticCustomError("access", "names both context and dnsEndpoint", context)
        return self
