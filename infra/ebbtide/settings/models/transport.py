"""The broker a consumer reads from: what it does with a message whose worker was killed, and how KEDA counts what waits
in it or is in hand.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ebbtide.settings.models.base import OrText, SettingsModel
from ebbtide.settings.models.broker_access import ToldAccess
from ebbtide.settings.models.demand import Address, Demand, Queues, Trigger, as_list, numbered, trigger
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.values.units import Count, Seconds

SymfonyLine = Literal["5.4", "6.4", "7.4", "8.0"]


SqsQueue = Annotated[
    str,
    Field(
        pattern=r"^https://[a-z0-9.-]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"],
    ),
]
SqsQueues = Annotated[tuple[SqsQueue, ...], BeforeValidator(as_list), OrText]


class TransportSettings(SettingsModel):
    """What every kind of transport answers. A new kind is a class like those below and a name in `Transport`."""

    unacknowledged_setting: ClassVar[str]
    """Which field says how long the broker waits for an acknowledgement."""
    where: ClassVar[tuple[str, ...]] = ()
    """Which fields say where the messages are. All of them are needed to count them."""
    framework: ClassVar[str] = ""
    """Whose messages lie there in a way of its own; empty where they are the broker's, which any program reads."""

    renews: ClassVar[bool] = False
    """Whether a worker renews its hold on a message for as long as it works, so that no message is too long for it."""

    speaks: ClassVar[str] = ""
    """What is spoken with its broker, as a stack's `broker` says it; empty for one that no `broker` can be."""

    of_stack: ToldAccess = Field(default=None, exclude=True, json_schema_extra={"x-injected": True})
    """What the stack's broker tells it, if it reads from that one."""

    @property
    def is_symfony(self) -> bool:
        """Whether only Symfony's workers read what lies there."""
        return self.framework == "symfonyMessenger"

    @property
    def unacknowledged_seconds(self) -> int:
        """How long a message may be unacknowledged before the broker hands it out again, in seconds."""
        return int(getattr(self, self.unacknowledged_setting))

    @property
    def own_address(self) -> str | None:
        """Where its broker is, if the transport says so itself."""
        return getattr(self, "address", None)

    @property
    def queues(self) -> tuple[str, ...]:
        """What is counted: its queues, or of Redis its streams."""
        return getattr(self, "stream", ()) or getattr(self, "queue", ())

    @property
    def queue_names(self) -> tuple[str, ...]:
        """What workers call its queues; none where that is not known."""
        return self.queues

    @property
    def own_queue(self) -> str | None:
        """What stands behind the broker's address in Symfony's DSN: the stream, if the transport names exactly one.
        To others that is the number of a database."""
        names: tuple[str, ...] = getattr(self, "stream", ())
        return names[0] if len(names) == 1 else None

    @property
    @abstractmethod
    def redelivery_seconds(self) -> int:
        """The longest wait before the first message of a killed worker is handled again, in seconds."""

    @property
    def messages_taken(self) -> int:
        """How many messages one Symfony worker takes from the broker at once, and handles one after the other."""
        return 1

    @property
    def held_before_seconds(self) -> int:
        """How long a worker may hold a message before it begins it, in seconds."""
        return 0

    @property
    def image_variables(self) -> dict[str, str]:
        """What the image reads of this kind alone."""
        return {}

    @property
    def kills_before_loss(self) -> int | None:
        """How many workers may be killed with one message before it is removed; None where it never is."""
        return None

    @property
    def recover_after_seconds(self) -> int | None:
        """After how long the image itself claims messages that nobody acknowledged, in seconds; None where it does
        not."""
        return None

    @property
    def recovers(self) -> bool:
        """Whether the image claims messages of killed workers by itself."""
        return self.recover_after_seconds is not None

    @property
    def asked_at(self) -> str:
        """Where KEDA's operator finds it, `host:port`; empty where nobody has said."""
        return getattr(self, "address", None) or ""

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Which of `where` are not given."""
        told = self.of_stack.says if self.of_stack is not None else ()
        return tuple(name for name in self.where if not getattr(self, name) and name not in told)

    def demand(self, target: int, *, from_zero: bool) -> Demand:  # noqa: ARG002
        """What KEDA watches, with `target` messages for each pod; `from_zero` where it must also wake the first one.
        No triggers where a kind knows none."""
        return Demand(())


class RedisServer(TransportSettings):
    """What every kind of transport on Redis or Valkey has: where the server is, and how KEDA logs in."""

    speaks = "redis"

    address: Address | None = None
    """Where the server is, for KEDA. One server: neither a cluster nor sentinels."""
    username: str | None = Field(default=None, min_length=1)
    """The user for KEDA; none where only a password is asked for. It needs `+xlen +llen +zcard +hlen +eval +type`,
    read only."""
    password: SecretReference | None = None
    """The password for KEDA."""
    tls: bool = False
    """Whether the connection is encrypted."""
    ca: SecretReference | None = None
    """The certificate of an authority of your own."""
    database: Count = Field(default=0, ge=0)
    """The number of the database (`dbindex`)."""

    @property
    def login(self) -> dict[str, object]:
        """What a trigger's metadata says of the server."""
        told = self.of_stack
        return {
            "address": self.address or (told.address if told else None),
            "username": self.username,
            "databaseIndex": self.database or None,
            "enableTLS": True if self.tls or (told is not None and told.tls) else None,
        }

    @property
    def secrets(self) -> dict[str, SecretReference | None]:
        """Parameters of a trigger whose values are keys of Secrets."""
        told = self.of_stack
        return {"password": self.password, "ca": self.ca, **(told.parameters if told else {})}

    def counted(self, name: str, key: str, target: int) -> Trigger:
        """A trigger for what is in one key: a list, a set or a hash, whichever it is."""
        of_key = {"listName": key, "listLength": target, "activationListLength": 0}
        return trigger("redis", name, {**self.login, **of_key}, **self.secrets)


