"""A server of Redis or Valkey, and the streams in it that Symfony's workers read."""

from typing import ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.demand import Address, Demand, Queues, Trigger, numbered, trigger
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.models.transport import (
    DELAYED_SUFFIX,
    SYMFONY_REDELIVER_SECONDS,
    SymfonyLine,
    TransportSettings,
)
from ebbtide.settings.values.units import Count, Seconds


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
    dsn_schemes = ("redis", "rediss", "valkey", "valkeys")
    dsn_places: ClassVar = {"stream": "stream", "dbindex": "database"}

    kind: Literal["redis"]
    """Redis streams."""
    stream: Queues = ()
    """The stream, as the transport's `stream` option or the path of its DSN names it; several for several receivers."""
    symfony: SymfonyLine | None = None
    """The application's line of Symfony; up to 5.4 its `delete_after_ack` is off by default."""
    delete_after_ack: bool | None = None
    """`delete_after_ack` of the transport. Default: Symfony's own, on from 6.0."""
    redeliver_timeout: Seconds = SYMFONY_REDELIVER_SECONDS
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
    def queues(self) -> tuple[str, ...]:
        """The streams."""
        return self.stream

    @property
    def shelves(self) -> tuple[tuple[object, ...], ...]:
        """Each stream."""
        return tuple((self.database, stream) for stream in self.stream or (None,))

    @property
    def delayed_keys(self) -> tuple[str, ...]:
        """The sorted set of each stream."""
        return tuple(f"{stream}{DELAYED_SUFFIX}" for stream in self.stream)

    @property
    def own_queue(self) -> str | None:
        """The stream, as the path of the DSN."""
        return self.stream[0] if len(self.stream) == 1 else None

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
        for index, (stream, held) in enumerate(zip(self.stream, self.delayed_keys, strict=True)):
            key, later = (numbered(name, index, count) for name in ("stream", "delayed"))
            lengths.append(
                trigger("redis-streams", key, {**self.login, "stream": stream, "streamLength": target}, **self.secrets)
            )
            delayed.append(self.counted(later, held, target))
        return Demand.summed(lengths, target, later=delayed if from_zero else ())

    @property
    def recover_after_seconds(self) -> int | None:
        """Where it is asked for, no sooner than Symfony itself would give them to another worker."""
        return self.redeliver_timeout if self.recover else None
