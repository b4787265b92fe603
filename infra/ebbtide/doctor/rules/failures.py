"""Rules about what has failed for the last time: where it goes, and who takes it from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.messenger import Transport
from ebbtide.doctor.rules.broker import consumed
from ebbtide.doctor.rules.declare import setup_rule, unit_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit

_KEEP_NOTHING: Final = {"sync": "handles it at once", "in-memory": "keeps it in the worker's own memory"}
_NAMED: Final = 3


@setup_rule(
    "D-73",
    Harm.LOSES,
    remedy="Write failure_transport, and a transport of that name.",
    source="symfony/messenger, SendFailedMessageForRetryListener: a message is rejected after its last retry.",
)
def check_failure_transport(setup: SetUp) -> Iterator[Diagnosis]:
    """A message that failed for the last time is kept. Without a failure transport it is removed; one that only some
    transports name is for these."""
    without = [
        one
        for one in setup.transports
        if one.scheme not in _KEEP_NOTHING and not one.failure_transport and not one.takes_failed_of
    ]
    if not without:
        return
    retries = [one.max_retries.value for one in without if one.max_retries is not None]
    after = "after its last retry"
    if len(retries) == len(without) == 1 and isinstance(retries[0], int):
        after = f"after {retries[0]} {'retry' if retries[0] == 1 else 'retries'}"
    more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
    yield Diagnosis(
        without[0].place,
        ", ".join(f"transport {one.name}" for one in without[:_NAMED]) + more,
        f"has no failure transport: a message is removed {after}",
        "write failure_transport: failed, and a transport of that name",
    )


@setup_rule(
    "D-73a",
    Harm.LOSES,
    remedy="Give the failure transport a queue of its own, on a broker.",
    source="symfony/messenger, SendFailedMessageToFailureTransportListener: what has been sent there once, and fails "
    "again, is sent nowhere.",
)
def check_failures_are_apart(setup: SetUp) -> Iterator[Diagnosis]:
    """What has failed is kept apart from what waits. In the queue that workers read they take it again, and remove it
    when it fails once more; a transport that keeps nothing loses it at once."""
    for failed in (one for one in setup.transports if one.takes_failed_of):
        if failed.scheme in _KEEP_NOTHING:
            what = f"is the failure transport of {failed.takes_failed_of[0]} and {_KEEP_NOTHING[failed.scheme]}"
            yield _lost(failed, f"{what}: what has failed is not kept", "name a transport on a broker")
        for source in setup.transports:
            is_source = source.root == failed.root and source.name in failed.takes_failed_of
            if is_source and source.dsn and source.queue == failed.queue:
                what = f"is the failure transport of {source.name} and lies in the same queue"
                text = f"{what}: its workers take what has failed again, and remove it when it fails once more"
                yield _lost(failed, text, "give it a queue of its own: queue_name, stream or exchange")
                break


def _lost(failed: Transport, text: str, remedy: str) -> Diagnosis:
    return Diagnosis(failed.place, f"transport {failed.name}", text, remedy)


@unit_rule(
    "D-73b",
    Harm.LOSES,
    remedy="Leave the failure transport to messenger:failed:retry, when what was wrong is mended.",
    source="symfony/messenger, SendFailedMessageToFailureTransportListener: what has been sent to a failure transport "
    "once is sent to no other, whichever one that has.",
)
def check_failures_wait(unit: Unit) -> Iterator[Diagnosis]:
    """What has failed for good waits for somebody. Workers that consume a failure transport try it again, and when it
    fails there for the last time it is removed, also where that one has a failure transport of its own."""
    for worker, transport in consumed(unit):
        if transport.takes_failed_of:
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"consumes {transport.name}, the failure transport of {', '.join(transport.takes_failed_of[:_NAMED])}: "
                "a message that fails there for the last time is removed",
                f"leave {transport.name} to messenger:failed:retry",
            )
