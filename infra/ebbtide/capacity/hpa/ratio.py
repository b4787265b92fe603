"""From samples to a ratio, and the band in which nothing is done.

Source: metrics/utilization.go and Tolerances in replica_calculator.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ebbtide.capacity.hpa.integers import truncated_quotient, wrap_int32, wrap_int64

if TYPE_CHECKING:
    from ebbtide.capacity.hpa.spec import ControllerFlags, HpaSpec


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a ratio may be off 1 before it counts."""

    down: float
    up: float
    inclusive: bool

    def holds(self, ratio: float) -> bool:
        """Whether the ratio is near enough to 1 to leave the count alone."""
        if self.inclusive:
            return 1.0 - self.down <= ratio <= 1.0 + self.up
        return abs(1.0 - ratio) <= self.up

    @classmethod
    def of(cls, spec: HpaSpec, flags: ControllerFlags) -> Tolerance:
        """The HPA's own tolerances where its release reads them, else the controller's flag."""
        down = up = flags.tolerance
        if spec.behavior is not None and spec.release.configurable_tolerance:
            if spec.behavior.scale_down.tolerance is not None:
                down = spec.behavior.scale_down.tolerance
            if spec.behavior.scale_up.tolerance is not None:
                up = spec.behavior.scale_up.tolerance
        return cls(down, up, spec.release.inclusive_tolerance)


def utilization(usage_milli: int, request_milli: int) -> int:
    """Whole per cent, truncated. `request_milli` is not 0."""
    return wrap_int32(truncated_quotient(wrap_int64(usage_milli * 100), request_milli))


def mean(usage_milli: int, count: int) -> int:
    """Whole milli-units, truncated toward zero. `count` is not 0."""
    return truncated_quotient(wrap_int64(usage_milli), count)
