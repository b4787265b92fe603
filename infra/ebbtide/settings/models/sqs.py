"""Queues of Amazon SQS."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ebbtide.settings.models.base import OrText
from ebbtide.settings.models.demand import Demand, as_list, numbered, trigger
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.values.units import Count, Seconds

SqsQueue = Annotated[
    str,
    Field(
        pattern=r"^https://[a-z0-9.-]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"],
    ),
]
SqsQueues = Annotated[tuple[SqsQueue, ...], BeforeValidator(as_list), OrText]


class SqsTransport(TransportSettings):
    """Amazon SQS."""

    unacknowledged_setting = "visibility_timeout"
    where = ("queue", "region")
    dsn_schemes = ("sqs", "https")

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
    def server(self) -> str | None:
        """A queue's URL says it."""
        return ""

    @property
    def shelves(self) -> tuple[tuple[object, ...], ...]:
        """Each queue."""
        return tuple((url,) for url in self.queue)

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
