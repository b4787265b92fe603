"""The two stabilisation algorithms: without and with `behavior`.

Both remember *raw* proposals. A proposal exactly as old as the window still counts without `behavior` and no longer
counts with it: at an ideal 15 s beat a 300 s window releases at the 21st sync without and at the 20th with.
Source: stabilizeRecommendation and stabilizeRecommendationWithBehaviors in horizontal.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa.history import Recommendation
from ebbtide.capacity.hpa.spec import Behavior

if TYPE_CHECKING:
    from ebbtide.capacity.hpa.spec import ControllerFlags, HpaSpec


class Windows(NamedTuple):
    """How long proposals are remembered, in microseconds. `up_us` is used with `behavior` only."""

    up_us: int
    down_us: int

    @classmethod
    def of(cls, spec: HpaSpec, flags: ControllerFlags) -> Windows:
        """The HPA's windows; the controller's flag stands in for a down window that is not stated."""
        behavior = spec.behavior or Behavior()
        up = behavior.scale_up.stabilization_window_seconds or 0
        down = behavior.scale_down.stabilization_window_seconds
        if down is None:
            down = flags.downscale_stabilization_seconds
        return cls(up * MICROSECONDS, down * MICROSECONDS)


def stabilize(recommendations: list[Recommendation], proposal: int, now_us: int, window_us: int) -> int:
    """Without `behavior`: the largest proposal of the window. The new one goes into the last expired place."""
    cutoff = now_us - window_us
    largest = proposal
    expired = None
    for index, (replicas, at_us) in enumerate(recommendations):
        if at_us < cutoff:
            expired = index
        elif replicas > largest:
            largest = replicas
    _remember(recommendations, expired, Recommendation(proposal, now_us))
    return largest


def stabilize_with_behavior(
    recommendations: list[Recommendation], proposal: int, current: int, now_us: int, windows: Windows
) -> int:
    """With `behavior`: the current count, moved into [smallest of the up window, largest of the down window]."""
    up_cutoff = now_us - windows.up_us
    down_cutoff = now_us - windows.down_us
    low = high = proposal
    expired = None
    for index, (replicas, at_us) in enumerate(recommendations):
        if at_us > up_cutoff and replicas < low:
            low = replicas
        if at_us > down_cutoff and replicas > high:
            high = replicas
        if at_us < up_cutoff and at_us < down_cutoff:
            expired = index
    _remember(recommendations, expired, Recommendation(proposal, now_us))
    return min(max(current, low), high)


def _remember(recommendations: list[Recommendation], place: int | None, new: Recommendation) -> None:
    if place is None:
        recommendations.append(new)
    else:
        recommendations[place] = new
