"""Queues of RabbitMQ."""

from typing import Literal

from pydantic import Field

from ebbtide.settings.models.demand import Address, Demand, Queues, numbered, trigger
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.values.units import Count, Seconds


class RabbitmqTransport(TransportSettings):
    """RabbitMQ (AMQP)."""

    unacknowledged_setting = "consumer_timeout"
    where = ("address", "queue", "username", "password")
    speaks = "amqp"

    kind: Literal["rabbitmq"]
    """RabbitMQ."""
    address: Address | None = Field(default=None, examples=["rabbitmq.brokers:15672"])
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
    def shelves(self) -> tuple[tuple[object, ...], ...]:
        """Each queue of the virtual host."""
        return tuple((self.virtual_host, queue) for queue in self.queue or (None,))

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
