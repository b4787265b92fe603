"""The broker of a stack: made with the cluster, or one that exists. What a queue needs of it is the default."""

from abc import abstractmethod
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.broker_access import BrokerAccess
from ebbtide.settings.models.cluster import Day
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.models.node_pool import KmsKey
from ebbtide.settings.models.pod import Cidr, EgressRule, SecretReference
from ebbtide.settings.values.addresses import service_of
from ebbtide.settings.values.names import BROKER_NAME_MAX_LENGTH, BrokerName, EnvironmentName, SecretKey, SecretName
from ebbtide.settings.values.units import Count

Protocol = Literal["redis", "postgresql", "mysql", "amqp"]
"""What is spoken with it. A transport of the same protocol reads from it."""
DSN, ADDRESS, CA, PASSWORD = "dsn", "address", "ca", "password"
# What Valkey drops when it is full.
EVICTION = "maxmemory-policy"
# How many connections PostgreSQL takes.
MAX_CONNECTIONS = "max_connections"
_OF_DATABASES = {"postgresql": "DATABASE_URL", "mysql": "DATABASE_URL"}
"""What a Symfony application reads. Of other brokers it is the variable of its transport."""
_ADDRESS = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?:[0-9]{1,5}$"


class BrokerSettings(Family):
    """What every kind of broker answers. A new kind is a class like these and a name here; what it makes in Google
    Cloud, it registers with `build_broker` in `manifests/broker.py`."""

    kinds = Kinds(
        memorystoreValkey="memorystore.MemorystoreValkey",
        cloudSqlPostgres="cloud_sql.CloudSqlPostgres",
        existing="broker.ExistingBroker",
    )

    provides: dict[EnvironmentName, SecretKey] | None = None
    """Variables of every consumer that reads from it, by the key of its Secret. Default: `MESSENGER_TRANSPORT_DSN`
    from `dsn`, and of a database `DATABASE_URL`. A transport's `stream` is put behind the address."""

    @property
    @abstractmethod
    def speaks(self) -> Protocol:
        """What is spoken with it."""

    @property
    @abstractmethod
    def secret_name(self) -> str:
        """The Kubernetes Secret with its address and credentials. It has a version in its name: a new one is what
        rolls the pods."""

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """What is in the Secret."""

    @property
    @abstractmethod
    def connection_limit(self) -> int | None:
        """How many connections it takes at once; None where nobody has said."""

    @property
    def limited_by(self) -> tuple[str, ...]:
        """Which setting decides how many those are."""
        return ("maxConnections",)

    @property
    @abstractmethod
    def egress(self) -> EgressRule | None:
        """Where it is, for network policies; None where it is only known with the cluster's network."""

    @property
    def is_made(self) -> bool:
        """Whether the stack makes it."""
        return False

    @property
    def variables(self) -> Mapping[str, SecretReference]:
        """What every consumer that reads from it gets from the Secret."""
        # 3 ms that a stack without a broker need not pay.
        from ebbtide.brokers import DSN as MESSENGER_DSN  # noqa: PLC0415

        usual = {_OF_DATABASES.get(self.speaks, MESSENGER_DSN): DSN}
        given = self.provides if self.provides is not None else usual
        return {name: self.key(key) for name, key in given.items()}

    @property
    @abstractmethod
    def access(self) -> BrokerAccess:
        """What a transport that reads from it is told."""

    def key(self, name: str) -> SecretReference:
        """One of the keys of its Secret."""
        return SecretReference(secret=self.secret_name, key=name)

    @property
    def ca_key(self) -> str | None:
        """Which key of the Secret holds the authority that signs its certificate; None without TLS of its own."""
        return None


class BrokerSecretSettings(SettingsModel):
    """The Secret through which consumers and KEDA learn where the broker is and how to log in. The value lies in
    Secret Manager, and GKE writes it into the Kubernetes Secret `<name>-v<version>`."""

    name: BrokerName = Field(default="broker", max_length=BROKER_NAME_MAX_LENGTH)
    """What it is called, before its version."""
    version: Count = Field(default=1, ge=1, le=100_000)
    """Raise it to rotate: a new password is made, and the Secret's new name rolls the pods."""
    sync: bool | None = None
    """Let GKE write it (secret sync, from GKE 1.34). Default: where the stack makes the cluster, or says that it is
    one of GKE. Without it one command does (docs/brokers.md)."""


class BrokerMaintenance(SettingsModel):
    """When Google may update the broker, which takes its connections for seconds to minutes."""

    day: Day
    """On which day."""
    hour: Count = Field(ge=0, le=23)
    """In which hour, in UTC; the window is one hour."""


class BrokerNetwork(SettingsModel):
    """Where the broker is reached, in a network that the stack does not make."""

    network: str = Field(
        pattern=r"^projects/[^/]+/global/networks/[^/]+$", examples=["projects/acme/global/networks/queues"]
    )
    """The cluster's network, `projects/<project>/global/networks/<network>`."""
    addresses: Cidr
    """A free range of it, /29 or larger, in which the broker gets its address. Network policies open it alone."""
    connection_policy: Literal["existing"] | None = None
    """`existing` where the network has a service connection policy for Memorystore already: it can have one in a
    region. `addresses` is then the range of that one's subnet, and neither is made. Default: both are made."""

    @property
    def project(self) -> str:
        """Whose network it is: of a Shared VPC another project's than the stack's."""
        return self.network.split("/")[1]


