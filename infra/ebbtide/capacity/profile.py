"""A load described by a few numbers: `loads/<consumer>.yaml`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

from pydantic import Field, ValidationError, model_validator

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.measured import NOTHING, Measured
from ebbtide.capacity.trace import LONGEST_MESSAGE_DAYS
from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.errors import findings_of
from ebbtide.settings.loading.yaml import read_yaml
from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.values.units import Count, Seconds

Pattern = Literal["steady", "diurnal", "weekly", "bursts", "webhooks"]


class DurationSource(Protocol):
    """How long messages take: quantiles, or samples of what was measured."""

    def sampler(self, random: Random) -> Callable[[], int]:
        """A source of durations in microseconds."""
        ...


class Durations(SettingsModel):
    """How long messages take, by quantile; between two of them the logarithm is interpolated."""

    p50: Seconds = Field(ge=0)
    """Half of the messages take at most this long."""
    p90: Seconds | None = None
    """Nine in ten."""
    p95: Seconds | None = None
    """Nineteen in twenty."""
    p99: Seconds | None = None
    """Ninety-nine in a hundred."""
    max: Seconds = Field(ge=1, le=LONGEST_MESSAGE_DAYS * 86_400)
    """The longest."""

    @model_validator(mode="after")
    def _rising(self) -> Durations:
        values = [seconds for _, seconds in self.points()]
        if values != sorted(values):
            raise ValueError("must not fall from p50 to max; write for example {p50: 2s, p95: 30s, max: 200s}")
        return self

    def points(self) -> list[tuple[float, int]]:
        """(share, seconds) by share, from the shortest message to the longest."""
        given = ((0.5, self.p50), (0.9, self.p90), (0.95, self.p95), (0.99, self.p99), (1.0, self.max))
        return [(share, seconds) for share, seconds in given if seconds is not None]

    def sampler(self, random: Random) -> Draw:
        """A source of durations in microseconds."""
        return Draw(self, random)


class Draw:
    """Durations drawn by inversion of the distribution."""

    def __init__(self, durations: Durations, random: Random) -> None:
        points = durations.points()
        # The shortest message takes a quarter of the median.
        self._shares = [0.0, *(share for share, _ in points)]
        seconds = [max(points[0][1] / 4, 0.001), *(max(float(value), 0.001) for _, value in points)]
        self._logs = [math.log(value * MICROSECONDS) for value in seconds]
        self._random = random.random

    def __call__(self) -> int:
        share = self._random()
        index = bisect_right(self._shares, share) - 1
        low, high = self._shares[index], self._shares[index + 1]
        place = (share - low) / (high - low)
        return int(math.exp(self._logs[index] + place * (self._logs[index + 1] - self._logs[index])))


class LoadProfile(SettingsModel):
    """A generated load."""

    pattern: Pattern = "diurnal"
    """`steady`; `diurnal`, a day-and-night wave; `weekly`, five such days and two quiet ones; `bursts`, ten times the
    load for five minutes every other hour; `webhooks`, a day-and-night wave with bursts of every size (heavy tail)."""
    messages_per_day: Count = Field(ge=1, le=200_000_000)
    """Messages in 24 hours, on average."""
    days: Count = Field(default=1, ge=1, le=31)
    """How many days."""
    peak_to_trough: float = Field(default=3.0, ge=1, le=1000)
    """How much more arrives at the busiest time of a day than at the quietest."""
    durations: Durations
    """How long messages take."""
    signals: dict[str, Literal["backlog", "backlogAndInFlight"]] = {}
    """What each external metric of the autoscaler measures: the waiting messages, or with those in flight."""
    measured: Measured = NOTHING
    """What was measured of the consumer and its cluster, in place of defaults."""


def read_profile(file: Path) -> LoadProfile:
    """Read a profile. Raises SettingsError with everything that is wrong at once."""
    raw: Any = read_yaml(file, file, "`{messagesPerDay: 5000, durations: {p50: 2s, max: 200s}}`")
    try:
        return LoadProfile.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(findings_of(error, LoadProfile, raw), str(file)) from None
