"""What a change does to running consumers, one sentence a risk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ebbtide.preview.change import KNOWN_PACKAGES, Operation, ResourceChange, StackChange
from ebbtide.settings.models.consumer import ConsumerSettings


class RiskLevel(StrEnum):
    """How much a reviewer must care, worst first."""

    DANGER = "danger"
    """Messages, data or capacity may be lost, or a safeguard is taken away."""
    DISRUPTIVE = "disruptive"
    """Running consumers restart or drain. Nothing is lost."""
    SCALING = "scaling"
    """The number of pods will follow other rules."""
    INFO = "info"
    """Good to know."""


@dataclass(frozen=True, slots=True)
class Risk:
    """One thing a reviewer must know."""

    subject: str
    """The consumer or resource it is about."""
    sentence: str
    advice: str = ""
    """What to do about it, or how to make sure."""
    resource: str = ""
    """The key of the resource that changes."""
    level: RiskLevel = RiskLevel.DANGER
    """Of a rule with one level, that one."""
    rule: str = ""
    """The id of the rule that found it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules may look at."""

    change: StackChange
    consumers: Mapping[str, ConsumerSettings]
    """The settings of the head, by consumer. A consumer that goes away is not in it."""

    def of(self, kind: str, *operations: Operation) -> Iterator[ResourceChange]:
        """The changes of one kind of resource, and of some operations if any are named."""
        for found in self.change.changes:
            if (
                found.kind == kind
                and found.package in KNOWN_PACKAGES
                and (not operations or found.operation in operations)
            ):
                yield found
