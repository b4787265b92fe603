"""The shutdown timelines that a change moves, whatever source it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from ebbtide.explain.timeline import Moment, build_timeline
from ebbtide.preview.change import Operation, StackChange
from ebbtide.preview.fleet import Pods
from ebbtide.settings.models.shutdown import FINISH_ALLOWANCE_SECONDS
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.units import format_duration


@dataclass(frozen=True, slots=True)
class TimelineChange:
    """The shutdown timeline of one consumer, before and after, in seconds by what happens."""

    consumer: str
    before: tuple[Moment, ...]
    after: tuple[Moment, ...]

    def rows(self) -> list[tuple[str, str, str]]:
        """Before, after and what happens then, for each moment of either budget.

        Without the caps: the old manifest does not state them, and one column of two looks like news.
        """
        old, new = (
            {moment.what: format_duration(moment.seconds) for moment in moments if moment.kind == "budget"}
            for moments in (self.before, self.after)
        )
        return [(old.get(what, ""), new.get(what, ""), what) for what in dict.fromkeys([*new, *old])]


def timelines_of(change: StackChange, head: StackSettings) -> tuple[TimelineChange, ...]:
    """One for each consumer whose pods get another budget."""
    found = []
    for update in change.changes:
        consumer = head.consumers.get(update.title)
        if update.kind != "Deployment" or update.operation is not Operation.UPDATE or consumer is None:
            continue
        by_settings = build_timeline(head, consumer)
        before, after = (_moments(by_settings, Pods.of(side)) for side in (update.old, update.new))
        if before is not None and after is not None and before != after:
            caps = tuple(moment for moment in by_settings if moment.kind == "cap")
            found.append(TimelineChange(consumer.name, before, after + caps))
    return tuple(found)


def _moments(by_settings: tuple[Moment, ...], pods: Pods) -> tuple[Moment, ...] | None:
    """The moments of a budget with the seconds that a manifest's own variables state; None where one is missing."""
    stop_wait, deadline, grace = pods.stop_wait_seconds, pods.drain_deadline_seconds, pods.grace_seconds
    if stop_wait is None or deadline is None or grace is None:
        return None
    # When the longest message has ended is in no manifest: the allowance before the next rung was and is the same.
    seconds = (0, max(0, stop_wait - FINISH_ALLOWANCE_SECONDS), stop_wait, deadline, grace)
    budget = [moment for moment in by_settings if moment.kind == "budget"]
    return tuple(Moment(at, moment.what, moment.kind) for at, moment in zip(seconds, budget, strict=True))
