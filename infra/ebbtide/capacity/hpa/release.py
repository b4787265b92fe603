"""What changed in the controller between Kubernetes 1.25 and 1.37, as switches.

Every switch names the file it was read in. A gate that a cluster's owner turned on or off by hand is an argument of
`Release.of`, so that an alpha can be simulated too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ebbtide.kubernetes.versions import (
    NEWEST_KNOWN_MINOR,
    OLDEST_KNOWN_MINOR,
    SCALE_TO_ZERO_MINOR,
    TOLERANCE_MINOR,
)


@dataclass(frozen=True, slots=True)
class Release:
    """The controller of one Kubernetes minor release."""

    minor: int
    inclusive_tolerance: bool
    """`1 - down <= ratio <= 1 + up` (Tolerances.isWithin, 1.33) instead of `abs(1 - ratio) <= tolerance`: in doubles
    the older form is false at exactly 1.1, so 55 % on a target of 50 % scaled up before 1.33 and holds since."""
    configurable_tolerance: bool
    """Gate HPAConfigurableTolerance: alpha and off in 1.33, beta and on in 1.35."""
    scale_to_zero: bool
    """Gate HPAScaleToZero: alpha and off until 1.36, beta and on in 1.37."""
    needs_scaled_to_zero_condition: bool
    """An HPA leaves zero only when it went there itself (condition ScaledToZero): kubernetes#135118, 1.36."""

    fills_missing_at_target: bool
    """Missing pods of a shrinking utilization metric count `max(100, target)` % of their request (kubernetes#112178,
    1.26) instead of 100 %."""
    fills_missing_at_exactly_one: bool
    """Before kubernetes#117845 (1.28) a plain metric exactly on target filled its missing pods with 0."""
    caps_average_proposal: bool
    """External averageValue: sum and proposal stop at the largest integer (kubernetes#127050, 1.34) and do not wrap."""
    caps_value_proposal: bool
    """Object and External value: the same (kubernetes#126979 and #133888, 1.35)."""

    @classmethod
    def of(
        cls, minor: int, *, configurable_tolerance: bool | None = None, scale_to_zero: bool | None = None
    ) -> Release:
        """The release 1.`minor`, with its gates at their defaults unless given.

        Raises ValueError outside 1.25 to 1.37.
        """
        if not OLDEST_KNOWN_MINOR <= minor <= NEWEST_KNOWN_MINOR:
            raise ValueError(
                f"no rules for Kubernetes 1.{minor}: the controller was read from 1.{OLDEST_KNOWN_MINOR} to "
                f"1.{NEWEST_KNOWN_MINOR}; use the nearest of them"
            )
        tolerance = (
            minor >= TOLERANCE_MINOR if configurable_tolerance is None else configurable_tolerance and minor >= 33
        )
        return cls(
            minor=minor,
            inclusive_tolerance=minor >= 33,
            configurable_tolerance=tolerance,
            scale_to_zero=minor >= SCALE_TO_ZERO_MINOR if scale_to_zero is None else scale_to_zero,
            needs_scaled_to_zero_condition=minor >= 36,
            fills_missing_at_target=minor >= 26,
            fills_missing_at_exactly_one=minor < 28,
            caps_average_proposal=minor >= 34,
            caps_value_proposal=minor >= 35,
        )
