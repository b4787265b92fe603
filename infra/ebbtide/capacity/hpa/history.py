"""What the controller remembers of one HPA between syncs. All of it lives in memory: a restart loses it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Recommendation(NamedTuple):
    """A raw proposal: before stabilisation, limits and bounds."""

    replicas: int
    at_us: int


@dataclass(slots=True)
class ScaleEvent:
    """A change of the replica count that the controller wrote itself. `replica_change` is positive both ways."""

    replica_change: int
    at_us: int
    outdated: bool = False


class Condition(NamedTuple):
    """One of an autoscaler's status conditions. The words are upstream's."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str


@dataclass(slots=True)
class History:
    """The controller's memory and the HPA's conditions. `sync` updates it in place.

    `recommendations` None: this HPA has never been synced.
    """

    recommendations: list[Recommendation] | None = None
    scale_ups: list[ScaleEvent] = field(default_factory=list)
    scale_downs: list[ScaleEvent] = field(default_factory=list)
    conditions: dict[str, Condition] = field(default_factory=dict)

    def copy(self) -> History:
        """An independent copy, for a what-if from here."""
        return History(
            recommendations=None if self.recommendations is None else list(self.recommendations),
            scale_ups=[copy(event) for event in self.scale_ups],
            scale_downs=[copy(event) for event in self.scale_downs],
            conditions=dict(self.conditions),
        )

    def set(self, condition: Condition) -> None:
        """Put a condition in place of the one of its type."""
        self.conditions[condition.type] = condition

    @property
    def scaled_to_zero(self) -> bool:
        """Whether the controller itself made the last step to zero (condition ScaledToZero)."""
        condition = self.conditions.get("ScaledToZero")
        return condition is not None and condition.status == "True"
