"""How long a pod for which messages waited needed until it worked. Pure: what was seen in, seconds out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ebbtide.rehearsal.ledger import Handling, PodEvent
from ebbtide.rehearsal.load import Batch
from ebbtide.rehearsal.watch import PodRecord

_STAMP_SECONDS = 1
"""What Kubernetes cuts off a time: the scheduler's own event is to a second too."""


@dataclass(frozen=True, slots=True)
class Start:
    """One pod from its place on a node to its first message. From `at` all seconds are up to one too many."""

    pod: str
    at: float
    """When it was scheduled, to a second, by the scheduler's clock."""
    container_seconds: float | None
    """Until the image's own first word; null where the image says nothing. By the node's clock, as the following."""
    message_seconds: float
    """Until its first message began."""
    workers_seconds: float | None
    """Until all its workers consumed, which PID 1 sees up to half a second later; null where they never did."""

    @property
    def own_seconds(self) -> float | None:
        """From the image's first word until the first message began: exact to a millisecond."""
        return None if self.container_seconds is None else round(self.message_seconds - self.container_seconds, 3)


def find_starts(
    pods: Iterable[PodRecord], handlings: Iterable[Handling], events: Iterable[PodEvent], batches: Sequence[Batch]
) -> list[Start]:
    """Every pod whose first message was due before the pod was scheduled, by time. One that had to wait for a message
    says nothing of its start."""
    first: dict[str, Handling] = {}
    for one in sorted(handlings, key=lambda handling: handling.started_at):
        first.setdefault(one.pod, one)
    due = {message: batch.began_at + batch.kind.delay_seconds for batch in batches for message in batch.messages}
    own: dict[tuple[str, str], float] = {}
    for event in events:
        own.setdefault((event.pod, event.name), event.at)
    starts = []
    for pod in pods:
        message, at = first.get(pod.name), pod.scheduled_at
        if message is None or at is None or due.get(message.message, at + _STAMP_SECONDS) >= at + _STAMP_SECONDS:
            continue
        container, workers = (
            None if when is None else round(when - at, 3)
            for when in (own.get((pod.name, name)) for name in ("containerStarted", "workersReady"))
        )
        starts.append(Start(pod.name, at, container, round(message.started_at - at, 3), workers))
    return sorted(starts, key=lambda start: start.at)
