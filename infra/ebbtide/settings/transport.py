"""The broker a consumer reads from: what it does with a message whose worker was killed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.base import SettingsModel
from ebbtide.settings.units import Seconds


class RedisTransport(SettingsModel):
    """Redis streams."""

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


class DoctrineTransport(SettingsModel):
    """A table in PostgreSQL or MySQL."""

    kind: Literal["doctrine"]
    """A database table."""
    redeliver_timeout: Seconds = 3600
    """`redeliver_timeout` of the transport (Symfony's default is an hour: V-35)."""

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is handled again, in seconds."""
        return self.redeliver_timeout


class RabbitmqTransport(SettingsModel):
    """RabbitMQ (AMQP)."""

    kind: Literal["rabbitmq"]
    """RabbitMQ."""
    consumer_timeout: Seconds = 1800
    """The broker's `consumer_timeout`: a message not acknowledged by then closes the channel (V-35)."""

    @property
    def redelivery_seconds(self) -> int:
        """A closed connection gives its messages back at once."""
        return 0


class SqsTransport(SettingsModel):
    """Amazon SQS."""

    kind: Literal["sqs"]
    """Amazon SQS."""
    visibility_timeout: Seconds = 30
    """The queue's visibility timeout (AWS's default is 30 s: V-35)."""

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is visible again, in seconds."""
        return self.visibility_timeout


Transport = Annotated[
    RedisTransport | DoctrineTransport | RabbitmqTransport | SqsTransport, Field(discriminator="kind")
]
