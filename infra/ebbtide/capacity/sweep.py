"""Many settings on one load: which is the cheapest that meets a goal, and what keeps the others from it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ebbtide.capacity.summary import Summary
from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.settings.values.units import parse_duration

_MOST_VALUES = 1000
# What a goal may be about: the name on the command line and the figure.
_FIGURES = {
    "p50": "wait_p50_seconds",
    "p95": "wait_p95_seconds",
    "p99": "wait_p99_seconds",
    "max": "wait_max_seconds",
    "backlog": "peak_waiting",
    "cutOff": "cut_off",
    "podHours": "pod_hours",
    "connections": "peak_broker_connections",
}
_SECONDS = {"p50", "p95", "p99", "max"}


@dataclass(frozen=True, slots=True)
class Sweep:
    """Values to try for one setting."""

    path: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """An upper bound on one figure."""

    name: str
    bound: float

    @property
    def figure(self) -> str:
        """The member of `Summary`."""
        return _FIGURES[self.name]

    def value_of(self, summary: Summary) -> float:
        """The figure that counts."""
        return float(getattr(summary, self.figure))

    def met_by(self, summary: Summary) -> bool:
        """Whether a run meets it. A run that leaves messages undone meets nothing."""
        return self.value_of(summary) < self.bound and summary.left == 0

    def show(self, value: float) -> str:
        """A value of this figure with its unit."""
        return f"{value:.1f} s" if self.name in _SECONDS else f"{value:g}"

    def __str__(self) -> str:
        return f"{self.name} < {self.show(self.bound)}"


@dataclass(frozen=True, slots=True)
class Tried:
    """One value of a sweep and what came of it."""

    value: int
    summary: Summary


def parse_sweep(text: str) -> Sweep:
    """`maxReplicas=2..20` or `maxReplicas=2..20..2`. Raises SettingsError."""
    match = re.fullmatch(r"\s*([\w.\[\]]+)\s*=\s*(\d{1,9})\.\.(\d{1,9})(?:\.\.(\d{1,9}))?\s*", text)
    if match is None:
        raise _refuse("--sweep", f"is no sweep (got {text!r})", "write maxReplicas=2..20, or 2..20..2 for every second")
    first, last, step = int(match[2]), int(match[3]), int(match[4] or 1)
    values = range(first, last + 1, step) if step else range(0)
    if not values or len(values) > _MOST_VALUES:
        raise _refuse(
            "--sweep", f"has {len(values):,} values (got {text!r})", f"count upwards, at most {_MOST_VALUES} values"
        )
    return Sweep(match[1], tuple(values))


def parse_goal(text: str) -> Goal:
    """`p95 < 60s`, `backlog < 1000`. Raises SettingsError."""
    match = re.fullmatch(r"\s*(\w+)\s*<\s*(\S+)\s*", text)
    if match is None or match[1] not in _FIGURES:
        raise _refuse("--goal", f"is no goal (got {text!r})", f"write 'p95 < 60s'; figures: {', '.join(_FIGURES)}")
    bound = _bound(match[1], match[2])
    # `nan` and `inf` are numbers to Python and no bounds.
    if not 0 < bound < math.inf:
        example = "60s" if match[1] in _SECONDS else "1000"
        raise _refuse("--goal", f"has no bound (got {match[2]!r})", f"write '{match[1]} < {example}'")
    return Goal(match[1], bound)


def _bound(name: str, text: str) -> float:
    # Waits are told to a tenth of a second; settings know whole seconds only.
    fraction = re.fullmatch(r"(\d*\.\d+)s", text) if name in _SECONDS else None
    if fraction is not None:
        return float(fraction[1])
    try:
        return float(parse_duration(text) if name in _SECONDS else text)
    except (ValueError, OverflowError):
        return math.nan


def cheapest(tried: Sequence[Tried], goal: Goal) -> Tried | None:
    """The value that meets the goal with the fewest pod-hours; of equals the smallest. None if none does."""
    meeting = [entry for entry in tried if goal.met_by(entry.summary)]
    return min(meeting, key=lambda entry: (entry.summary.pod_hours, entry.value), default=None)


def best(tried: Sequence[Tried], goal: Goal) -> Tried:
    """The one that comes nearest to the goal."""
    return min(tried, key=lambda entry: (entry.summary.left, goal.value_of(entry.summary), entry.value))


def what_binds(entry: Tried, goal: Goal) -> str:
    """Why a value misses the goal, from the run itself."""
    summary = entry.summary
    missed = f"{goal.name} is {goal.show(goal.value_of(summary))}"
    if summary.left:
        return f"{summary.left} messages are left undone, however long the run goes on"
    if goal.name not in _SECONDS and goal.name != "backlog":
        return missed
    if summary.share_at_maximum >= 0.5:
        return f"{missed}; the maximum binds, {summary.share_at_maximum:.0%} of the time with a backlog"
    return f"{missed}; the maximum hardly binds: the autoscaler's reaction and the start of pods do"


def _refuse(option: str, message: str, remedy: str) -> SettingsError:
    return refused("simulate", message, remedy, (option,))
