"""All that a rehearsal has seen, before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from ebbtide.rehearsal.access import Access
from ebbtide.rehearsal.ledger import Ledger
from ebbtide.rehearsal.load import Batch
from ebbtide.rehearsal.scenario import Disturbance, Options
from ebbtide.rehearsal.watch import Watch
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings


@dataclass(slots=True)
class Mark:
    """Something the rehearsal did."""

    at: float
    what: str
    short: str = ""
    """For the chart of the pods; empty where the pods have nothing to do with it."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the broker answered nobody, in seconds since the epoch."""

    began_at: float
    ended_at: float


@dataclass
class Record:
    """One rehearsal."""

    options: Options
    access: Access
    stack: StackSettings
    consumer: ConsumerSettings
    pulumi: str
    ledger: Ledger
    watch: Watch
    sent: dict[str, float] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    removed: dict[str, Disturbance] = field(default_factory=dict)
    """Pods that the rehearsal itself ended."""
    outages: list[Outage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    held_at_the_end: int | None = None
    """Messages that the broker still had."""

    @property
    def failing(self) -> dict[str, int]:
        """How often each message was asked to fail; those that were."""
        return {
            message: batch.kind.failures for batch in self.batches if batch.kind.failures for message in batch.messages
        }
