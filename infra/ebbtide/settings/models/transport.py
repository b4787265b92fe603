"""The broker a consumer reads from: what it does with a message whose worker was killed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.values.units import Count, Seconds


class TransportSettings(SettingsModel):
    """What every kind of transport answers. A new kind is a class like those below and a name in `Transport`."""

    unacknowledged_setting: ClassVar[str]
    """Which field says how long the broker waits for an acknowledgement."""

    @property
    def unacknowledged_seconds(self) -> int:
        """How long a message may be unacknowledged before the broker hands it out again, in seconds."""
        return int(getattr(self, self.unacknowledged_setting))

    @property
    @abstractmethod
    def redelivery_seconds(self) -> int:
        """The longest wait before the first message of a killed worker is handled again, in seconds."""

    @property
    def messages_taken(self) -> int:
        """How many messages one worker process takes from the broker at once, and handles one after the other."""
        return 1

    @property
    def recovers(self) -> bool:
        """Whether the image claims messages of killed workers by itself."""
        return False


class RedisTransport(TransportSettings):
    """Redis streams."""

    unacknowledged_setting = "redeliver_timeout"

    kind: Literal["redis"]
    """Redis streams."""
    redeliver_timeout: Seconds = 3600
    """`redeliver_timeout` of the transport: how long a message may be pending before another worker takes it.
    Symfony's default is an hour (V-34)."""
    claim_interval: Seconds = 60
    """`claim_interval` of the transport, in whole seconds: how often a worker looks for such messages."""
    recover: bool = False
    """Let the image claim messages that are pending for longer than the shutdown budget. Symfony itself recovers
    one message at a time: 8 killed messages of 5 s came back one every 5 s (measured)."""

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before the first killed message is handled again, in seconds."""
        return self.redeliver_timeout + self.claim_interval

    @property
    def recovers(self) -> bool:
        """Where it is asked for."""
        return self.recover


class DoctrineTransport(TransportSettings):
    """A table in PostgreSQL or MySQL."""

    unacknowledged_setting = "redeliver_timeout"

    kind: Literal["doctrine"]
    """A database table."""
    redeliver_timeout: Seconds = 3600
    """`redeliver_timeout` of the transport (Symfony's default is an hour)."""

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is handled again, in seconds."""
        return self.redeliver_timeout


class RabbitmqTransport(TransportSettings):
    """RabbitMQ (AMQP)."""

    unacknowledged_setting = "consumer_timeout"

    kind: Literal["rabbitmq"]
    """RabbitMQ."""
    consumer_timeout: Seconds = 1800
    """The broker's `consumer_timeout`: a message not acknowledged by then closes the channel."""

    @property
    def redelivery_seconds(self) -> int:
        """A closed connection gives its messages back at once."""
        return 0


class SqsTransport(TransportSettings):
    """Amazon SQS."""

    unacknowledged_setting = "visibility_timeout"

    kind: Literal["sqs"]
    """Amazon SQS."""
    visibility_timeout: Seconds = 30
    """The queue's visibility timeout (AWS's default is 30 s)."""
    buffer_size: Count = Field(default=9, ge=1, le=10)
    """`buffer_size` of the transport: how many messages a worker takes at once. The timeout runs for all of them while
    it handles the first; Symfony's default is 9."""

    @property
    def messages_taken(self) -> int:
        """The buffer's size."""
        return self.buffer_size

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is visible again, in seconds."""
        return self.visibility_timeout


Transport = Annotated[
    RedisTransport | DoctrineTransport | RabbitmqTransport | SqsTransport, Field(discriminator="kind")
]
