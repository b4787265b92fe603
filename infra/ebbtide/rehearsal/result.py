"""A rehearsal judged: figures and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from ebbtide.rehearsal.ledger import Count
from ebbtide.rehearsal.outcome import Drain, find_drains
from ebbtide.rehearsal.record import Record
from ebbtide.rehearsal.signal import Judgement, Signal
from ebbtide.rehearsal.starts import Start, find_starts


@dataclass(frozen=True, slots=True)
class Result:
    """What a rehearsal showed. Times are seconds since its beginning."""

    record: Record
    began_at: float
    seconds: float
    count: Count
    starts: list[Start]
    drains: list[Drain]
    autoscaler: Judgement
    problems: list[str]
    """What did not happen, or was not seen; with any of them the rehearsal has not passed."""

    @property
    def lossless(self) -> bool:
        """Every message was begun once and finished."""
        count = self.count
        return count.once == count.sent > 0 and not (count.cut_off or count.failed or count.unknown)

    @property
    def passed(self) -> bool:
        """Lossless, and nothing else was wrong."""
        return self.lossless and not self.problems

    @property
    def scale_downs(self) -> int:
        """How often the autoscaler asked for fewer pods."""
        return sum(one.after < one.before for one in self.autoscaler.scalings)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        count = self.count
        causes = [sum(one.cause == cause for one in self.drains) for cause in CAUSES]
        ended = ", ".join(f"{number} by {cause}" for number, cause in zip(causes, CAUSES, strict=True) if number)
        return (
            f"{count.sent:,} messages: {count.once:,} handled exactly once, {count.lost:,} lost, {count.repeated:,} "
            f"repeated, {count.cut_off:,} cut off. {self.scale_downs} scale-downs; pods that ended: {ended or 'none'}."
        )


CAUSES = ("scale-down", "rolling update", "eviction", "deletion")


def judge(record: Record, signal: Signal) -> Result:
    """Everything that follows from what was seen."""
    watch, moments, ledger = record.watch, record.watch.moments, record.ledger
    autoscaler = signal.judge(record)
    problems = [*record.problems, *autoscaler.problems]
    if record.held_at_the_end:
        problems.append(f"the broker still held {record.held_at_the_end} messages at the end")
    if ledger.malformed:
        problems.append(f"{len(ledger.malformed)} lines of the ledger could not be read: the count is not exact")
    return Result(
        record,
        moments[0].at,
        moments[-1].at - moments[0].at,
        ledger.count(record.sent, record.failing),
        find_starts(watch.pods.values(), ledger.handlings, ledger.events, record.batches),
        find_drains(watch.pods.values(), ledger.handlings, ledger.events, record.sent, record.removed),
        autoscaler,
        problems,
    )


def overheads(drains: list[Drain]) -> tuple[float, float]:
    """The median and the largest of what drains took beyond their longest message, in seconds."""
    values = [drain.overhead_seconds for drain in drains]
    return (median(values), max(values)) if values else (0.0, 0.0)
