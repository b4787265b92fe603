"""Rules about kinds of worker beside Symfony's: what each reads, what it needs to drain, and what nobody has run."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.values.units import format_duration

# RabbitMQ's default, which is lower than Celery's 120 s; it closes a connection that was silent for twice as long.
_HEARTBEAT_SECONDS = 60


@consumer_rule(
    "V-55",
    Level.ERROR,
    remedy="Write the kind of transport that the worker reads.",
    source="Each framework has keys and tables of its own: Symfony's streams, Celery's lists and its hash `unacked`.",
)
def check_worker_reads_transport(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A worker reads what lies in its transport. Budget, redelivery and triggers of another framework's say nothing of
    it."""
    worker, transport = consumer.worker, consumer.transport
    if transport is None or not worker.framework or worker.reads(transport):
        return
    yield Finding(
        ("transport", "kind"),
        f"is {transport.kind}, which holds messages of {transport.framework}, and the worker is a {worker.kind}",
        f"write {worker.transports}",
    )


@consumer_rule(
    "V-39a",
    Level.ERROR,
    remedy="Write autoscaling: {kind: singleton}.",
    source="Celery: only one beat at a time, or tasks are sent twice. artisan schedule:work is the same.",
)
def check_one_schedule(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Of a worker that sends a schedule there is one, also while it is replaced. Two send all of it twice."""
    worker, scaling = consumer.worker, consumer.autoscaling
    if not worker.sends_schedule:
        return
    if scaling.overlaps:
        yield Finding(
            ("autoscaling", "kind"),
            f"is {scaling.kind}, and of {'a' if worker.is_schedule else 'this'} {worker.kind} there must never be two: "
            "each sends the whole schedule",
            "write singleton" if worker.is_schedule else "take beat out of the command, or write singleton",
        )


@consumer_rule(
    "V-56",
    Level.ERROR,
    remedy="Write pool: prefork, or pool: threads.",
    source="Celery 5.7 on RabbitMQ, a task of 20 s with heartbeats of 4 s: a solo pool handled it three times in a "
    "minute, and prefork once (measured).",
)
def check_heartbeats(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A Celery worker answers RabbitMQ while it handles a task. One with a solo pool does not: the broker closes its
    connection and gives the task to the next worker, again and again."""
    worker, transport, longest = consumer.worker, consumer.transport, consumer.shutdown.longest_message
    if transport is None or transport.protocol != "amqp" or longest < _HEARTBEAT_SECONDS:
        return
    if worker.deaf_by is not None:
        setting, instead = worker.deaf_by
        yield Finding(
            ("worker", setting),
            f"is deaf while it handles a task, which may take {format_duration(longest)}: RabbitMQ misses its "
            f"heartbeats ({format_duration(_HEARTBEAT_SECONDS)} by default) and gives the task to another worker",
            f"write {instead}",
        )


@consumer_rule(
    "V-57",
    Level.WARNING,
    remedy="Make the jobs repeatable from elsewhere, or take a worker that gives them back; then accept it.",
    source="The source of each framework, named in docs/workers.md.",
)
def check_killed_worker_gives_back(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A message survives the death of its worker. Some frameworks take it out of the broker before it is handled: a
    drain loses nothing, and a node that dies loses what its workers had in hand."""
    if consumer.worker.loses_when_killed:
        yield Finding(("worker", "kind"), f"is {consumer.worker.kind}: {consumer.worker.loses_when_killed}")


@consumer_rule(
    "V-57a",
    Level.INFO,
    remedy="Watch the failed jobs, or raise maxStalledCount in the program and here.",
    source="BullMQ 6.7, moveStalledJobsToWait: above maxStalledCount, 1 by default, a job fails as stalled.",
)
def check_kills_until_it_fails(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A job outlives its workers. BullMQ gives one up that has lost several: it is moved to the failed jobs, and nobody
    tries it again."""
    transport = consumer.transport
    if transport is not None and transport.renews and transport.kills_before_loss is not None:
        kills = transport.kills_before_loss
        lost = "one worker that had it was" if not kills else f"{kills + 1} workers that had it were"
        yield Finding(("transport", "maxStalledCount"), f"is {kills}: a job fails for good when {lost} killed")


@consumer_rule(
    "V-58",
    Level.INFO,
    remedy="Try a drain under load before you count on it: docs/workers.md says how.",
    source="docs/workers.md, what was run.",
)
def check_kind_was_tried(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A kind of worker was drained under load by the tests of this package, with its own framework. Of one that was
    not, or not in the version or on the broker that is in use, the settings are read from its source and its
    documentation."""
    if consumer.worker.untried:
        yield Finding(("worker", "kind"), f"is {consumer.worker.kind}, and {consumer.worker.untried}")


@consumer_rule(
    "V-59",
    Level.WARNING,
    remedy="Name the same queues in both places.",
    source="KEDA counts what the transport names, and the worker consumes what it is told.",
)
def check_queues_agree(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What is counted is what is consumed. A queue that only the worker has never wakes a pod, and one that only the
    transport has keeps them for ever. Of SQS it is not judged: a queue is counted by its URL, and an application calls
    it as it likes."""
    if consumer.transport is None or not consumer.autoscaling.asks_transport:
        return
    consumed, counted = set(consumer.worker.queue_names), set(consumer.transport.queue_names)
    if not consumed or not counted:
        return
    for names, text in (
        (consumed - counted, "does not name {}, which the worker consumes: nobody counts what waits there"),
        (counted - consumed, "names {}, which the worker does not consume: what waits there keeps pods for ever"),
    ):
        if names:
            listed = ", ".join(sorted(names))
            yield Finding(("transport", "queue"), text.format(listed), consumer.transport.same_names)
