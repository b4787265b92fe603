"""Which autoscaler to take: fixed, an HPA on CPU and KEDA compared over their parameters, each with as few pods at most
as meet the goal. It chooses what a sweep would have to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ebbtide.capacity.summary import Summary
from ebbtide.capacity.sweep import Goal, Tried, what_binds

MOST_REPLICAS = 256
"""More pods of one consumer are not looked at."""
_CPU_TARGETS = (50, 80)
_MINIMA = (0, 1, 2)
_MESSAGES_PER_WORKER = (1, 2, 5)
_BUDGETS = {"podHours", "connections", "cutOff"}
"""Figures that more pods make worse."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to scale, all but its largest number of pods."""

    family: str
    """`fixed`, `hpa on CPU` or `keda`."""
    least: int = 0
    """`minReplicas`; nothing where the number is fixed."""
    parameter: int = 0
    """Per cent of the CPU request, or messages for each worker."""

    def autoscaling(self, most: int) -> dict[str, Any]:
        """The mapping in a stack file."""
        if self.family == FIXED:
            return {"kind": "fixed", "replicas": most}
        bounds = {"minReplicas": self.least, "maxReplicas": most}
        if self.family == KEDA:
            return {"kind": "keda", **bounds, "messagesPerWorker": self.parameter}
        return {"kind": "hpa", **bounds, "metrics": [{"kind": "cpu", "targetUtilization": self.parameter}]}


FIXED, ON_CPU, KEDA = FAMILIES = ("fixed", "hpa on CPU", "keda")


def shapes() -> tuple[Shape, ...]:
    """All that are compared."""
    on_cpu = [Shape(ON_CPU, least, target) for least in _MINIMA if least for target in _CPU_TARGETS]
    keda = [Shape(KEDA, least, messages) for least in _MINIMA for messages in _MESSAGES_PER_WORKER]
    return (Shape(FIXED), *on_cpu, *keda)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shape with a largest number of pods."""

    shape: Shape
    most: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a candidate, over all seeds."""

    candidate: Candidate
    summaries: tuple[Summary, ...]

    def missed(self, goals: Sequence[Goal]) -> list[Goal]:
        """The goals that a seed misses."""
        return [goal for goal in goals if not all(goal.met_by(summary) for summary in self.summaries)]

    def worst(self, goal: Goal) -> Summary:
        """The seed that counts."""
        return max(self.summaries, key=lambda summary: (summary.left, goal.value_of(summary)))

    @property
    def pod_hours(self) -> float:
        """Of the seed that pays most."""
        return max(summary.pod_hours for summary in self.summaries)

    def why_not(self, goals: Sequence[Goal]) -> str:
        """What keeps it from the first goal that it misses; empty where it misses none."""
        missed = self.missed(goals)
        return what_binds(Tried(self.candidate.most, self.worst(missed[0])), missed[0]) if missed else ""


@dataclass(slots=True)
class _Search:
    """The smallest largest number of pods with which a shape meets every goal but budgets: doubled until it does, then
    halved in between. More pods at most never make messages wait longer; budgets are what the smallest one costs least
    of."""

    shape: Shape
    first: int
    low: int = field(init=False)
    """The largest number that is too few; at first the minimum: an autoscaler that cannot move is a fixed number."""
    high: int | None = None
    """The smallest number that is known to be enough."""
    used: int | None = None
    """How many pods there were at most, where that is fewer than were allowed: as many are enough then."""
    over: bool = False

    def __post_init__(self) -> None:
        self.low = self.shape.least

    def next(self) -> Candidate | None:
        """What to try now; None when it is over."""
        if self.over:
            return None
        if self.high is None:
            return Candidate(self.shape, min(max(self.first, 2 * self.low, self.low + 1), MOST_REPLICAS))
        return Candidate(self.shape, self.used or (self.low + self.high) // 2)

    def learn(self, outcome: Outcome, goals: Sequence[Goal]) -> None:
        """Go on from what came of the last one."""
        most, missed = outcome.candidate.most, outcome.missed(goals)
        used = max(summary.peak_replicas for summary in outcome.summaries)
        if any(goal.name not in _BUDGETS for goal in missed) or any(summary.left for summary in outcome.summaries):
            self.low, self.used = most, None
            # Another maximum changes nothing where this one was never reached, nor where pods are too many already.
            hopeless = used < most or most >= MOST_REPLICAS or any(goal.name in _BUDGETS for goal in missed)
            self.over = self.high is None and hopeless
        else:
            self.high = most
            self.used = used if self.low < used < most else None
        if self.high is not None and self.high - self.low <= 1:
            self.over = True


class Advisor:
    """Rounds of candidates: `next_round` says what to run, `learn` takes what came of it."""

    def __init__(self, goals: Sequence[Goal], first: int, ways: Sequence[Shape]) -> None:
        self.goals = tuple(goals)
        self.searches = [_Search(shape, first) for shape in ways]
        self.outcomes: dict[Candidate, Outcome] = {}

    def next_round(self) -> list[Candidate]:
        """What is to be run next; nothing when all is known. Whoever cannot be cheaper any more is left out."""
        cheapest, hours = self.chosen(), self._hours()
        for search in self.searches:
            if cheapest is not None and search.shape.least * hours >= cheapest.pod_hours:
                search.over = True
        found = [search.next() for search in self.searches]
        return [candidate for candidate in found if candidate is not None]

    def learn(self, outcomes: Mapping[Candidate, Sequence[Summary]]) -> None:
        """What came of a round."""
        for search in self.searches:
            candidate = search.next()
            if candidate is not None and candidate in outcomes:
                outcome = Outcome(candidate, tuple(outcomes[candidate]))
                self.outcomes[candidate] = outcome
                search.learn(outcome, self.goals)

    def _hours(self) -> float:
        """How long the load runs: what one pod costs that is always there."""
        fixed = [outcome for outcome in self.outcomes.values() if outcome.candidate.shape.family == FIXED]
        return min((outcome.pod_hours / outcome.candidate.most for outcome in fixed), default=0.0)

    def _meeting(self, family: str | None = None) -> Iterator[Outcome]:
        for outcome in self.outcomes.values():
            if family in {None, outcome.candidate.shape.family} and not outcome.missed(self.goals):
                yield outcome

    def chosen(self, family: str | None = None) -> Outcome | None:
        """The cheapest that meets every goal with every seed; of equals the one with fewer pods, then the first."""
        return min(self._meeting(family), key=lambda outcome: (outcome.pod_hours, outcome.candidate.most), default=None)

    def nearest(self, family: str) -> Outcome | None:
        """Where none does: the one that misses the fewest goals, and the first of them by the least."""

        def distance(outcome: Outcome) -> tuple[int, int, float, float]:
            missed = outcome.missed(self.goals)
            worst = outcome.worst(missed[0])
            return len(missed), worst.left, missed[0].value_of(worst) / missed[0].bound, outcome.pod_hours

        tried = [outcome for outcome in self.outcomes.values() if outcome.candidate.shape.family == family]
        return min(tried, key=distance, default=None)

    def binds(self, outcome: Outcome) -> str:
        """What keeps the one from being cheaper: the same with a pod less, and what it misses."""
        below = [
            other
            for other in self.outcomes.values()
            if other.candidate.shape == outcome.candidate.shape and other.candidate.most < outcome.candidate.most
        ]
        if not below:
            return ""
        nearest = max(below, key=lambda other: other.candidate.most)
        return f"With {nearest.candidate.most} at most, {nearest.why_not(self.goals)}."
