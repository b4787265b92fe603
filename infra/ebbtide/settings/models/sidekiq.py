"""Sidekiq: its process, and what its jobs are on Redis.

Read in sidekiq 6.4.1 (lib/sidekiq: cli.rb, launcher.rb, manager.rb, fetch.rb), and run with Debian's
(tests/runtime/test_sidekiq.py).
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.demand import Demand, Queues, numbered
from ebbtide.settings.models.redis import RedisServer
from ebbtide.settings.models.worker import RETURN_ALLOWANCE_SECONDS, UnlimitedWorker, Word
from ebbtide.settings.values.units import Count, PhpMemoryBytes


class SidekiqWorker(UnlimitedWorker):
    """`sidekiq`. On its stop signal it takes no further job and finishes those that it has; what outlasts
    `longestMessage` it puts back into its queue before it would be killed."""

    framework = "sidekiq"
    transports = "sidekiqRedis"
    # sidekiq --help: what is loaded, written and called.
    harmless_options: ClassVar = frozenset({"-r", "--require", "-v", "--verbose", "-g", "--tag"})
    flags: ClassVar = frozenset({"-v"})
    owned_options: ClassVar = {
        **dict.fromkeys(("-c", "--concurrency"), "concurrency"),
        **dict.fromkeys(("-q", "--queue"), "queues"),
    }
    refused_options: ClassVar = dict.fromkeys(
        ("-t", "--timeout"),
        ("is derived from shutdown.longestMessage", "remove it, and say how long a job takes there"),
    )

    kind: Literal["sidekiq"]
    """Sidekiq."""
    command: Annotated[tuple[Word, ...], Field(min_length=1)] = ("bundle", "exec", "sidekiq")
    """What starts it, without options."""
    queues: Queues = ("default",)
    """The queues to consume, in their order (`--queue`)."""
    concurrency: Count = Field(default=5, ge=1, le=200)
    """How many threads of one process handle jobs (`--concurrency`)."""
    arguments: tuple[Word, ...] = ()
    """Further options, for example `--require=./jobs.rb`."""
    fetch: Literal["basic", "super"] = "basic"
    """How the process takes jobs: `basic`, which removes them from Redis before they are handled, or Sidekiq Pro's
    `super_fetch`, which the application switches on, and which gives back what a killed process had."""
    memory_limit: PhpMemoryBytes = 512 * 1024**2
    """What one process uses at most. It is not enforced here: it sizes the pod's memory."""

    @property
    def stop_signal(self) -> str:
        """Quiet, and then gone."""
        return "TERM"

    @property
    def queue_names(self) -> tuple[str, ...]:
        """As `queues` says."""
        return self.queues

    @property
    def at_once(self) -> int:
        """A thread each."""
        return self.concurrency

    @property
    def broker_connections(self) -> int:
        """Its pool has one for each thread, and some for what schedules and reports."""
        return self.processes * (self.concurrency + 5) * self.connections.broker

    @property
    def loses_when_killed(self) -> str:
        """Of the free edition: BRPOP."""
        if self.fetch == "super":
            return ""
        return (
            "it takes a job out of Redis before it handles it, so that a killed process loses up to "
            f"{self.concurrency}; a drain loses none"
        )

    @property
    def untried(self) -> str:
        """The free edition was."""
        return "" if self.fetch == "basic" else "Pro's super_fetch was not run here: only the free edition was"

    @property
    def image_kind(self) -> str:
        """Its own name."""
        return self.kind

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """What is added to the command."""
        return "arguments", self.arguments

    @property
    def argv(self) -> tuple[str, ...]:
        """The command of one process, without its timeout."""
        queues = [word for queue in self.queues for word in ("--queue", queue)]
        return (*self.command, "--concurrency", str(self.concurrency), *queues, *self.arguments)

    def argv_for(self, longest_message_seconds: int) -> tuple[str, ...]:
        """With the time after which it puts back what is not done."""
        return (*self.argv, "--timeout", str(longest_message_seconds + RETURN_ALLOWANCE_SECONDS))


class SidekiqRedisTransport(RedisServer):
    """Sidekiq's queues on Redis or Valkey: a list each, and one sorted set each for what is scheduled and retried."""

    unacknowledged_setting = "redelivery"
    where = ("address", "queue")
    framework = "sidekiq"
    renews = True

    kind: Literal["sidekiqRedis"]
    """Sidekiq's queues on Redis."""
    queue: Queues = ("default",)
    """The queues, as the process consumes them."""

    @property
    def redelivery_seconds(self) -> int:
        """Nothing waits for a redelivery: what a killed process had is gone, or Pro's reaper has it within a minute."""
        return 60

    def demand(self, target: int, *, from_zero: bool) -> Demand:
        """What waits in each list. No key of a fixed name holds what is in hand. What is scheduled or retried only a
        running process brings over: at zero pods one such job wakes one and keeps it."""
        count = len(self.queue)
        waiting = [
            self.counted(numbered("waiting", index, count), f"queue:{queue}", target)
            for index, queue in enumerate(self.queue)
        ]
        later = (self.counted("scheduled", "schedule", target), self.counted("retried", "retry", target))
        return replace(Demand.summed(waiting, target, later=later if from_zero else ()), counts_in_hand=False)
