"""What a change does to running consumers, one sentence a risk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.preview.change import Operation, ResourceChange, StackChange
from ebbtide.preview.kinds import is_of
from ebbtide.settings.models.consumer import ConsumerSettings


class RiskLevel(StrEnum):
    """How much a reviewer must care, worst first."""

    DANGER = "danger"
    """Messages, data or capacity may be lost, or a safeguard is taken away."""
    NOT_JUDGED = "notJudged"
    """Nobody has said what it does: no rule, and no list of what is known to be harmless. It may be any of these."""
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
    cause: str = ""
    """The sentence without the figures that are this subject's own: what is alike for others is said once."""

    def __post_init__(self) -> None:
        if not self.cause:
            object.__setattr__(self, "cause", self.sentence)


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules may look at."""

    change: StackChange
    consumers: Mapping[str, ConsumerSettings] = field(default_factory=dict)
    """The settings of the head, by consumer. A consumer that goes away is not in it; in a program of one's own there
    may be none."""
    spot_notices: Mapping[str, int] = field(default_factory=dict)
    """Seconds that a consumer on Spot machines has from the notice to its end, by consumer."""
    autoscalers: Mapping[str, Sequence[Manifest]] = field(default_factory=dict)
    """The objects that own the number of pods by the settings of the head, by consumer."""
    accepted: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The reasons with which the settings of the head accept findings, by consumer (empty: the stack) and rule."""

    def of(self, kind: str, *operations: Operation) -> Iterator[ResourceChange]:
        """The changes of one kind of resource, and of some operations if any are named."""
        for found in self.change.changes:
            if is_of(found, kind) and (not operations or found.operation in operations):
                yield found

    def after(self, kind: str) -> Iterator[ResourceChange]:
        """Everything of one kind that is there after the change, as far as the source tells."""
        yield from self.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE)
        yield from (found for found in self.change.standing if is_of(found, kind))
