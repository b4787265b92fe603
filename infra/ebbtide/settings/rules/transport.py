"""Rules about redelivery: what the broker does with a message whose worker was killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic.alias_generators import to_camel

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.redis import RedisTransport
from ebbtide.settings.models.symfony import SymfonyMessengerWorker
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.values.units import format_duration

if TYPE_CHECKING:
    from ebbtide.settings.models.rabbitmq import RabbitmqTransport

# A killed message is handled again at the latest this long after the longest message would have ended.
REDELIVERY_MARGIN_SECONDS = 60
_LONGEST_RECOVERY_SECONDS = 24 * 3600
# Symfony calls the receiver of a schedule so, with the schedule's name behind it.
_OF_A_SCHEDULE = "scheduler_"


@consumer_rule(
    "V-34",
    Level.ERROR,
    remedy="Raise the timeout in the transport's options, and write the same here.",
    source="Symfony's redeliver_timeout, SQS' visibility timeout, RabbitMQ's consumer_timeout (default 30 min).",
)
def check_redelivered_while_handled(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The broker waits longer than a message may take; otherwise it gives a message that is
    still being handled to a second worker."""
    transport = consumer.transport
    if transport is None or transport.renews:
        return
    needed, given = consumer.held_seconds, transport.unacknowledged_seconds
    taken = consumer.worker.taken(transport) // consumer.worker.at_once
    if given >= needed:
        return
    if taken > 1:
        for_all = format_duration(needed)
        yield Finding(
            ("transport", to_camel(transport.unacknowledged_setting)),
            f"{format_duration(given)} runs for the {taken} messages that a worker takes at once, and they may take "
            f"{for_all} one after the other, so a message would be handled twice at once",
            f"{_one_at_a_time(consumer)}, or write {for_all} in both places, after which a killed message comes back "
            "as late",
        )
    else:
        yield Finding(
            ("transport", to_camel(transport.unacknowledged_setting)),
            f"{format_duration(given)} is shorter than {transport.held_words} "
            f"({format_duration(needed)}), so a message would be handled twice at once",
            f"set at least {format_duration(needed)}{_both(transport)}",
        )


def _one_at_a_time(consumer: ConsumerSettings) -> str:
    if consumer.worker.fetch_size:
        return "take --fetch-size out of arguments"
    return "set buffer_size: 1 in the transport's options and bufferSize: 1 here"


def recovery_remedy(consumer: ConsumerSettings) -> str:
    """How the image claims what killed workers had, where it can."""
    if consumer.held_seconds > _LONGEST_RECOVERY_SECONDS:
        return "accept this: the image claims messages after at most a day, and these may take longer"
    is_late = consumer.transport is not None and consumer.transport.unacknowledged_seconds > _LONGEST_RECOVERY_SECONDS
    return "write recover: true" + (", and a redeliverTimeout of at most 24h in both places" if is_late else "")


def _both(transport: TransportSettings) -> str:
    """Where a timeout has to be changed: in both places, unless the workers take it from here."""
    return "" if transport.image_variables else ", here and in the transport's options"


@consumer_rule(
    "V-59b",
    Level.WARNING,
    remedy="Write the management plugin's port, 15672, or 15671 with tls: true; accept this where it listens there.",
    source="RabbitMQ, networking: 5672 and 5671 speak AMQP, 15671 HTTPS; KEDA's rabbitmq scaler asks by HTTP here.",
)
def check_management_is_asked(consumer: ConsumerSettings) -> Iterator[Finding]:
    """KEDA asks RabbitMQ's management plugin. At AMQP's port it gets no answer that it reads, and never scales."""
    transport: RabbitmqTransport | None = of_kind(consumer.transport, "rabbitmq")
    if transport is None or transport.address is None or not consumer.autoscaling.asks_transport:
        return
    host, _, port = transport.address.rpartition(":")
    if port in {"5671", "5672"}:
        yield Finding(
            ("transport", "address"),
            f"has AMQP's port (got {transport.address}), and KEDA asks the management plugin by "
            f"{'https' if transport.tls else 'http'}: it would count nothing, and never scale",
            f"write {host}:15671" if transport.tls else f"write {host}:15672, or {host}:15671 with tls: true",
        )
    elif port == "15671" and not transport.tls:
        yield Finding(
            ("transport", "tls"),
            f"is off, and {transport.address} is where management speaks TLS: KEDA would get no answer",
            f"write true, or {host}:15672",
        )


