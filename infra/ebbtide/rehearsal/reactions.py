"""How an autoscaler that follows the broker reacted. Pure: what was seen in, times out, in seconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ebbtide.rehearsal.autoscaler_document import Growth, KedaLook, OutageDocument, Sleep, Wake
from ebbtide.rehearsal.ledger import Handling
from ebbtide.rehearsal.load import Batch
from ebbtide.rehearsal.outcome import Scaling
from ebbtide.rehearsal.record import Outage
from ebbtide.rehearsal.watch import Moment

_TOLERANCE = 1.1
"""An HPA asks for more pods only above a tenth more than they are for."""
STATISTICS_SECONDS = 5
"""How old RabbitMQ's own figures are at most; the other brokers count when they are asked."""
_SETTLING_SECONDS = 2
"""How long after an outage began or ended a decision may have been made before it."""


def find_scalings(moments: Sequence[Moment]) -> list[Scaling]:
    """Every change of what is asked for, to and from zero as well."""
    return [
        Scaling(moment.at, last.desired, moment.desired, None, last.at)
        for last, moment in pairwise(moments)
        if last.desired is not None and moment.desired is not None and last.desired != moment.desired
    ]


def find_wakes(moments: Sequence[Moment], batches: Iterable[Batch], handlings: Iterable[Handling]) -> list[Wake]:
    """Every batch that was sent while no pod was asked for. Its messages are in the broker when the application says
    so, which it does a moment after they are."""
    begun: dict[str, float] = {}
    for one in handlings:
        begun[one.message] = min(one.started_at, begun.get(one.message, one.started_at))
    found = []
    for batch in batches:
        before = [one for one in moments if one.at <= batch.began_at]
        if not before or before[-1].desired != 0:
            continue
        due = batch.queued_at + batch.kind.delay_seconds
        asked = next((one.at for one in moments if one.at > batch.began_at and one.desired), None)
        handled = min((begun[message] for message in batch.messages if message in begun), default=None)
        found.append(
            Wake(
                batch.kind.name,
                len(batch.messages),
                batch.kind.delay_seconds,
                due,
                None if asked is None else round(asked - due, 1),
                None if handled is None else round(handled - due, 1),
            )
        )
    return found


def find_growths(moments: Sequence[Moment], messages_per_pod: int, least: int) -> list[Growth]:
    """Every first step up from the fewest pods that run: from the moment at which they are asked for and the broker
    holds too much for them."""
    found, crossed = [], None
    for last, moment in pairwise(moments):
        if moment.desired == least:
            if moment.sent - moment.finished <= messages_per_pod * least * _TOLERANCE:
                crossed = None
            elif crossed is None:
                crossed = moment.at
        elif last.desired == least and crossed is not None:
            if moment.desired is not None and moment.desired > least:
                found.append(Growth(crossed, round(moment.at - crossed, 1)))
            crossed = None
    return found


def find_sleeps(moments: Sequence[Moment], handlings: Iterable[Handling]) -> list[Sleep]:
    """Every step to zero."""
    ends = sorted(one.ended_at for one in handlings if one.ended_at is not None)
    found = []
    for one in find_scalings(moments):
        if one.after == 0:
            last = max((end for end in ends if end <= one.at), default=None)
            found.append(Sleep(one.at, one.before, None if last is None else round(one.at - last, 1)))
    return found


def find_overlooked(looks: Sequence[KedaLook], handlings: Iterable[Handling]) -> list[tuple[KedaLook, Handling]]:
    """Polls that saw nothing any more while a worker had a message in hand, each with one such message: what KEDA asks
    for does not count those, and the pods that work would be ended after the cooldown."""
    handlings = list(handlings)
    found = []
    for before, look in pairwise(looks):
        if before.is_active and look.is_ready and not look.is_active:
            began, ended = look.since - STATISTICS_SECONDS, look.at
            found += [
                (look, one)
                for one in handlings
                if one.started_at <= began and one.ended_at is not None and one.ended_at > ended
            ][:1]
    return found


def find_outages(moments: Sequence[Moment], outages: Iterable[Outage]) -> list[OutageDocument]:
    """What was asked for in each."""
    found = []
    for outage in outages:
        asked: list[int] = []
        for one in moments:
            within = outage.began_at + _SETTLING_SECONDS <= one.at <= outage.ended_at
            if within and one.desired is not None and asked[-1:] != [one.desired]:
                asked.append(one.desired)
        found.append(OutageDocument(outage.began_at, round(outage.ended_at - outage.began_at, 1), tuple(asked)))
    return found