class RedisTransport(RedisServer):
    """Redis streams."""

    unacknowledged_setting = "redeliver_timeout"
    where = ("address", "stream")
    framework = "symfonyMessenger"

    kind: Literal["redis"]
    """Redis streams."""
    stream: Queues = ()
    """The stream, as the transport's `stream` option or the path of its DSN names it; several for several receivers."""
    symfony: SymfonyLine | None = None
    """The application's line of Symfony; up to 5.4 its `delete_after_ack` is off by default."""
    delete_after_ack: bool | None = None
    """`delete_after_ack` of the transport. Default: Symfony's own, on from 6.0."""
    redeliver_timeout: Seconds = 3600
    """`redeliver_timeout` of the transport: how long a message may be pending before another worker takes it.
    Symfony's default is an hour (V-34)."""
    claim_interval: Seconds = 60
    """`claim_interval` of the transport, in whole seconds: how often a worker looks for such messages."""
    recover: bool = False
    """Let the image claim messages that are pending for longer than `redeliverTimeout`, all at once. Symfony itself
    recovers one message at a time: 8 killed messages of 5 s came back one every 5 s (measured). They go to the end of
    the queue; one that was recovered five times is put aside, as it takes its workers with it. It also deletes entries
    that were acknowledged and not deleted, as an outage leaves them: KEDA counts the length of the stream, and never
    came to zero (measured). For that the transport's options must say `delete_after_ack: true` themselves."""

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before the first killed message is handled again, in seconds."""
        return self.redeliver_timeout + self.claim_interval

    @property
    def deletes_after_ack(self) -> bool:
        """Whether a message that was handled leaves the stream."""
        return self.symfony != "5.4" if self.delete_after_ack is None else self.delete_after_ack

    def demand(self, target: int, *, from_zero: bool) -> Demand:
        """The length of each stream, without a group: waiting and in hand (100 added, 20 delivered, 5 acknowledged:
        95). The lag of a group leaves out what is in hand, and is NULL at times (KE-32).

        What is delayed or retried lies in a sorted set that only a running consumer empties. At zero pods one such
        message wakes one pod and keeps it, however many there are: they may be due tomorrow.
        """
        count = len(self.stream)
        lengths, delayed = [], []
        for index, stream in enumerate(self.stream):
            key, later = (numbered(name, index, count) for name in ("stream", "delayed"))
            lengths.append(
                trigger("redis-streams", key, {**self.login, "stream": stream, "streamLength": target}, **self.secrets)
            )
            delayed.append(self.counted(later, f"{stream}__queue", target))
        return Demand.summed(lengths, target, later=delayed if from_zero else ())

    @property
    def recover_after_seconds(self) -> int | None:
        """Where it is asked for, no sooner than Symfony itself would give them to another worker."""
        return self.redeliver_timeout if self.recover else None


class DoctrineTransport(TransportSettings):
    """A table in PostgreSQL or MySQL."""

    unacknowledged_setting = "redeliver_timeout"
    where = ("address", "database", "username")
    framework = "symfonyMessenger"
    speaks = "postgresql"

    kind: Literal["doctrine"]
    """A database table."""
    platform: Literal["postgresql", "mysql"] = "postgresql"
    """What the database is. MariaDB is a `mysql`."""
    address: Address | None = None
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
    redeliver_timeout: Seconds = 3600
    """`redeliver_timeout` of the transport (Symfony's default is an hour)."""

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


class RabbitmqTransport(TransportSettings):
    """RabbitMQ (AMQP)."""

    unacknowledged_setting = "consumer_timeout"
    where = ("address", "queue", "username", "password")
    speaks = "amqp"

    kind: Literal["rabbitmq"]
    """RabbitMQ."""
    address: Address | None = None
    """Where the management plugin listens, for KEDA: usually port 15672, or 15671 with TLS. AMQP itself tells only
    what waits, and not what is in hand."""
    queue: Queues = ()
    """The queue; several for several receivers."""
    virtual_host: str = Field(default="/", min_length=1)
    """The virtual host of the queues."""
    username: SecretReference | None = None
    """The user for KEDA. It needs the tag `monitoring` and rights to read on the virtual host."""
    password: SecretReference | None = None
    """Its password."""
    tls: bool = False
    """Whether management is reached by https, with a certificate of an authority that everybody knows."""
    consumer_timeout: Seconds = 1800
    """The broker's `consumer_timeout`: a message not acknowledged by then closes the channel."""
    max_retries: Count = 3
    """`retry_strategy.max_retries` of the transport. On RabbitMQ each killed worker uses up one retry of its message,
    because Symfony takes what is redelivered for failed."""
    failure_transport: bool = False
    """Whether messages without a retry left go to a failure transport. Without one Symfony removes them."""

    @property
    def own_address(self) -> str | None:
        """None: its address is that of the management plugin, and says nothing of the broker's own."""
        return None

    @property
    def redelivery_seconds(self) -> int:
        """A closed connection gives its messages back at once."""
        return 0

    def demand(self, target: int, *, from_zero: bool) -> Demand:  # noqa: ARG002 - delays are the broker's own
        """Ready and unacknowledged messages of each queue."""
        host = f"{'https' if self.tls else 'http'}://{self.address}/"
        triggers = tuple(
            trigger(
                "rabbitmq",
                numbered("queue", index, len(self.queue)),
                {
                    "host": host,
                    "protocol": "http",
                    "vhostName": self.virtual_host,
                    "queueName": queue,
                    "mode": "QueueLength",
                    "value": target,
                    "activationValue": 0,
                },
                username=self.username,
                password=self.password,
            )
            for index, queue in enumerate(self.queue)
        )
        return Demand.summed(triggers, target)

    @property
    def kills_before_loss(self) -> int | None:
        """RejectRedeliveredMessageMiddleware turns a redelivered message into a failed one."""
        return None if self.failure_transport else self.max_retries


class SqsTransport(TransportSettings):
    """Amazon SQS."""

    unacknowledged_setting = "visibility_timeout"
    where = ("queue", "region")

    kind: Literal["sqs"]
    """Amazon SQS."""
    queue: SqsQueues = ()
    """The queue's URL; several for several receivers."""
    region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", examples=["eu-west-1"])
    """Its region."""
    access_key_id: SecretReference | None = None
    """The access key for KEDA, which needs `sqs:GetQueueAttributes`. Without one KEDA's own role is used."""
    secret_access_key: SecretReference | None = None
    """Its secret."""
    visibility_timeout: Seconds = 30
    """The queue's visibility timeout (AWS's default is 30 s)."""
    buffer_size: Count = Field(default=9, ge=1, le=10)
    """`buffer_size` of the transport: how many messages a worker takes at once. The timeout runs for all of them while
    it handles the first; Symfony's default is 9."""

    @property
    def queue_names(self) -> tuple[str, ...]:
        """A URL is no name: an application has a prefix for them, or a table of its own."""
        return ()

    @property
    def messages_taken(self) -> int:
        """The buffer's size."""
        return self.buffer_size

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is visible again, in seconds."""
        return self.visibility_timeout

    @property
    def asked_at(self) -> str:
        """Amazon's API."""
        return f"sqs.{self.region}.amazonaws.com:443" if self.region else ""

    def demand(self, target: int, *, from_zero: bool) -> Demand:  # noqa: ARG002 - delays are the broker's own
        """Visible and in-flight messages of each queue."""
        triggers = tuple(
            trigger(
                "aws-sqs-queue",
                numbered("queue", index, len(self.queue)),
                {
                    "queueURL": queue,
                    "awsRegion": self.region,
                    "queueLength": target,
                    "activationQueueLength": 0,
                    "scaleOnInFlight": True,
                },
                awsAccessKeyID=self.access_key_id,
                awsSecretAccessKey=self.secret_access_key,
            )
            for index, queue in enumerate(self.queue)
        )
        return Demand.summed(triggers, target, identity=None if self.access_key_id else "aws")