@consumer_rule(
    "V-51",
    Level.ERROR,
    remedy="Give the transport a failure_transport and say failureTransport: true, or allow retries.",
    source="8 of 8 killed messages were gone (measured, RabbitMQ, max_retries 0); RejectRedeliveredMessageMiddleware.",
)
def check_killed_message_is_kept(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A message survives the death of its worker. On RabbitMQ Symfony takes a redelivered message for a failed one:
    with no retry and no failure transport it is removed."""
    transport = consumer.transport
    if transport is not None and transport.kills_before_loss == 0 and consumer.worker.is_symfony:
        yield Finding(
            ("transport", "maxRetries"),
            "is 0, and Symfony rejects what RabbitMQ redelivers: a message whose worker is killed is removed",
            "give the transport a failure_transport and write failureTransport: true, or allow retries",
        )


@consumer_rule(
    "V-51a",
    Level.INFO,
    remedy="Give the transport a failure_transport, and write failureTransport: true.",
    source="RejectRedeliveredMessageMiddleware: each redelivery is a failed try.",
)
def check_kills_use_up_retries(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Killed workers do not use up the retries of a message. On RabbitMQ each of them does, and after the last one the
    message is removed unless there is a failure transport."""
    transport = consumer.transport
    kills = None if transport is None else transport.kills_before_loss
    if kills and consumer.worker.is_symfony:
        yield Finding(
            ("transport", "failureTransport"),
            f"is not given, and each killed worker uses up one of {kills} retries: after the last one the message is "
            "removed",
            "give the transport a failure_transport and write true",
        )


@consumer_rule(
    "V-52",
    Level.WARNING,
    remedy="Write processes instead: each takes one message, and is drained by itself.",
    source="symfony/symfony#63650, #63665: child processes hold the messages; how they drain was not read or measured.",
)
def check_concurrency(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A worker handles its messages itself. With `--concurrency` (Symfony 8.2) child processes do, which a signal to
    the worker does not reach: whether they drain is not judged."""
    setting, words = consumer.worker.texts
    for index, word in enumerate(words):
        if consumer.worker.is_symfony and re.match(r"--concurrency([= ]|$)", word):
            yield Finding(
                ("worker", setting, index),
                "hands messages to child processes, and whether those finish in a drain is not judged",
                "write processes instead: each takes one message, and is drained by itself",
            )


@consumer_rule(
    "V-34a",
    Level.WARNING,
    remedy="Bring the transport's timeouts down to the longest message and a minute, here and in its options.",
    source="Symfony's default redeliver_timeout is 3600 s; 0 of 67 killed messages came back in 75 s (measured).",
)
def check_late_redelivery(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A killed message is handled again within the longest message and a minute. Symfony's
    defaults leave it for an hour (0 of 67 came back in 75 s: measured)."""
    transport, longest = consumer.transport, consumer.shutdown_budget.longest_message_seconds
    if transport is None:
        return
    best = longest + transport.held_before_seconds + REDELIVERY_MARGIN_SECONDS
    if transport.redelivery_seconds > best:
        several = consumer.worker.taken(transport) > consumer.worker.at_once
        first = f"{_one_at_a_time(consumer)}, and then " if several else ""
        yield Finding(
            ("transport",),
            f"a killed message is handled again only after {format_duration(transport.redelivery_seconds)}",
            f"{first}bring its timeouts down to {format_duration(best)} in all{_both(transport)}",
        )


@consumer_rule(
    "V-34b",
    Level.INFO,
    remedy="Describe the transport: its kind and its timeouts.",
    source="Redelivery depends on the broker and its options.",
)
def check_transport_is_given(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The transport is described. Otherwise nobody has checked what happens to a message whose worker is killed."""
    if consumer.transport is None and not consumer.worker.is_schedule:
        # The first kind that its worker reads; a program that nobody knows is no reader of Symfony's streams.
        kind = re.split(r",| or ", consumer.worker.transports or "rabbitmq")[0]
        setting = to_camel(TransportSettings.kinds[kind].unacknowledged_setting)
        yield Finding(
            ("transport",),
            "is not given, so nobody has checked what happens to a message whose worker is killed",
            f"write for example transport: {{kind: {kind}, {setting}: ...}}",
        )


@consumer_rule(
    "V-34c",
    Level.INFO,
    remedy="Write recover: true to let the image claim killed messages together.",
    source="8 killed messages of 5 s came back at 4, 9, 14 ... 39 s (measured, symfony/redis-messenger 5.4 to 7.4).",
)
def check_serial_recovery(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Symfony's Redis transport recovers killed messages one at a time, because it looks only at
    the lowest pending id: 8 killed messages of 5 s came back at 4, 9, 14 ... 39 s (measured)."""
    transport, worker = consumer.transport, consumer.worker
    if isinstance(transport, RedisTransport) and not transport.recovers and worker.is_symfony:
        processes, longest = worker.processes, consumer.shutdown_budget.longest_message_seconds
        yield Finding(
            ("transport", "recover"),
            f"if a node dies with {processes} messages in flight, Redis gives them back one at a time: up to "
            f"{format_duration(processes * longest)} for all",
            recovery_remedy(consumer),
        )


@consumer_rule(
    "V-34d",
    Level.ERROR,
    remedy="Leave recover out, and let the worker's own queue give killed messages back.",
    source="The image recovers streams that the console names.",
)
def check_recovery_of_other_workers(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Only Symfony's streams are recovered: the image's build asks its console which there are."""
    transport, worker = consumer.transport, consumer.worker
    if transport is not None and transport.recovers and not worker.is_symfony:
        yield Finding(
            ("transport", "recover"),
            f"claims messages of Symfony's Redis streams, and the worker is a {worker.kind}: nothing would be claimed",
            "leave it out, and let the worker's own queue give killed messages back",
        )


@consumer_rule(
    "V-34e",
    Level.ERROR,
    remedy="Leave recover out, and let the transport's own redeliver_timeout work.",
    source="The image's limit for EBBTIDE_RECOVER_AFTER_SECONDS.",
)
def check_recovery_in_time(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The image claims pending messages after at most a day."""
    transport = consumer.transport
    after = None if transport is None else transport.recover_after_seconds
    if after is not None and after > _LONGEST_RECOVERY_SECONDS:
        yield Finding(
            ("transport", "recover"),
            "claims messages that are pending for longer than redeliverTimeout, and that is more than a day here",
            "leave it out, and let the transport's own redeliver_timeout work"
            + (
                ""
                if consumer.held_seconds > _LONGEST_RECOVERY_SECONDS
                else ", or write a redeliverTimeout of at most 24h in both places"
            ),
        )


@consumer_rule(
    "V-36",
    Level.WARNING,
    remedy="Write minReplicas: 1, or let the application delay and retry nothing.",
    source="symfony/redis-messenger: delayed messages lie in a sorted set, which `get` of a running consumer moves.",
)
def check_delayed_at_zero(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Delayed messages and retries do not need a consumer to come due. On Redis only a running one moves them into
    the stream, and at zero pods nobody is there: the queue looks empty and stays so."""
    scaling = consumer.autoscaling
    to_zero = scaling.min_replicas == 0 and scaling.stated_replicas is None
    if (
        to_zero
        and not scaling.counts_delayed(consumer.transport, consumer.worker)
        and isinstance(consumer.transport, RedisTransport)
        and isinstance(consumer.worker, SymfonyMessengerWorker)
    ):
        yield Finding(
            ("autoscaling", "minReplicas"),
            "is 0, and on Redis retries and delayed messages wait for a running consumer: at zero they never come due",
            "write 1, or let the application delay and retry nothing",
        )


@consumer_rule(
    "V-39",
    Level.WARNING,
    remedy="Consume it in a consumer of its own with autoscaling: {kind: singleton}, or give the schedule a lock.",
    source="Symfony, Scheduler: each worker generates the messages of a schedule unless it has a lock.",
)
def check_schedules(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A schedule is generated once. Each worker that consumes a Scheduler receiver generates all of it."""
    worker = consumer.worker
    if not isinstance(worker, SymfonyMessengerWorker):
        return
    remedy = "consume it in a consumer of its own with autoscaling: {kind: singleton}, or give the schedule a lock"
    least, most = (
        worker.processes * pods for pods in (consumer.autoscaling.min_replicas, consumer.autoscaling.max_replicas)
    )
    named: dict[Path, str] = {
        ("worker", "receivers", index): "is named like a schedule, "
        for index, receiver in enumerate(worker.receivers)
        if receiver.startswith(_OF_A_SCHEDULE)
    }
    if "--all" in worker.arguments and not any(one.startswith(_OF_A_SCHEDULE) for one in worker.left_out):
        named["worker", "arguments", worker.arguments.index("--all")] = (
            "consumes schedules too, if there is one that is not left out, "
        )
    for place, text in named.items():
        if place[1] == "arguments":
            remedy = f"write --exclude-receivers={_OF_A_SCHEDULE}<its name> behind it, and {remedy}"
        if most > 1:
            times = f"{most}" if least == most else f"{least} to {most}"
            again = f"which each worker generates: {times} times here, unless it has a lock"
            yield Finding(place, text + again, remedy)
        elif consumer.autoscaling.overlaps:
            again = "and a pod that is replaced overlaps the next one: both generate it then"
            yield Finding(place, text + again, remedy)


@consumer_rule(
    "V-53",
    Level.ERROR,
    remedy="Write processes: 1, and concurrency: 1 where the worker has it.",
    source="Two processes of one pod are two workers, and two threads of one handle two messages at once.",
)
def check_singleton_has_one_process(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A consumer that never runs twice handles one message at a time, so that their order is kept."""
    worker, scaling = consumer.worker, consumer.autoscaling
    if scaling.overlaps:
        return
    if worker.processes > 1:
        yield Finding(
            ("worker", "processes"),
            f"are {worker.processes}, and {scaling.kind} is for one worker at a time",
            "write 1, or another kind of autoscaling",
        )
    if worker.at_once > 1:
        yield Finding(
            ("worker", "concurrency"),
            f"is {worker.at_once}, and {scaling.kind} is for one message at a time: their order would be lost",
            "write 1, or another kind of autoscaling",
        )


@consumer_rule(
    "V-45",
    Level.ERROR,
    remedy="Name at least one receiver, or write --all under arguments; options stand there too.",
    source="messenger:consume asks for receivers, or takes all with --all (from Symfony 7.1).",
)
def check_receivers(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A worker consumes something, and what it names is a receiver."""
    worker = consumer.worker
    if not isinstance(worker, SymfonyMessengerWorker):
        return
    if not worker.receivers and "--all" not in worker.arguments:
        yield Finding(
            ("worker", "receivers"), "has 0 entries", "write at least 1, or --all under arguments for every receiver"
        )
    for index, name in enumerate(worker.receivers):
        if not name.strip():
            yield Finding(("worker", "receivers", index), f"names no receiver (got {name!r})", "name one, or remove it")
        elif name.startswith("-"):
            option = name.partition("=")[0]
            text = f"is an option, and no receiver (got {option})"
            yield Finding(("worker", "receivers", index), text, "write what it says as a setting, or under arguments")
