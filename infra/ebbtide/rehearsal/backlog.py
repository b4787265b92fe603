"""An autoscaler that follows what the broker holds, down to zero and back: KEDA."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import ClassVar

from ebbtide.capacity.autoscaler import read_operator
from ebbtide.capacity.hpa import Metric
from ebbtide.explain.scaling import ScalingLimits, build_scaling_limits, hpa_behind
from ebbtide.rehearsal.access import Need
from ebbtide.rehearsal.autoscaler_document import (
    AutoscalerDocument,
    BacklogDocument,
    Growth,
    KedaLook,
    OutageDocument,
    Replayed,
    Sleep,
    Wake,
    since,
)
from ebbtide.rehearsal.backlog_replay import replay_backlog
from ebbtide.rehearsal.cluster import Cluster, Manifest
from ebbtide.rehearsal.keda import GROUP, VERSION, look_at_keda, require_watched
from ebbtide.rehearsal.ledger import Handling
from ebbtide.rehearsal.load import Kind
from ebbtide.rehearsal.outcome import SYNC_SECONDS, Scaling
from ebbtide.rehearsal.poll_replay import replay_polls
from ebbtide.rehearsal.reactions import (
    STATISTICS_SECONDS,
    find_growths,
    find_outages,
    find_overlooked,
    find_scalings,
    find_sleeps,
    find_wakes,
)
from ebbtide.rehearsal.record import Record
from ebbtide.rehearsal.replay import Compared, difference_words
from ebbtide.rehearsal.scenario import AtRest, Round
from ebbtide.rehearsal.signal import Judgement, Signal
from ebbtide.rehearsal.watch import Moment, Seen
from ebbtide.report.model import Chart, Series, Table, thin_out
from ebbtide.settings.models.consumer import ConsumerSettings

BUSY_SECONDS = 1.0
QUIET_SECONDS = 3.0
DELAY_SECONDS = 30.0
_QUERY_SECONDS = 5
"""For a poll that has to connect first, on a busy machine."""
_AT_REST: dict[AtRest, Kind] = {
    "a message": Kind("single", BUSY_SECONDS, 0.0, 0, 1),
    "a delayed message": Kind("delayed", BUSY_SECONDS, 0.0, 0, 1, delay_seconds=DELAY_SECONDS),
    "a message that fails once": Kind("failing", BUSY_SECONDS, 0.0, 0, 1, failures=1),
}

_HARDEST = Round("longest messages", ("rolling update", "eviction", "deletion"), longest=True)


@dataclass
class BacklogSignal(Signal):
    """What waits in the broker of one consumer, and what its workers have in hand."""

    needs: ClassVar = (
        Need(GROUP, VERSION, "scaledobjects", "nothing scales on a queue", "install KEDA"),
        Need(
            "external.metrics.k8s.io",
            "v1beta1",
            "*",
            "no HPA can ask KEDA",
            "look at KEDA's metrics server, and at who else serves that API",
        ),
    )
    rounds: ClassVar = {
        "full": (
            Round("scaling"),
            Round("rolling update and eviction", ("rolling update", "eviction")),
            Round("broker away", ("broker away",)),
            _HARDEST,
            Round("a delayed message", at_rest="a delayed message"),
            Round("a message that fails once", at_rest="a message that fails once"),
        ),
        "short": (_HARDEST, Round("a delayed message", at_rest="a delayed message")),
        "wakes": (Round("one message", at_rest="a message"),) * 10,
    }
    begins_at_rest: ClassVar = True

    consumer: ConsumerSettings
    messages_per_pod: int
    polling_interval_seconds: int
    cooldown_seconds: int
    looks: list[KedaLook] = field(default_factory=list)
    _looked_at: float = field(default_factory=time.time)

    def require_watched(self, cluster: Cluster, namespace: str) -> None:
        """KEDA may watch some namespaces only."""
        require_watched(cluster, namespace)

    @property
    def reach_seconds(self) -> float:
        """Two syncs, the stabilisation window, a poll and the pods' start; and down to nothing, the cooldown."""
        return 240 + self.polling_interval_seconds + self.cooldown_seconds

    def load(self, one: Round) -> Kind:
        """Twice what the most pods are for."""
        if one.at_rest:
            return _AT_REST[one.at_rest]
        scaling, longest = self.consumer.autoscaling, float(self.consumer.shutdown.longest_message)
        full = self.messages_per_pod * scaling.max_replicas
        workers = self.consumer.worker.slots * scaling.max_replicas
        if one.longest:
            return Kind("longest-busy", longest, 0.0, full, workers)
        return Kind("busy", min(BUSY_SECONDS, longest), 0.0, 2 * full, 5 * workers)

    def phase_seconds(self, number: int) -> float:
        """Ten rounds meet ten phases of the poll."""
        return number % 10 / 10 * self.polling_interval_seconds

    def descent(self, one: Round) -> tuple[tuple[Kind | None, int], ...]:
        """First half of what one pod is for, always: pods go while all of them have messages in hand. Then nothing,
        if they may all go."""
        least = self.consumer.autoscaling.min_replicas
        if one.at_rest:
            return ((None, least),)
        seconds = float(self.consumer.shutdown.longest_message) if one.longest else QUIET_SECONDS
        half = max(1, self.messages_per_pod // 2)
        seconds = min(seconds, self.consumer.shutdown.longest_message)
        few = Kind("quiet", seconds, 0.0, half, half, with_those_in_hand=True)
        return ((few, max(1, least)), *(((None, 0),) if least == 0 else ()))

    def look(self, cluster: Cluster, namespace: str, pods: list[Manifest]) -> Seen:  # noqa: ARG002 - KEDA does not care
        """What the Deployment states is what is asked for: either loop writes it there."""
        since, self._looked_at = self._looked_at, time.time()
        look = look_at_keda(cluster, namespace, self.consumer.name, since)
        if look is None:
            return Seen(None)
        if not self.looks or replace(look, at=0, since=0) != replace(self.looks[-1], at=0, since=0):
            self.looks.append(look)
        backlog = look.metrics[0] * (look.current_replicas or 0) if look.metrics else None
        return Seen(look.replicas, backlog=backlog)

    def judge(self, record: Record) -> Judgement:
        """Against what KEDA's two loops may do."""
        moments = record.watch.moments
        least = max(1, self.consumer.autoscaling.min_replicas)
        spec = hpa_behind(record.consumer.autoscaling, record.stack, record.consumer)
        limits = build_scaling_limits(record.stack, record.consumer)
        assert spec is not None and limits is not None  # noqa: S101, PT018 - KEDA makes an HPA
        messages = Metric("External", "AverageValue", 1000 * self.messages_per_pod, "messages")
        operated = read_operator(record.consumer.autoscaling, record.stack, record.consumer)
        assert operated is not None  # noqa: S101 - it is KEDA
        hpas = replay_backlog(replace(spec, metrics=(messages,)), self.looks, lambda at: _held(moments, at))
        return BacklogJudgement(
            self,
            moments,
            limits,
            find_scalings(moments),
            sorted([*hpas, *replay_polls(operated, self.looks)], key=lambda one: one.at),
            find_wakes(moments, record.batches, record.ledger.handlings),
            find_growths(moments, self.messages_per_pod, least),
            find_sleeps(moments, record.ledger.handlings),
            find_overlooked(self.looks, record.ledger.handlings),
            find_outages(moments, record.outages),
        )


@dataclass(frozen=True)
class BacklogJudgement(Judgement):
    """What it did. Times are seconds since the epoch."""

    signal: BacklogSignal
    moments: Sequence[Moment]
    limits: ScalingLimits
    scalings: list[Scaling]
    compared: list[Compared]
    """Both loops' changes, by time."""
    wakes: Sequence[Wake]
    growths: Sequence[Growth]
    sleeps: Sequence[Sleep]
    overlooked: Sequence[tuple[KedaLook, Handling]]
    outages: Sequence[OutageDocument]

    @property
    def contradictions(self) -> list[str]:
        """What neither loop may do."""
        scaling = self.signal.consumer.autoscaling
        lowest, highest = scaling.min_replicas, scaling.max_replicas
        found = [
            f"went to {one.after}; the settings say {lowest} to {highest}"
            for one in self.scalings
            if not lowest <= one.after <= highest
        ]
        found += [
            f"saw nothing at {look.at - self.moments[0].at:.1f} s, while a worker had had a message in hand for "
            f"{look.at - one.started_at:.0f} s"
            for look, one in self.overlooked
        ]
        return found + [
            f"went from {one.pods[0]} to {one.pods[-1]} pods while the broker answered nobody"
            for one in self.outages
            if len(one.pods) > 1
        ]

    @property
    def problems(self) -> list[str]:
        """These, and what came too late."""
        found = self.contradictions
        patience = self.signal.polling_interval_seconds + STATISTICS_SECONDS + _QUERY_SECONDS
        for one in self.wakes:
            if one.asked_seconds is None or one.asked_seconds > patience:
                took = "never" if one.asked_seconds is None else f"{one.asked_seconds:.0f} s later"
                found.append(f"{one.what} came while there was no pod, and one was asked for {took}")
        found += [
            f"grew {one.seconds:.0f} s after the broker held too much, and not within two sync periods"
            for one in self.growths
            if one.seconds > 2 * SYNC_SECONDS + STATISTICS_SECONDS
        ]
        if not self.growths and not self.wakes:
            found.append("the autoscaler never grew")
        return found + [
            f"the autoscaler decided otherwise than the simulator's, {one.at - self.moments[0].at:.1f} s after the "
            f"beginning: {difference_words(one)}"
            for one in self.compared
            if one.is_unexplained
        ]

    def table(self) -> Table:
        """What it did."""
        asked = [str(self.scalings[0].before), *(str(one.after) for one in self.scalings)] if self.scalings else []
        # Of a batch, the first messages are in the broker a while before the last one is confirmed.
        prompt = [one for one in self.wakes if one.messages == 1 and not one.delay_seconds]
        sleeps = [one.seconds for one in self.sleeps if one.seconds is not None]
        agreement = f"{sum(one.agrees for one in self.compared)} of {len(self.compared)} changes"
        differences = [
            [f"it did not at {one.at - self.moments[0].at:.1f} s", difference_words(one)]
            for one in self.compared
            if not one.agrees
        ]
        rows = [
            ["pods it asked for", " → ".join(asked) or "no change"],
            ["a message at zero, until a pod was asked for", _spread(one.asked_seconds for one in prompt)],
            ["a message at zero, until its handler began", _spread(one.handled_seconds for one in prompt)],
            ["first growth after the broker held too much", _spread(one.seconds for one in self.growths)],
            ["from the last message to zero", f"{_spread(sleeps)} (cooldown {self.signal.cooldown_seconds} s)"],
            ["while the broker answered nobody", "; ".join(map(_outage_words, self.outages)) or "not tried"],
            ["what it did against the settings", "; ".join(self.contradictions) or "nothing"],
            ["the simulator decided the same", agreement],
            *differences,
        ]
        return Table("Autoscaler", ["", ""], rows)

    def chart(self) -> Chart:
        """Messages: as the autoscaler last saw them, as they were, and for how many the pods are."""
        began = self.moments[0].at
        seen = [(one.at - began, one.backlog) for one in self.moments if one.backlog is not None]
        held = [(one.at - began, float(one.sent - one.finished)) for one in self.moments]
        pods = [(one.at - began, float((one.desired or 0) * self.signal.messages_per_pod)) for one in self.moments]
        return Chart(
            "What the autoscaler saw",
            f"Messages that wait or are in hand. A pod is for {self.signal.messages_per_pod}; more than a tenth above "
            "what the pods are for asks for more of them.",
            "messages",
            [
                Series("autoscaler", seen, "step"),
                Series("sent and not finished", thin_out(held), "area"),
                Series("what the pods are for", pods, "step"),
            ],
        )

    def document(self) -> AutoscalerDocument:
        """The same as a document."""
        began = self.moments[0].at
        signal = self.signal
        backlog = BacklogDocument(
            signal.messages_per_pod,
            signal.polling_interval_seconds,
            signal.cooldown_seconds,
            tuple(replace(one, at=round(one.at - began, 1)) for one in self.wakes),
            tuple(replace(one, at=round(one.at - began, 1)) for one in self.growths),
            tuple(replace(one, at=round(one.at - began, 1)) for one in self.sleeps),
            tuple(replace(one, at=round(one.at - began, 1)) for one in self.outages),
            tuple(_look_since(one, began) for one in signal.looks),
        )
        first = self.growths[0].seconds if self.growths else None
        return AutoscalerDocument(
            target_utilization=None,
            first_scale_up_seconds=first,
            explain=self.limits,
            contradictions=tuple(self.contradictions),
            down_window_judged=False,
            scalings=since(began, self.scalings),
            replayed=tuple(Replayed.of(one, began) for one in self.compared),
            backlog=backlog,
        )


def _look_since(look: KedaLook, began: float) -> KedaLook:
    last = None if look.last_active_at is None else round(look.last_active_at - began, 1)
    at, since, created = (round(one - began, 2) for one in (look.at, look.since, look.created_at))
    return replace(look, at=at, since=since, created_at=created, last_active_at=last)


def _held(moments: Sequence[Moment], at: float) -> float:
    """How many messages were sent and not finished."""
    last = next((one for one in reversed(moments) if one.at <= at), moments[0])
    return float(last.sent - last.finished)


def _spread(values: Iterable[float | None]) -> str:
    """Median and most of several."""
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    if len(known) == 1:
        return f"{known[0]:.1f} s"
    return f"median {median(known):.1f} s, most {max(known):.1f} s, of {len(known)}"


def _outage_words(outage: OutageDocument) -> str:
    pods = " → ".join(map(str, outage.pods))
    return f"{outage.seconds:.0f} s at {pods} pods" + (": unchanged" if len(outage.pods) == 1 else "")
