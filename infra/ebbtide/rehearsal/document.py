"""What `ebbtide rehearse --format json` prints. `at` is seconds since `begin`; durations are seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ebbtide.rehearsal.autoscaler_document import AutoscalerDocument
from ebbtide.rehearsal.ledger import Count
from ebbtide.rehearsal.outcome import Drain
from ebbtide.rehearsal.result import Result
from ebbtide.rehearsal.starts import Start
from ebbtide.rehearsal.watch import Moment


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was rehearsed, and where."""

    stack: str
    consumer: str
    broker: str
    image: str
    baseline: bool
    """Whether without the hook, to show that losses are seen."""
    scenario: str
    context: str
    """Of the kubeconfig."""
    kubernetes: str
    pulumi: str
    processes: int
    longest_message_seconds: int


@dataclass(frozen=True, slots=True)
class DrainDocument:
    """How one pod ended."""

    pod: str
    cause: str
    """`scale-down`, `rolling update`, `eviction` or `deletion`."""
    at: float
    seconds: float
    in_flight: int
    """Messages that its workers were handling when its deletion was asked for."""
    begun_after: int
    longest_remaining_seconds: float
    """What the longest of its messages still needed."""
    overhead_seconds: float
    """What the drain took beyond that."""
    cut_off: int
    """Messages that a kill ended."""
    exit_status: int | None

    @classmethod
    def of(cls, drain: Drain, began: float) -> DrainDocument:
        """The same as a document."""
        return cls(
            drain.pod,
            drain.cause,
            round(drain.at - began, 3),
            drain.seconds,
            drain.in_flight,
            drain.begun_after,
            drain.longest_remaining_seconds,
            round(drain.overhead_seconds, 3),
            drain.cut_off,
            drain.exit_status,
        )


@dataclass(frozen=True, slots=True)
class MarkDocument:
    """Something that the rehearsal did."""

    at: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalDocument:
    """One rehearsal, judged."""

    version: Literal[2]
    """Another one where a key went away or means something else; keys may be added."""
    passed: bool
    lossless: bool
    """Every message was begun once and finished."""
    verdict: str
    problems: tuple[str, ...]
    begin: float
    """Seconds since the epoch."""
    seconds: float
    set_up: SetUp
    messages: Count
    starts: tuple[Start, ...]
    """Pods that came while messages waited."""
    drains: tuple[DrainDocument, ...]
    autoscaler: AutoscalerDocument
    marks: tuple[MarkDocument, ...]
    moments: tuple[Moment, ...]
    """Twice a second."""
    failed_looks: tuple[str, ...]
    """Questions to the API server that failed and were asked again."""

    @classmethod
    def of(cls, result: Result) -> RehearsalDocument:
        """The same as a document."""
        record, began = result.record, result.began_at
        return cls(
            version=2,
            passed=result.passed,
            lossless=result.lossless,
            verdict=result.verdict,
            problems=tuple(result.problems),
            begin=began,
            seconds=round(result.seconds, 1),
            set_up=_set_up(result),
            messages=result.count,
            starts=tuple(replace(one, at=round(one.at - began, 1)) for one in result.starts),
            drains=tuple(DrainDocument.of(drain, began) for drain in result.drains),
            autoscaler=result.autoscaler.document(),
            marks=tuple(MarkDocument(round(mark.at - began, 1), mark.what) for mark in record.marks),
            moments=tuple(_since(record.watch.moments, began)),
            failed_looks=tuple(record.watch.failures),
        )


def _since(moments: Iterable[Moment], began: float) -> Iterable[Moment]:
    return (replace(one, at=round(one.at - began, 1)) for one in moments)


def _set_up(result: Result) -> SetUp:
    record, options = result.record, result.record.options
    return SetUp(
        options.stack,
        record.consumer.name,
        options.broker.name,
        record.consumer.image,
        options.baseline,
        options.scenario,
        record.access.context,
        record.access.version,
        record.pulumi,
        record.consumer.worker.processes,
        record.consumer.shutdown.longest_message,
    )
