"""A table of PostgreSQL or MySQL that Symfony's workers read."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.demand import Address, Demand, Queues, trigger
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.models.transport import SYMFONY_REDELIVER_SECONDS, SymfonyLine, TransportSettings
from ebbtide.settings.values.units import Seconds


class DoctrineTransport(TransportSettings):
    """A table in PostgreSQL or MySQL."""

    unacknowledged_setting = "redeliver_timeout"
    where = ("address", "database", "username")
    framework = "symfonyMessenger"
    dsn_schemes = ("doctrine",)
    dsn_places: ClassVar = {"queue_name": "queue", "table_name": "table"}
    speaks = "postgresql"

    kind: Literal["doctrine"]
    """A database table."""
    platform: Literal["postgresql", "mysql"] = "postgresql"
    """What the database is. MariaDB is a `mysql`."""
    address: Address | None = Field(default=None, examples=["postgresql.brokers:5432"])
    """Where the database is, for KEDA."""
    database: str | None = Field(default=None, min_length=1)
    """The database's name."""
    username: str | None = Field(default=None, min_length=1)
    """The user for KEDA. It needs to read the table, and nothing else."""
    password: SecretReference | None = None
    """The password for KEDA."""
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "require"
    """How KEDA's connection to PostgreSQL is encrypted. KEDA knows the system's authorities only, and has no such
    choice for MySQL."""
    table: str = Field(
        default="messenger_messages", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$"
    )
    """`table_name` of the transport."""
    queue: Queues = ("default",)
    """`queue_name` of the transport; several for several receivers."""
    symfony: SymfonyLine | None = None
    """The application's line of Symfony; up to 5.4 it writes PHP's local time."""
    time_zone: str = Field(default="UTC", pattern=r"^[A-Za-z0-9_+:/-]{1,64}$", examples=["Europe/Paris"])
    """The time zone in which `available_at` is written: UTC from Symfony 6 on, before that PHP's `date.timezone`."""
    redeliver_timeout: Seconds = SYMFONY_REDELIVER_SECONDS
    """`redeliver_timeout` of the transport (Symfony's default is an hour)."""

    @classmethod
    def spoken(cls, written: Mapping[str, Any]) -> str:
        """As its platform."""
        return str(written.get("platform", cls.speaks))

    @property
    def server(self) -> str | None:
        """Of a database, which has to be said too; the stack's broker says it to everybody alike."""
        return None if self.database is None and self.of_stack is None else super().server

    @property
    def shelves(self) -> tuple[tuple[object, ...], ...]:
        """Each queue of the table."""
        return tuple((self.database or "", self.table, queue) for queue in self.queue)

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is handled again, in seconds."""
        return self.redeliver_timeout

    @property
    def query(self) -> str:
        """What counts the rows that are due: waiting and in hand, since a row is deleted when its message is
        acknowledged. One number, and never NULL. The columns have no time zone."""
        now = "UTC_TIMESTAMP()" if self.platform == "mysql" else f"(now() AT TIME ZONE '{self.time_zone}')"
        names = ", ".join(f"'{queue}'" for queue in self.queue)
        # Names and zone hold no quotes: their types see to it.
        return f"SELECT count(*) FROM {self.table} WHERE queue_name IN ({names}) AND available_at <= {now}"  # noqa: S608

    def demand(self, target: int, *, from_zero: bool) -> Demand:  # noqa: ARG002 - rows come due by themselves
        """One query for all queues."""
        told = self.of_stack
        if told is not None and "connection" in told.parameters:
            counted = {"query": self.query, "targetQueryValue": target, "activationTargetQueryValue": 0}
            return Demand.summed((trigger(self.platform, "rows", counted, **told.parameters),), target)
        host, _, port = (self.address or (told.address if told else None) or "").rpartition(":")
        login = {"host": host.strip("[]"), "port": port, "dbName": self.database, "query": self.query}
        secrets = {"password": self.password, **(told.parameters if told else {})}
        if self.platform == "mysql":
            metadata = {**login, "username": self.username, "queryValue": target, "activationQueryValue": 0}
        else:
            of_postgresql = {"userName": self.username, "sslmode": self.ssl_mode}
            metadata = {**login, **of_postgresql, "targetQueryValue": target, "activationTargetQueryValue": 0}
        return Demand.summed((trigger(self.platform, "rows", metadata, **secrets),), target)
