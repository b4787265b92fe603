"""BullMQ: a program of your own around its `Worker`, and what its jobs are on Redis.

Read in BullMQ 6.7.0, and run with it (tests/runtime/test_bullmq.py).
"""

from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.models.demand import Demand, Queues, numbered
from ebbtide.settings.models.redis import RedisServer
from ebbtide.settings.models.worker import ConnectionsSettings, ProgramWorker, Word
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import Count, PhpMemoryBytes, Seconds


class BullmqConnections(ConnectionsSettings):
    """Connections of one process."""

    broker: Count = Field(default=2, ge=0, le=100)
    """Connections to Redis: one that waits for jobs and one for everything else (measured, one `Worker`)."""


class BullmqWorker(ProgramWorker):
    """A program with a BullMQ `Worker` that calls `worker.close()` on its stop signal: without a handler Node.js dies
    of it in the middle of every job. `examples/bullmq` has one."""

    framework = "bullmq"
    transports = "bullmqRedis"

    kind: Literal["bullmq"]
    """BullMQ."""
    command: Annotated[tuple[Word, ...], Field(min_length=1, examples=[["node", "worker.js"]])]
    """The program and its arguments, one string each; it is executed without a shell."""
    queues: Queues = ()
    """The queues that it has a `Worker` for; here so that they are held against what KEDA counts."""
    concurrency: Count = Field(default=1, ge=1, le=1000)
    """How many jobs one process handles at the same time, all its `Worker`s together. The program reads it as
    `EBBTIDE_CONCURRENCY`: one that says a number of its own makes budget and triggers wrong."""
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR2"] = "TERM"
    """The signal whose handler calls `worker.close()`. Node.js keeps USR1 to itself."""
    memory_limit: PhpMemoryBytes = 256 * 1024**2
    """What one process uses at most. It is not enforced here: it sizes the pod's memory."""
    connections: ConnectionsSettings = BullmqConnections.model_construct()
    """Connections held by each process."""

    @property
    def at_once(self) -> int:
        """As `concurrency` says."""
        return self.concurrency

    @property
    def image_kind(self) -> str:
        """Its own name."""
        return self.kind

    @property
    def image_variables(self) -> dict[str, str]:
        """What the program reads."""
        return {image_contract.CONCURRENCY: str(self.concurrency)}

    @property
    def queue_names(self) -> tuple[str, ...]:
        """As `queues` says."""
        return self.queues


class BullmqRedisTransport(RedisServer):
    """BullMQ's queues on Redis or Valkey: lists of what waits and of what is in hand, and sorted sets of what has a
    priority or is delayed."""

    unacknowledged_setting = "lock_duration"
    where = ("address", "queue")
    framework = "bullmq"
    renews = True

    kind: Literal["bullmqRedis"]
    """BullMQ's queues on Redis."""
    queue: Queues = ()
    """The queues' names."""
    prefix: str = Field(default="bull", pattern=r"^[A-Za-z0-9_.:{}-]{1,100}$", examples=["bull"])
    """The `prefix` of its keys."""
    lock_duration: Seconds = Field(default=30, ge=1)
    """`lockDuration` of the `Worker`: how long a job stays locked when nobody renews it. A worker does so by half of
    this; code that computes for longer without a pause keeps it from that, and the job is handled twice at once."""
    stalled_interval: Seconds = Field(default=30, ge=1)
    """`stalledInterval`: how often a worker looks for jobs without a lock."""

    max_stalled_count: Count = Field(default=1, ge=0)
    """`maxStalledCount`: how many workers may be killed with one job. After one more it is moved to the failed ones."""

    @property
    def kills_before_loss(self) -> int | None:
        """So many."""
        return self.max_stalled_count

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is handled again, in seconds: a running worker finds that its lock
        has run out, and again that it still has none."""
        return self.lock_duration + 2 * self.stalled_interval

    def demand(self, target: int, *, from_zero: bool) -> Demand:
        """What waits, with and without a priority, and what is in hand. What is delayed only a running worker brings
        over: at zero pods one such job wakes one and keeps it."""
        count, counted, delayed = len(self.queue), [], []
        for index, queue in enumerate(self.queue):
            for name, key in (("waiting", "wait"), ("prioritized", "prioritized"), ("in_hand", "active")):
                counted.append(self.counted(numbered(name, index, count), f"{self.prefix}:{queue}:{key}", target))
            later = numbered("delayed", index, count)
            delayed.append(self.counted(later, f"{self.prefix}:{queue}:delayed", target))
        return Demand.summed(counted, target, later=delayed if from_zero else ())
