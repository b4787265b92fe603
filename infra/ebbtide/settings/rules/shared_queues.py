"""Rule V-34f: what several consumers of a stack read from one queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.alias_generators import to_camel

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.shutdown import FINISH_ALLOWANCE_SECONDS
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.units import format_duration

Reader = tuple[Path, ConsumerSettings, TransportSettings]


@stack_rule(
    "V-34f",
    Level.ERROR,
    remedy="Give consumers of one queue a timeout above the longest message of all of them, or each its own queue.",
    source="symfony/redis-messenger and doctrine-messenger: each worker takes what is pending for longer than its own "
    "redeliver_timeout, whoever has it in hand.",
)
def check_shared_queue(stack: StackSettings) -> Iterator[Finding]:
    """Who shares a queue leaves alone what the other ones handle. A worker takes over what is unacknowledged for longer
    than its own timeout says, whoever has it, and also if that one's messages may take longer."""
    readers: dict[Any, list[Reader]] = {}
    for path, one in consumers_of(stack):
        if one.transport is not None:
            for place in _places(one, one.transport):
                readers.setdefault(place, []).append((path, one, one.transport))
    for found in readers.values():
        yield from _of_one_queue(sorted(found, key=lambda reader: reader[1].shutdown.longest_message))


def _of_one_queue(found: list[Reader]) -> Iterator[Finding]:
    """Each is held against the slowest of the others; they come in the order of their longest messages."""
    for at, (path, one, transport) in enumerate(found if len(found) > 1 else ()):
        _, other, _ = found[-2] if at == len(found) - 1 else found[-1]
        needed = other.shutdown.longest_message + FINISH_ALLOWANCE_SECONDS
        given = transport.unacknowledged_seconds
        if not transport.renews and given < needed:
            yield Finding(
                (*path, "transport", to_camel(transport.unacknowledged_setting)),
                f"{format_duration(given)} is shorter than the longest message of {other.name}, which reads the same "
                f"queue, and its acknowledgement ({format_duration(needed)}): {one.name} would handle it a second time",
                f"set at least {format_duration(needed)} in both, or give each a queue of its own",
            )


def _places(consumer: ConsumerSettings, transport: TransportSettings) -> frozenset[Any]:
    """Where its messages lie, as its own triggers count them; where it does not say that, also by which Secrets it logs
    in. None are the same where nobody says anything."""
    login = tuple(sorted(map(str, consumer.secret_environment.values()))) if transport.unsaid else ()
    if transport.unsaid and not login:
        return frozenset()
    counted = transport.demand(1, from_zero=False).triggers
    return frozenset((found.type, tuple(sorted(found.metadata.items())), login) for found in counted)
