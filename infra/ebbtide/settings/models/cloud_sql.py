"""Cloud SQL for PostgreSQL as a broker: a table of Symfony's Doctrine transport, or of any other worker."""

import re
from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.models.broker import ADDRESS, DSN, PASSWORD, MadeBroker, Protocol
from ebbtide.settings.models.broker_access import BrokerAccess
from ebbtide.settings.values.units import Count

POSTGRESQL_PORT = 5432
# Kept back by PostgreSQL for superusers (superuser_reserved_connections), and used by Cloud SQL's own agents.
RESERVED_CONNECTIONS = 10
_CUSTOM = re.compile(r"db-custom-(?P<cpus>\d+)-(?P<memory>\d+)")
_OPTIMIZED = re.compile(r"db-perf-optimized-N-(?P<cpus>\d+)")
_SHARED_CORE_MEBIBYTES = {"db-f1-micro": 614, "db-g1-small": 1740}
# Cloud SQL for PostgreSQL, flags: its default of max_connections, by the memory of the machine in GB.
_CONNECTIONS_BY_GIBIBYTES = ((120, 1000), (60, 800), (30, 600), (15, 500), (7.5, 400), (6, 200), (3.75, 100), (1, 50))
_FEWEST_CONNECTIONS = 25


def memory_mebibytes_of(tier: str) -> int | None:
    """What a machine of Cloud SQL has; None for a name that does not say it."""
    if tier in _SHARED_CORE_MEBIBYTES:
        return _SHARED_CORE_MEBIBYTES[tier]
    custom, optimized = _CUSTOM.fullmatch(tier), _OPTIMIZED.fullmatch(tier)
    if custom:
        return int(custom["memory"])
    return int(optimized["cpus"]) * 8 * 1024 if optimized else None


class CloudSqlPostgres(MadeBroker):
    """Cloud SQL for PostgreSQL, for transports of kind `doctrine`."""

    kind: Literal["cloudSqlPostgres"]
    """Cloud SQL for PostgreSQL."""
    version: Literal["POSTGRES_13", "POSTGRES_14", "POSTGRES_15", "POSTGRES_16", "POSTGRES_17", "POSTGRES_18"] = (
        "POSTGRES_17"
    )
    """The version. It can be raised, never lowered."""
    edition: Literal["ENTERPRISE", "ENTERPRISE_PLUS"] = "ENTERPRISE"
    """Always written out: from PostgreSQL 16 on Google's own default is ENTERPRISE_PLUS, which refuses small
    machines."""
    tier: Annotated[str, Field(pattern=r"^db-[a-zA-Z0-9-]+$", examples=["db-custom-2-7680"])] = "db-custom-2-7680"
    """The machine: `db-custom-<CPUs>-<MiB>`, `db-f1-micro` and `db-g1-small` (no SLA), or of ENTERPRISE_PLUS
    `db-perf-optimized-N-<CPUs>`."""
    availability: Literal["REGIONAL", "ZONAL"] | None = None
    """REGIONAL keeps a copy in another zone, which takes over. Default: REGIONAL where it is protected."""
    disk_size_gigabytes: Count = Field(default=20, ge=10, le=65_536)
    """Where its disk starts. It grows by itself, and from then on this number is left alone."""
    backups_kept: Count = Field(default=14, ge=1, le=365)
    """How many daily backups are kept."""
    point_in_time_days: Count = Field(default=7, ge=1, le=35)
    """Over how many days any moment can be restored; above 7 only with ENTERPRISE_PLUS."""
    max_connections: Count | None = Field(default=None, ge=25, le=262_143)
    """How many connections it takes at once. Default: what Google gives a machine of its memory. A change restarts
    it."""
    flags: dict[str, str] = {}
    """Further flags of PostgreSQL; most restart it."""
    database: str = Field(default="consumers", pattern=r"^[a-z_][a-z0-9_]{0,62}$", examples=["consumers"])
    """The database that is made in it."""
    user: str = Field(default="consumers", pattern=r"^[a-z_][a-z0-9_]{0,62}$", examples=["consumers"])
    """The user that is made in it, with a password that nobody has seen."""

    @property
    def speaks(self) -> Protocol:
        """PostgreSQL."""
        return "postgresql"

    @property
    def keys(self) -> tuple[str, ...]:
        """Where it is with all that is needed to log in; and the password alone, for KEDA."""
        return (DSN, ADDRESS, PASSWORD)

    @property
    def access(self) -> BrokerAccess:
        """One connection string from the Secret, with user, database and encryption."""
        return BrokerAccess(
            says=("address", "database", "username"), parameters={"connection": self.key(DSN)}, tls=True
        )

    @property
    def port(self) -> int:
        """PostgreSQL's."""
        return POSTGRESQL_PORT

    @property
    def memory_mebibytes(self) -> int | None:
        """What the machine has; None for a name that does not say it."""
        return memory_mebibytes_of(self.tier)

    @property
    def cpus(self) -> int | None:
        """What the machine has; None for a part of one, and for a name that does not say it."""
        found = _CUSTOM.fullmatch(self.tier) or _OPTIMIZED.fullmatch(self.tier)
        return int(found["cpus"]) if found else None

    @property
    def stated_connections(self) -> int:
        """The flag: as it is written, or Google's default for the machine, written out so that it stays."""
        if self.max_connections is not None:
            return self.max_connections
        gibibytes = (self.memory_mebibytes or 0) / 1024
        return next((most for least, most in _CONNECTIONS_BY_GIBIBYTES if gibibytes >= least), _FEWEST_CONNECTIONS)

    @property
    def connection_limit(self) -> int:
        """The flag, less what is kept back."""
        return self.stated_connections - RESERVED_CONNECTIONS
