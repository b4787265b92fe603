"""The broker a consumer reads from: what it does with a message whose worker was killed, and how KEDA counts what waits
in it or is in hand.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.broker_access import ToldAccess
from ebbtide.settings.models.demand import Demand
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.values.addresses import spelt_alike

SymfonyLine = Literal["5.4", "6.4", "7.4", "8.0"]
SYMFONY_REDELIVER_SECONDS = 3600
"""Symfony's default of `redeliver_timeout`, of Redis and of Doctrine."""
DELAYED_SUFFIX = "__queue"
"""What Symfony calls the sorted set of a Redis stream in which delayed and retried messages wait."""


class TransportSettings(Family):
    """What every kind of transport answers. A new kind is a file like its neighbours' and a name here."""

    kinds = Kinds(
        redis="redis.RedisTransport",
        doctrine="doctrine.DoctrineTransport",
        rabbitmq="rabbitmq.RabbitmqTransport",
        sqs="sqs.SqsTransport",
        celeryRedis="celery.CeleryRedisTransport",
        bullmqRedis="bullmq.BullmqRedisTransport",
        laravelRedis="laravel.LaravelRedisTransport",
        sidekiqRedis="sidekiq.SidekiqRedisTransport",
    )

    unacknowledged_setting: ClassVar[str]
    """Which field says how long the broker waits for an acknowledgement."""
    where: ClassVar[tuple[str, ...]] = ()
    """Which fields say where the messages are. All of them are needed to count them."""
    framework: ClassVar[str] = ""
    """Whose messages lie there in a way of its own; empty where they are the broker's, which any program reads."""

    renews: ClassVar[bool] = False
    """Whether a worker renews its hold on a message for as long as it works, so that no message is too long for it."""

    same_names: ClassVar[str] = "name the same queues in both places"
    """What to do where the worker consumes other queues than are counted."""
    shared: ClassVar[str] = "queue"
    """Within what its workers take over what others of them have in hand."""

    speaks: ClassVar[str] = ""
    """What is spoken with its broker, as a stack's `broker` says it; empty for one that no `broker` can be. A kind that
    speaks with several says which in `spoken`."""

    dsn_schemes: ClassVar[tuple[str, ...]] = ()
    """How Symfony's DSN of such a transport may begin; empty where nothing of it is compared."""
    dsn_places: ClassVar[Mapping[str, str]] = {}
    """Options of it that say where the messages are, and the field that says the same."""

    of_stack: ToldAccess = Field(default=None, exclude=True, json_schema_extra={"x-injected": True})
    """What the stack's broker tells it, if it reads from that one."""

    @classmethod
    def spoken(cls, written: Mapping[str, Any]) -> str:  # noqa: ARG003 - most kinds have one answer
        """What is spoken with the broker of one that is written like this, which nobody has validated yet."""
        return cls.speaks

    @property
    def protocol(self) -> str:
        """What is spoken with its broker."""
        return self.spoken(vars(self))

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
    def server(self) -> str | None:
        """Where its broker is, in one spelling; empty where only the stack's broker knows, and None where nobody says
        it."""
        told = self.of_stack
        address = self.asked_at or (told.address if told is not None else None)
        if address:
            return spelt_alike(address)
        return None if told is None else ""

    @property
    def shelves(self) -> tuple[tuple[object, ...], ...]:
        """Where on its server a worker takes over what another one has in hand for longer than its own timeout says.
        None in place of a queue that is not said."""
        return ()

    @property
    def held_words(self) -> str:
        """What a worker may hold a message for."""
        before = "the longest delay, " if self.held_before_seconds else ""
        return f"{before}the longest message and its acknowledgement"

    @property
    def queues(self) -> tuple[str, ...]:
        """What is counted."""
        return getattr(self, "queue", ())

    @property
    def queue_names(self) -> tuple[str, ...]:
        """What workers call its queues; none where that is not known."""
        return self.queues

    @property
    def delayed_keys(self) -> tuple[str, ...]:
        """Symfony's sorted sets of what is delayed or retried, one for each stream; none elsewhere."""
        return ()

    @property
    def own_queue(self) -> str | None:
        """What stands behind the broker's address in Symfony's DSN, if it is one: of Redis its stream. To others
        that is the number of a database."""
        return None

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
