"""Rule V-34f: what several consumers of a stack read from one queue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.image import split_image
from ebbtide.settings.values.units import format_duration

if TYPE_CHECKING:
    from ebbtide.settings.models.symfony import SymfonyMessengerWorker

Reader = tuple[Path, ConsumerSettings, TransportSettings]
# How variables with a broker's address are called.
_OF_A_BROKER = re.compile(r"(?i)transport|messenger|broker|database_?(?:url|dsn)")


@stack_rule(
    "V-34f",
    Level.ERROR,
    remedy="Give consumers of one queue a timeout above what any of them may hold a message for, or a queue each.",
    source="symfony/redis-messenger and doctrine-messenger: each worker takes what is pending for longer than its own "
    "redeliver_timeout, whoever has it in hand. kombu, restore_visible: of a database all that is unacknowledged.",
)
def check_shared_queue(stack: StackSettings) -> Iterator[Finding]:
    """Who shares a queue leaves alone what the other ones handle. A worker takes over what is unacknowledged for longer
    than its own timeout says, whoever has it, and also if that one's messages may take longer. Celery's workers do so
    with all queues of a database."""
    readers: dict[Any, list[Reader]] = {}
    for path, one in consumers_of(stack):
        if one.transport is not None:
            for place in dict.fromkeys(_places(stack, one, one.transport)):
                readers.setdefault(place, []).append((path, one, one.transport))
    for found in readers.values():
        yield from _of_one_queue(sorted(found, key=lambda reader: reader[1].held_seconds))


def _of_one_queue(found: list[Reader]) -> Iterator[Finding]:
    """Each is held against that of the others which holds a message longest; they come in that order."""
    for at, (path, one, transport) in enumerate(found if len(found) > 1 else ()):
        _, other, others = found[-2] if at == len(found) - 1 else found[-1]
        needed = other.held_seconds
        given = transport.unacknowledged_seconds
        if given < needed:
            yield Finding(
                (*path, "transport", to_camel(transport.unacknowledged_setting)),
                f"{format_duration(given)} is less than the {format_duration(needed)} for which {other.name}, which "
                f"reads the same {transport.shared}, may hold a message ({others.held_words}): {one.name} would handle "
                "it a second time",
                f"set at least {format_duration(needed)} in both, or give each a {transport.shared} of its own",
            )


def _places(
    stack: StackSettings, consumer: ConsumerSettings, transport: TransportSettings
) -> Iterator[tuple[object, ...]]:
    """Where its messages lie. Where the transport does not say on which server, by the Secrets that do; where it does
    not say in which queue, by what tells the application: the same receivers, variables and image name the same one.
    None where nobody says anything."""
    server = transport.server
    known = _access(stack, consumer) if server is None else (server,)
    for shelf in transport.shelves if known else ():
        if None not in shelf:
            yield (transport.kind, known, shelf)
            continue
        worker: SymfonyMessengerWorker | None = of_kind(consumer.worker, "symfonyMessenger")
        of_application = (split_image(consumer.image)[0], *sorted(consumer.environment.items()))
        for receiver in worker.receivers if worker is not None else ():
            yield (transport.kind, known, shelf, receiver, of_application)


def _access(stack: StackSettings, consumer: ConsumerSettings) -> tuple[object, ...]:
    """The keys of Secrets that hold the broker's address, and of which namespace; all of them, where no name tells."""
    given = consumer.secret_environment
    named = {name for name in given if _OF_A_BROKER.search(name)} or given
    references = sorted({str(given[name]) for name in named})
    return (stack.seen_by(consumer).namespace.name, *references) if references else ()
