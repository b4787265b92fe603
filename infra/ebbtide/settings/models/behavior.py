"""How fast an HPA may scale: its own, or the one that KEDA makes.

The models follow `autoscaling/v2`; what the API server refuses is refused here, earlier and with a remedy.
"""

from typing import Literal

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.values.units import MAX_INT32, Count, QuantityMilli, Seconds

# validateHPAScalingRules in the API server: windows up to an hour, policy periods up to half an hour.
MAX_STABILIZATION_WINDOW_SECONDS = 3600
MAX_POLICY_PERIOD_SECONDS = 1800
MAX_POLICY_VALUE = MAX_INT32


class ScalingPolicy(SettingsModel):
    """One limit on how far a scaling may go within a period."""

    kind: Literal["pods", "percent"]
    """Count in pods, or in per cent of the pods at the start of the period."""
    value: Count = Field(ge=1, le=MAX_POLICY_VALUE)
    """How many."""
    period: Seconds = Field(ge=1, le=MAX_POLICY_PERIOD_SECONDS)
    """The period, at most 30m."""


class ScalingRules(SettingsModel):
    """Limits for one direction."""

    stabilization_window: Seconds | None = Field(default=None, ge=0, le=MAX_STABILIZATION_WINDOW_SECONDS)
    """How long recommendations are remembered, so that a short dip does not count. At most 1h."""
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"
    """Which policy wins when several are given; `Disabled` forbids this direction."""
    policies: tuple[ScalingPolicy, ...] | None = Field(default=None, min_length=1)
    """The policies. They replace Kubernetes' defaults as a whole."""
    tolerance: QuantityMilli | None = None
    """How far the metric may be off its target before this direction scales, for example 0.05. From Kubernetes 1.35;
    on 1.34 the API server drops it without a word (measured)."""


class Behavior(SettingsModel):
    """How fast and how eagerly the HPA scales. Giving it at all, even empty, selects another algorithm in the
    controller: from one pod the first step is to 5 instead of 4."""

    scale_up: ScalingRules | None = None
    """Growing."""
    scale_down: ScalingRules | None = None
    """Shrinking. Every pod that goes drains first."""

    @property
    def directions(self) -> dict[str, ScalingRules]:
        """The limits that are given, by `scaleUp` and `scaleDown`."""
        directions = {"scaleUp": self.scale_up, "scaleDown": self.scale_down}
        return {name: rules for name, rules in directions.items() if rules is not None}
