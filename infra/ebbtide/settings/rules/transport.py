"""Rules about redelivery: what the broker does with a message whose worker was killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ebbtide.settings.findings import Finding, Level
from ebbtide.settings.shutdown import FINISH_ALLOWANCE_SECONDS
from ebbtide.settings.transport import RabbitmqTransport, RedisTransport, SqsTransport
from ebbtide.settings.units import format_duration
from ebbtide.settings.worker import CommandWorker, SymfonyMessengerWorker

if TYPE_CHECKING:
    from ebbtide.settings.consumer import ConsumerSettings

# A killed message is handled again at the latest this long after the longest message would have ended.
REDELIVERY_MARGIN_SECONDS = 60
_LONGEST_RECOVERY_SECONDS = 24 * 3600


def check_redelivered_while_handled(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-34, V-35 (error). The broker waits longer than a message may take; otherwise it gives a message that is
    still being handled to a second worker."""
    transport = consumer.transport
    if transport is None:
        return
    if isinstance(transport, RabbitmqTransport):
        key, seconds = "consumerTimeout", transport.consumer_timeout
    elif isinstance(transport, SqsTransport):
        key, seconds = "visibilityTimeout", transport.visibility_timeout
    else:
        key, seconds = "redeliverTimeout", transport.redeliver_timeout
    needed = consumer.shutdown.longest_message + FINISH_ALLOWANCE_SECONDS
    if seconds < needed:
        yield Finding(
            ("transport", key),
            f"{format_duration(seconds)} is shorter than the longest message and its acknowledgement "
            f"({format_duration(needed)}), so a message would be handled twice at once",
            f"set at least {format_duration(needed)}, here and in the transport's options",
            rule="V-34",
        )


def check_late_redelivery(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-34, V-35 (warning). A killed message is handled again within the longest message and a minute. Symfony's
    defaults leave it for an hour (0 of 67 came back in 75 s: measured)."""
    transport, longest = consumer.transport, consumer.shutdown_budget.longest_message_seconds
    if transport is None:
        yield Finding(
            ("transport",),
            "is not given, so nobody has checked what happens to a message whose worker is killed",
            "write for example transport: {kind: redis, redeliverTimeout: ...}",
            Level.INFO,
            "V-34",
        )
    elif transport.redelivery_seconds > longest + REDELIVERY_MARGIN_SECONDS:
        best = longest + REDELIVERY_MARGIN_SECONDS
        yield Finding(
            ("transport",),
            f"a killed message is handled again only after {format_duration(transport.redelivery_seconds)}",
            f"bring its timeouts down to {format_duration(best)} in all, here and in the transport's options",
            Level.WARNING,
            "V-34",
        )


def check_serial_recovery(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-34 (information). Symfony's Redis transport recovers killed messages one at a time, because it looks only at
    the lowest pending id: 8 killed messages of 5 s came back at 4, 9, 14 ... 39 s (measured)."""
    transport, worker = consumer.transport, consumer.worker
    if isinstance(worker, SymfonyMessengerWorker) and isinstance(transport, RedisTransport) and not transport.recover:
        processes, longest = worker.processes, consumer.shutdown_budget.longest_message_seconds
        yield Finding(
            ("transport", "recover"),
            f"if a node dies with {processes} messages in hand, Redis gives them back one at a time: up to "
            f"{format_duration(processes * longest)} for all",
            "write recover: true to let the image claim them together",
            Level.INFO,
            "V-34",
        )


def check_recovery_of_other_workers(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-34 (error). Only Symfony's streams are recovered: the image's build asks its console which there are."""
    transport = consumer.transport
    if isinstance(transport, RedisTransport) and transport.recover and isinstance(consumer.worker, CommandWorker):
        yield Finding(
            ("transport", "recover"),
            "claims messages of Symfony's Redis streams, and the worker is a command: nothing would be claimed",
            "leave it out, and let the worker's own queue give killed messages back",
            rule="V-34",
        )


def check_recovery_in_time(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-34 (error). The image claims pending messages after at most a day."""
    transport = consumer.transport
    too_long = consumer.shutdown_budget.stop_wait_seconds > _LONGEST_RECOVERY_SECONDS
    if isinstance(transport, RedisTransport) and transport.recover and too_long:
        yield Finding(
            ("transport", "recover"),
            "claims messages that are pending for longer than the shutdown budget, and that is more than a day here",
            "leave it out, and let the transport's own redeliver_timeout work",
            rule="V-34",
        )


TRANSPORT_RULES = (
    check_recovery_in_time,
    check_recovery_of_other_workers,
    check_redelivered_while_handled,
    check_late_redelivery,
    check_serial_recovery,
)
