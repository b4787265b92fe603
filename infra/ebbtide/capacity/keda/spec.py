"""What a ScaledObject states, with KEDA's defaults filled in. `manifest.py` reads it.

Source: apis/keda/v1alpha1/scaledobject_types.go (fields, defaults of the HPA's bounds, IsPollingIntervalRelevant,
UsesHPAObservations), withtriggers_types.go (polling interval), pkg/scaling/executor/scale_executor.go (cooldowns).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ebbtide.capacity.hpa.integers import INT64_MAX
from ebbtide.kubernetes.keda import DEFAULT_COOLDOWN_SECONDS, DEFAULT_INITIAL_COOLDOWN_SECONDS, DEFAULT_POLLING_SECONDS

if TYPE_CHECKING:
    from ebbtide.capacity.hpa import HpaSpec, Metric
    from ebbtide.capacity.keda.formula import Formula

COMPOSITE_METRIC = "composite-metric"
"""The one metric that the HPA has where a formula combines the triggers."""

Counts = Literal["backlog", "inFlight", "backlogAndInFlight", "delayed", "unknown"]
"""Which messages a trigger counts. `delayed` are those that no worker could take yet; of `unknown` a load must say
it."""
FallbackBehavior = Literal[
    "static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"
]


@dataclass(frozen=True, slots=True)
class Trigger:
    """One entry of `spec.triggers`, as its scaler understands it."""

    type: str
    metric: Metric
    """What the HPA gets of it: an external metric, or CPU or memory themselves."""
    name: str = ""
    """As a formula calls it."""
    activation: float = 0.0
    """Active is what is strictly above."""
    counts: Counts = "unknown"
    age_seconds: float = 0.0
    """How old the broker's own figure may be when it is asked."""
    connects: bool = False
    """Whether its scaler connects when it is built: then, while the broker is away, there is no scaler at all."""
    cached: bool = False
    """`useCachedMetrics`: the HPA is told what the last poll found."""

    @property
    def of_pods(self) -> bool:
        """CPU or memory: metrics-server answers for it, and KEDA only passes it on."""
        return self.metric.of_pods


@dataclass(frozen=True, slots=True)
class Fallback:
    """`spec.fallback`."""

    failure_threshold: int
    replicas: int
    behavior: FallbackBehavior = "static"


@dataclass(frozen=True, slots=True)
class Modifiers:
    """`spec.advanced.scalingModifiers`: one number out of all external triggers, in place of theirs."""

    formula: Formula
    target: float
    target_text: str
    """As it is written: a fallback works only with a whole number (HasValidFallback)."""
    activation: float = 0.0
    is_value: bool = False
    """`metricType: Value`."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """The annotations that take KEDA's hands off, and the one that forces them (`autoscaling.keda.sh/...`)."""

    whole: bool = False
    """`paused` or `paused-replicas`: no poll, and no HPA."""
    replicas: int | None = None
    """`paused-replicas`: the number that the target is set to once."""
    scale_in: bool = False
    scale_out: bool = False
    force_activation: bool = False


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """One ScaledObject. `hpa` is what KEDA makes of it; None while it is paused."""

    triggers: tuple[Trigger, ...]
    hpa: HpaSpec | None
    min_replicas: int = 0
    idle_replicas: int | None = None
    polling_seconds: int = DEFAULT_POLLING_SECONDS
    cooldown_seconds: int = DEFAULT_COOLDOWN_SECONDS
    initial_cooldown_seconds: int = DEFAULT_INITIAL_COOLDOWN_SECONDS
    fallback: Fallback | None = None
    modifiers: Modifiers | None = None
    pauses: Pauses = Pauses()

    @property
    def polls(self) -> bool:
        """Whether polling can change anything (IsPollingIntervalRelevant). Above zero without an idle count only the
        HPA decides, whatever `pollingInterval` says."""
        zero_or_idle = self.min_replicas == 0 or self.idle_replicas is not None
        return zero_or_idle or any(trigger.cached for trigger in self.triggers)

    @property
    def uses_hpa_observations(self) -> bool:
        """Whether a poll takes what the HPA's last sync found instead of asking again (UsesHPAObservations)."""
        return not self.polls and self.modifiers is None

    @property
    def deactivated_replicas(self) -> int:
        """Where an inactive target goes: the idle count, else the minimum (getIdleOrMinimumReplicaCount)."""
        return self.min_replicas if self.idle_replicas is None else self.idle_replicas

    @property
    def activated_replicas(self) -> int:
        """Where activation takes it: the minimum, at least 1 (scaleFromZeroOrIdle)."""
        return max(1, self.min_replicas)

    @property
    def has_usable_fallback(self) -> bool:
        """Whether failures are counted at all (isFallbackEnabled, HasValidFallback): with a formula only where its
        target is a whole number, `5` and not `5.5`."""
        if self.fallback is None:
            return False
        return self.modifiers is None or _is_whole(self.modifiers.target_text)


def _is_whole(text: str) -> bool:
    """Whether Go's ParseInt takes it, and it is above 0. ParseInt knows no blanks and no underscores."""
    digits = text[1:] if text[:1] in {"+", "-"} else text
    return digits.isascii() and digits.isdigit() and 1 <= int(text) <= INT64_MAX
