"""The autoscaler's part of `ebbtide rehearse --format json`. `at` is seconds since the rehearsal's begin."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ebbtide.explain.scaling import ScalingLimits
from ebbtide.rehearsal.outcome import Scaling
from ebbtide.rehearsal.replay import Compared, Explanation


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision of the autoscaler, and what the simulator's controller decides on the same samples."""

    at: float
    current: int
    utilization: int | None
    real: int
    """What the cluster's controller asked for."""
    ours: int
    agrees: bool
    explanation: Explanation | None = None
    """Of a difference: what the record leaves open, and within what both decide the same. Null where they agree, and
    where it does not explain it."""

    @classmethod
    def of(cls, compared: Compared, began: float) -> Replayed:
        """The same as a document."""
        return cls(
            round(compared.at - began, 1),
            compared.current,
            compared.utilization,
            compared.real,
            compared.ours,
            compared.agrees,
            compared.explanation,
        )


@dataclass(frozen=True, slots=True)
class Wake:
    """Messages that came while there was no pod."""

    what: str
    """Their kind, as in their names."""
    messages: int
    delay_seconds: float
    at: float
    """When they were due: queued, and their delay over."""
    asked_seconds: float | None
    """From then until a pod was asked for: negative where that did not wait until then; null where it never was."""
    handled_seconds: float | None
    """From then until the first of them was begun; null where none ever was."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A first step up from the fewest pods that run."""

    at: float
    """When the broker held more than these pods are for, and a tenth."""
    seconds: float
    """From then until more pods were asked for."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """A step to zero."""

    at: float
    pods: int
    """How many went at once."""
    seconds: float | None
    """Since the last message was finished; null where none ever was."""


@dataclass(frozen=True, slots=True)
class OutageDocument:
    """A time in which the broker answered nobody."""

    at: float
    seconds: float
    pods: tuple[int, ...]
    """The numbers of pods that were asked for in it."""


@dataclass(frozen=True, slots=True)
class KedaLook:
    """What KEDA and its HPA said, each time that one of them said something else."""

    at: float
    since: float
    """When it was looked at before: what is new was written after that."""
    replicas: int
    """What the Deployment states: the last decision of either loop."""
    pods: int
    """What its status says: those that an average of the HPA's is of, with those that a rolling update has too many."""
    created_at: float
    """When the ScaledObject was made: its initial cooldown begins then."""
    current_replicas: int | None
    """The HPA's own; null where there is no HPA."""
    desired_replicas: int | None
    """What the HPA asks for. Before it has decided anything, and while there is no pod, it says 0."""
    metrics: tuple[float, ...]
    """What the HPA last saw of each metric, for each pod."""
    hpa_scales: str
    """Why the HPA scales, or does not: the reason of its condition ScalingActive."""
    ready: str
    """The reason of the ScaledObject's condition Ready."""
    is_ready: bool
    is_active: bool
    """Whether a trigger is above its activation, as KEDA last saw it."""
    in_fallback: bool
    is_paused: bool
    last_active_at: float | None
    """When a trigger was last active, as KEDA wrote it down."""
    failures: tuple[int, ...]
    """How often in a row KEDA could not ask, for each metric."""


@dataclass(frozen=True, slots=True)
class BacklogDocument:
    """What one that follows the broker did."""

    messages_per_pod: int
    """The target: waiting, or in hand."""
    polling_interval_seconds: int
    cooldown_seconds: int
    wakes: tuple[Wake, ...]
    growths: tuple[Growth, ...]
    sleeps: tuple[Sleep, ...]
    outages: tuple[OutageDocument, ...]
    looks: tuple[KedaLook, ...]


@dataclass(frozen=True, slots=True)
class AutoscalerDocument:
    """What the autoscaler did, held against what it may do."""

    target_utilization: int | None
    """Of the CPU, in per cent; null where it follows something else."""
    first_scale_up_seconds: float | None
    """From the metric's crossing of the target; null where it never grew."""
    explain: ScalingLimits | None
    """What `ebbtide explain` says that it can do at most; null where it does not say."""
    contradictions: tuple[str, ...]
    down_window_judged: bool
    """False where nobody can see whether the down window was kept: it is too short."""
    scalings: tuple[Scaling, ...]
    replayed: tuple[Replayed, ...]
    backlog: BacklogDocument | None = None
    """Of one that follows the broker; null where it follows something else."""


def since(began: float, scalings: list[Scaling]) -> tuple[Scaling, ...]:
    """The same by the rehearsal's own clock."""
    return tuple(replace(one, at=round(one.at - began, 1), since=round(one.since - began, 1)) for one in scalings)
