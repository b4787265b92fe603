"""A judged change: what every renderer shows."""

from __future__ import annotations

from dataclasses import dataclass

from ebbtide.judgement.findings import Finding
from ebbtide.manifests.kubernetes import build_autoscaler
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.preview.change import Operation, ResourceChange, StackChange
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules import judge
from ebbtide.preview.rules.unjudged import NotJudged, not_judged
from ebbtide.preview.timelines import TimelineChange, timelines_of
from ebbtide.settings.models.disruption import disruption_caps
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import acceptances

_LEVELS = list(RiskLevel)


@dataclass(frozen=True, slots=True)
class Review:
    """One stack's change, its risks worst first, and what else a reviewer should see."""

    change: StackChange
    risks: tuple[Risk, ...]
    timelines: tuple[TimelineChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What the rules say about the head's settings, whatever changed."""
    what_if: tuple[str, ...] = ()
    """One line of simulation per consumer with a committed load profile."""
    cost: tuple[str, ...] = ()
    """What it costs a month, in words: the difference first."""

    @property
    def worst(self) -> RiskLevel | None:
        """The level of the worst risk."""
        return self.risks[0].level if self.risks else None

    def level_of(self, change: ResourceChange) -> RiskLevel | None:
        """The worst risk of one resource."""
        return next((risk.level for risk in self.risks if risk.resource == change.key), None)

    @property
    def not_judged(self) -> tuple[NotJudged, ...]:
        """Every part of the change that neither a rule nor the list of what is harmless knows."""
        return tuple(found for change in self.change.changes for found in not_judged(change, self.risks))

    @property
    def changes(self) -> tuple[ResourceChange, ...]:
        """The changes, those with the worst risks first."""
        return tuple(sorted(self.change.changes, key=lambda change: _rank(self.level_of(change))))

    @property
    def counts(self) -> str:
        """`1 created, 2 updated, 14 unchanged`."""
        words = {
            Operation.REPLACE: "replaced",
            Operation.DELETE: "deleted",
            Operation.CREATE: "created",
            Operation.UPDATE: "updated",
        }
        counts = [
            (sum(change.operation is operation for change in self.change.changes), word)
            for operation, word in words.items()
        ]
        listed = [f"{count} {word}" for count, word in counts if count]
        if self.change.unchanged >= 0:
            listed.append(f"{self.change.unchanged} unchanged")
        return ", ".join(listed) or "no change known"

    @property
    def verdict(self) -> str:
        """The first line of every format: the worst thing, in words."""
        stack = self.change.stack
        if self.change.incomplete:
            return f"{stack}: the preview failed ({self.change.incomplete})"
        if not self.change.changes and not self.risks:
            return f"{stack}: nothing changes"
        if self.worst is None:
            # By construction: whatever is not known to be harmless has a risk, if only that it is not judged.
            return f"{stack}: {self.counts}, no effect on running consumers found"
        subjects = list(dict.fromkeys(risk.subject for risk in self.risks if risk.level is self.worst))
        named = ", ".join(subjects[:3]) + (f" and {len(subjects) - 3} more" if len(subjects) > 3 else "")
        return f"{stack}: {_VERDICTS[self.worst]} ({named})"


_VERDICTS = {
    RiskLevel.DANGER: "danger, do not merge without reading",
    RiskLevel.NOT_JUDGED: "not judged, read it yourself",
    RiskLevel.DISRUPTIVE: "running consumers restart or drain",
    RiskLevel.SCALING: "consumers scale differently",
    RiskLevel.INFO: "no more than an ordinary deploy does",
}


def _rank(level: RiskLevel | None) -> int:
    return len(_LEVELS) if level is None else _LEVELS.index(level)


def review_change(
    change: StackChange,
    head: StackSettings | None = None,
    findings: tuple[Finding, ...] = (),
    what_if: tuple[str, ...] = (),
    cost: tuple[str, ...] = (),
) -> Review:
    """Judge a change, by the settings of what it leads to where there are any."""
    if head is None:
        return Review(change, judge(Context(change)), (), findings, what_if, cost)
    context = Context(change, head.consumers, _spot_notices(head), _autoscalers(head), acceptances(head))
    return Review(change, judge(context), timelines_of(change, head), findings, what_if, cost)


def _spot_notices(stack: StackSettings) -> dict[str, int]:
    return {
        name: cap.seconds
        for name, consumer in stack.consumers.items()
        for cap in disruption_caps(stack, consumer)
        if cap.kind == "spotReclaim"
    }


def _autoscalers(stack: StackSettings) -> dict[str, tuple[Manifest, ...]]:
    return {name: build_autoscaler(consumer.autoscaling, stack, consumer) for name, consumer in stack.consumers.items()}
