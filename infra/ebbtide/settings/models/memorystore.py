"""Memorystore for Valkey as a broker. Google's own defaults keep nothing and evict; these do neither."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from ebbtide.settings.models.broker import ADDRESS, CA, DSN, EVICTION, MadeBroker, Protocol
from ebbtide.settings.models.broker_access import BrokerAccess
from ebbtide.settings.values.units import Count

NodeType = Literal[
    "SHARED_CORE_NANO", "CUSTOM_PICO", "CUSTOM_MICRO", "CUSTOM_MINI", "STANDARD_SMALL", "STANDARD_LARGE",
    "HIGHCPU_MEDIUM", "HIGHMEM_MEDIUM", "HIGHMEM_XLARGE", "HIGHMEM_2XLARGE",
]  # fmt: skip
# Memorystore for Valkey, quotas and limits: client connections that a node takes by default (read in 2026).
CLIENT_LIMITS: Mapping[str, int] = {
    "SHARED_CORE_NANO": 5_000,
    "CUSTOM_PICO": 16_000,
    "CUSTOM_MICRO": 16_000,
    "CUSTOM_MINI": 16_000,
    "STANDARD_SMALL": 16_000,
    "STANDARD_LARGE": 32_000,
    "HIGHCPU_MEDIUM": 32_000,
    "HIGHMEM_MEDIUM": 32_000,
    "HIGHMEM_XLARGE": 64_000,
    "HIGHMEM_2XLARGE": 64_000,
}
# Memorystore for Valkey, instance and node specification: what a node holds by default, in GB.
CAPACITY_GIGABYTES: Mapping[str, float] = {
    "SHARED_CORE_NANO": 1.12,
    "STANDARD_SMALL": 5.2,
    "HIGHMEM_MEDIUM": 10.4,
    "HIGHMEM_XLARGE": 46.4,
}
VALKEY_PORT = 6379
CLIENTS = "maxclients"


class MemorystoreValkey(MadeBroker):
    """Memorystore for Valkey, for transports of kind `redis`. It has no password: what guards it is that only the
    network policies of its consumers, and KEDA, open its address."""

    kind: Literal["memorystoreValkey"]
    """Memorystore for Valkey."""
    node_type: NodeType = "STANDARD_SMALL"
    """The size of a node. SHARED_CORE_NANO has no SLA and is for development."""
    version: Literal["VALKEY_7_2", "VALKEY_8_0", "VALKEY_9_0"] = "VALKEY_8_0"
    """The version. It can be raised, never lowered."""
    replicas: Count | None = Field(default=None, ge=0, le=5)
    """Copies that take over when the node fails. A copy lags a little: what was acknowledged in that moment may be
    missing. Default: 1 where it is protected, otherwise 0."""
    persistence: Literal["AOF", "RDB", "DISABLED"] = "AOF"
    """What is written to disk. AOF: every write. RDB: a snapshot, hours apart. Google's default is nothing."""
    append_fsync: Literal["ALWAYS", "EVERY_SEC", "NEVER"] | None = None
    """When AOF is on disk. ALWAYS (default with AOF): before a write is acknowledged. EVERY_SEC may lose a second."""
    snapshot_period: Literal["ONE_HOUR", "SIX_HOURS", "TWELVE_HOURS", "TWENTY_FOUR_HOURS"] | None = None
    """How far apart the snapshots of RDB are; ONE_HOUR with RDB."""
    engine_configs: dict[str, str] = {}
    """Further settings of Valkey. `maxmemory-policy` is noeviction: a full broker refuses, and drops nothing."""
    tls: bool = False
    """Encrypt connections (SERVER_AUTHENTICATION). Its authority is mounted as a file, and `SSL_CERT_FILE` names it.
    Off by default: the application must ask for it. It cannot be changed without another, empty broker."""
    backups_kept_days: Count | None = Field(default=None, ge=1, le=365)
    """Back it up every day, and keep that long. None by default: a queue of yesterday is rarely wanted."""

    @property
    def speaks(self) -> Protocol:
        """Valkey is Redis to its clients."""
        return "redis"

    @property
    def keys(self) -> tuple[str, ...]:
        """Where it is, once for applications and once for KEDA; and its authority."""
        return (DSN, ADDRESS, CA) if self.tls else (DSN, ADDRESS)

    @property
    def access(self) -> BrokerAccess:
        """All from the Secret: nobody knows its address before it is made."""
        parameters = {"address": self.key(ADDRESS)} | ({"ca": self.key(CA)} if self.tls else {})
        return BrokerAccess(says=("address",), parameters=parameters, tls=self.tls)

    @property
    def is_connected_by_policy(self) -> bool:
        """Memorystore asks for endpoints, and gets them by the policy only."""
        return True

    @property
    def port(self) -> int:
        """Valkey's."""
        return VALKEY_PORT

    @property
    def connection_limit(self) -> int:
        """What is written, or else what the node type takes."""
        written = self.engine_configs.get(CLIENTS, "")
        return int(written) if written.isdecimal() else CLIENT_LIMITS[self.node_type]

    @property
    def limited_by(self) -> tuple[str, ...]:
        """What is written, or else the node type."""
        return ("engineConfigs", CLIENTS) if CLIENTS in self.engine_configs else ("nodeType",)

    @property
    def ca_key(self) -> str | None:
        """With TLS."""
        return CA if self.tls else None

    @property
    def configs(self) -> dict[str, str]:
        """What Valkey is started with: nothing is evicted, unless somebody wrote so (which BR-02 refuses)."""
        return {EVICTION: "noeviction", **self.engine_configs}

    @property
    def loses_seconds(self) -> int | None:
        """How much of what was acknowledged a crash of the node may take, in seconds; None for all of it."""
        periods = {"ONE_HOUR": 1, "SIX_HOURS": 6, "TWELVE_HOURS": 12, "TWENTY_FOUR_HOURS": 24}
        if self.persistence == "AOF":
            return {"ALWAYS": 0, "EVERY_SEC": 1, "NEVER": 30}[self.append_fsync or "ALWAYS"]
        return None if self.persistence == "DISABLED" else 3600 * periods[self.snapshot_period or "ONE_HOUR"]
