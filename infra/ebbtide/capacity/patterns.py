"""Loads drawn from a profile, minute by minute: the same seed draws the same load on one version of Python."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from random import Random

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.profile import DurationSource, LoadProfile
from ebbtide.capacity.trace import Chunk, TraceError

MINUTES_PER_DAY = 1440
_MINUTE_US = 60 * MICROSECONDS
_QUIET_DAY = 0.2
_BURST_FACTOR = 10
# Above this mean, a Poisson count is drawn as a rounded normal one: the difference is below a message in a thousand.
_NORMAL_FROM = 200


def draw_load(profile: LoadProfile, seed: int, durations: DurationSource | None = None) -> Iterator[Chunk]:
    """The arrivals of a profile, and its durations unless others are given.

    Raises TraceError where chance draws none: of a message a day every third seed.
    """
    random = Random(seed)  # noqa: S311 - repeatable chance, no secret
    duration = (durations or profile.durations).sampler(random)
    drawn = 0
    for minute, mean in enumerate(_means(profile, random)):
        count = _poisson(mean, random)
        drawn += count
        if count:
            start = minute * _MINUTE_US
            arrivals = array("q", sorted(start + int(random.random() * _MINUTE_US) for _ in range(count)))
            yield arrivals, array("q", (duration() for _ in range(count)))
    if not drawn:
        few = f"messagesPerDay: {profile.messages_per_day} in days: {profile.days}"
        raise TraceError(f"the load has no message: seed {seed} draws none of {few}; write more days")


def _means(profile: LoadProfile, random: Random) -> list[float]:
    """The expected messages of each minute, scaled to the profile's total."""
    minutes = profile.days * MINUTES_PER_DAY
    shape = _SHAPES[profile.pattern]
    weights = [shape(minute, profile.peak_to_trough) for minute in range(minutes)]
    if profile.pattern == "webhooks":
        weights = _with_heavy_bursts(weights, random)
    scale = profile.messages_per_day * profile.days / sum(weights)
    return [weight * scale for weight in weights]


def _steady(minute: int, peak: float) -> float:
    del minute, peak
    return 1.0


def _diurnal(minute: int, peak: float) -> float:
    """A cosine with its peak at 14:00."""
    wave = (1 + math.cos(2 * math.pi * (minute % MINUTES_PER_DAY - 840) / MINUTES_PER_DAY)) / 2
    return 1 + (peak - 1) * wave


def _weekly(minute: int, peak: float) -> float:
    return _diurnal(minute, peak) * (_QUIET_DAY if minute // MINUTES_PER_DAY % 7 >= 5 else 1)


def _bursts(minute: int, peak: float) -> float:
    del peak
    return _BURST_FACTOR if minute % 120 < 5 else 1.0


_SHAPES: dict[str, Callable[[int, float], float]] = {
    "steady": _steady,
    "diurnal": _diurnal,
    "weekly": _weekly,
    "bursts": _bursts,
    "webhooks": _diurnal,
}


def _with_heavy_bursts(weights: list[float], random: Random) -> list[float]:
    """Somebody pushes to many repositories at once: every half hour or so a few minutes of many times the load, of
    sizes with a heavy tail (Pareto with exponent 1.5, cut at 40 times)."""
    burst = list(weights)
    minute = 0
    while True:
        minute += 1 + int(random.expovariate(1 / 30))
        if minute >= len(weights):
            return burst
        size = min(40.0, random.paretovariate(1.5))
        for place in range(minute, min(minute + 3, len(weights))):
            burst[place] += weights[place] * size


def _poisson(mean: float, random: Random) -> int:
    if mean > _NORMAL_FROM:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count