class MadeBroker(BrokerSettings):
    """What every broker that the stack makes in Google Cloud has."""

    name: BrokerName | None = Field(default=None, max_length=BROKER_NAME_MAX_LENGTH)
    """Its name in Google Cloud. Default: `ebbtide-<stack>`. Another one is another broker, without the messages."""
    network: BrokerNetwork | None = None
    """Only with a cluster that exists: where it is. Otherwise it is in the cluster's network."""
    protect: bool | None = None
    """Refuse to delete or replace it, in Pulumi and in Google's API. Default: everywhere but in a stack called after
    development or tests (dev, local, test, ci, review, preview, sandbox)."""
    maintenance: BrokerMaintenance | None = None
    """When Google may update it. Default: in the hour before the cluster's own window, on its first day, so that
    a failover of the broker and the drain of a node do not meet."""
    secret: BrokerSecretSettings = BrokerSecretSettings.model_construct()
    """Its address and credentials."""
    encryption_key: KmsKey | None = None
    """A Cloud KMS key for its data; Google's own key if none is given. Another one is another broker."""

    @property
    def is_made(self) -> bool:
        """By this stack."""
        return True

    @property
    def secret_name(self) -> str:
        """With its version."""
        return f"{self.secret.name}-v{self.secret.version}"

    @property
    def is_connected_by_policy(self) -> bool:
        """Whether Google makes its endpoints, by a service connection policy of the network."""
        return False

    @property
    def makes_place(self) -> bool:
        """Whether the range of its addresses, and what connects it there, are made with it."""
        return self.network is None or self.network.connection_policy is None

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens."""

    @property
    def egress(self) -> EgressRule | None:
        """The range of its addresses, where it is written here."""
        return None if self.network is None else EgressRule(cidr=self.network.addresses, ports=(self.port,))


class ExistingBroker(BrokerSettings):
    """A broker that something else manages: its address, and the Secret that is there already."""

    kind: Literal["existing"]
    """A broker that exists."""
    protocol: Protocol
    """What is spoken with it."""
    address: str = Field(pattern=_ADDRESS, examples=["10.20.0.7:6379", "redis.brokers:6379"])
    """Host and port. An IP address and the name of a Service say by themselves what the network policy opens; a name of
    two labels, as `redis.brokers`, is taken for a Service and its namespace."""
    secret: SecretName
    """A Secret in the consumers' namespace. Put a version into its name: a new name is what rolls the pods."""
    password_key: SecretKey | None = None
    """The key with the password alone, for KEDA's trigger. None for a broker without one."""
    max_connections: Count | None = Field(default=None, ge=1)
    """How many connections it takes at once, if anybody knows."""
    reached_at: EgressRule | None = None
    """What the network policy opens, where the address does not say it: a name outside of the cluster, also
    one of two labels."""

    @property
    def speaks(self) -> Protocol:
        """As it is written."""
        return self.protocol

    @property
    def secret_name(self) -> str:
        """As it is written."""
        return self.secret

    @property
    def keys(self) -> tuple[str, ...]:
        """What is known of it."""
        return (DSN,) if self.password_key is None else (DSN, self.password_key)

    @property
    def connection_limit(self) -> int | None:
        """As it is written."""
        return self.max_connections

    @property
    def access(self) -> BrokerAccess:
        """Its address, and its password if it has one."""
        password = {} if self.password_key is None else {"password": self.key(self.password_key)}
        # KEDA counts RabbitMQ's messages at its management plugin, which is elsewhere.
        says = () if self.protocol == "amqp" else ("address",)
        return BrokerAccess(says=says, address=self.address if says else None, parameters=password if says else {})

    @property
    def egress(self) -> EgressRule | None:
        """What is written, or what the address says."""
        if self.reached_at is not None:
            return self.reached_at
        host, _, port = self.address.rpartition(":")
        try:
            return EgressRule(cidr=f"{IPv4Address(host)}/32", ports=(int(port),))
        except AddressValueError:
            service = service_of(host)
        return EgressRule(namespace=service.namespace, ports=(int(port),)) if service else None

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if not 1 <= int(self.address.rpartition(":")[2]) <= 65535:
            context = {"got": self.address, "remedy": "write host and port, for example 10.20.0.7:6379"}
            raise PydanticCustomError("address", "address has no port of TCP (got {got})", context)
        if self.egress is None:
            context = {
                "got": self.address,
                "remedy": "write reachedAt: {cidr: ..., ports: [...]}, or its IP address under address",
            }
            raise PydanticCustomError(
                "address",
                "address is no IP address and no Service, so no network policy can open it (got {got})",
                context,
            )
        return self
