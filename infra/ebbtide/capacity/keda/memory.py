"""What KEDA remembers of one ScaledObject: its status, and what the operator holds in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ebbtide.capacity.clock import MICROSECONDS


class Record(NamedTuple):
    """What one look at a trigger came to (metricscache.MetricsRecord): fallback is applied already."""

    milli: int | None
    """The metric in milli-units; None where there is none."""
    active: bool = False
    fallback: bool = False
    error: str = ""


@dataclass(slots=True)
class Memory:
    """`poll` and `external_metric` update it in place.

    Failures are one count for both loops here. In the operator the HPA's side counts on a copy that is as old as its
    scalers; the two differ only between a recovery and that side's next question.
    """

    created_us: int
    """A whole second: the API server keeps no fractions."""
    last_active_us: int | None = None
    """Of the last poll that found work, in whole seconds as the status keeps it; None after `kubectl scale`, too."""
    failures: dict[str, int] = field(default_factory=dict)
    """Looks at a metric that failed one after the other, by its name. Counted only where there is a fallback."""
    has_scalers: bool = True
    """Whether scalers are built. An error throws all of them away; the next loop builds them anew."""
    records: dict[str, Record] = field(default_factory=dict)
    """What one loop leaves for the other, by metric."""

    def touch(self, now_us: int) -> None:
        """Something was active. metav1.Time is written without fractions of a second."""
        self.last_active_us = now_us // MICROSECONDS * MICROSECONDS

    def copy(self) -> Memory:
        """An independent copy, for a what-if from here."""
        return Memory(self.created_us, self.last_active_us, dict(self.failures), self.has_scalers, dict(self.records))
