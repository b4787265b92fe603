"""What a simulation is given and what it finds, as plain data. Every default here is printed with the results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ebbtide.capacity.histogram import Histogram
from ebbtide.capacity.hpa import HpaSpec
from ebbtide.capacity.keda import ScaledObject

Signal = Literal["backlog", "backlogAndInFlight"]
DeletionCost = Literal["none", "messagesInHand"]


@dataclass(frozen=True, slots=True)
class PodTimes:
    """How long a pod takes to become useful, in seconds. They depend on the image and the cluster: measure yours."""

    schedule_seconds: float = 1.0
    pull_seconds: float = 2.0
    """An image that is on the node already; a new node pulls all of it, see `NodeTimes`."""
    boot_seconds: float = 5.0
    """From the container's start to consuming: 70 Symfony workers took 4.2 s on two cores (measured)."""
    ready_seconds: float = 10.0
    """From consuming to Ready: the probe's period."""


@dataclass(frozen=True, slots=True)
class NodeTimes:
    """When there is no room: a node is made first. Typical values; GKE gives no guarantee."""

    pods_per_node: int = 4
    start_seconds: float = 120.0
    """From the first pod that finds no room to a node that takes it: 60 to 180 s are common."""
    cold_pull_seconds: float = 20.0
    unneeded_seconds: float = 600.0
    """How long an empty node stays (the cluster autoscaler's default)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A consumer, its autoscaler and its surroundings."""

    processes: int
    grace_seconds: int
    hpa: HpaSpec | None
    """None: the number of pods is fixed at `start_replicas`."""
    start_replicas: int
    keda: ScaledObject | None = None
    """What KEDA's operator does beside the HPA, which is the one that it made; None without KEDA."""
    cpu_request_millicores: int = 100
    cpu_idle_millicores: float = 0.32
    """Of one idle worker: 70 of them used 22.5 (measured)."""
    cpu_busy_millicores: float = 0.11
    """Of one worker that handles a message; 70 that waited for something else used 7 to 10 (measured)."""
    memory_request_bytes: int = 0
    memory_bytes: int = 0
    """What one pod uses, whatever its load. It counts only where the autoscaler looks at memory."""
    signals: tuple[tuple[str, Signal], ...] = ()
    """What each external metric measures, by its name."""
    metric_lag_seconds: float = 15.0
    """Age of what the autoscaler sees: metrics-server 15 to 75 s, a broker that is asked 1 s, Cloud Monitoring 60 to
    180 s."""
    metric_lags: tuple[tuple[str, float], ...] = ()
    """The same for one source, by the metric's name (`cpu`, `memory` or that of an external one), in seconds."""
    cpu_window_seconds: float = 15.0
    """CPU is a rate: what a pod used between metrics-server's last two looks at its kubelet, over the time between
    them. Its manifest asks every 15 s (`--metric-resolution`); clusters set up to 60. A new pod has no sample before
    that has passed."""
    deletion_cost: DeletionCost = "none"
    """Whether something writes `controller.kubernetes.io/pod-deletion-cost`, and what: at each sync, so that the
    ReplicaSet sees what was true at the one before."""
    redelivery_seconds: float = 60.0
    """From the end of a killed worker to the moment its message can be taken again."""
    message_limit: int = 0
    """A worker is made anew after this many messages; 0 is never."""
    worker_boot_seconds: float = 0.1
    crashes_per_worker_hour: float = 0.0
    pod: PodTimes = PodTimes()
    node: NodeTimes = NodeTimes()
    warm_up_seconds: float = 1800.0
    """The load's beginning, so much of it, is played once before time zero, so that pods and autoscaler are as such a
    load keeps them; no figure has it. A load that is not four times as long begins with the fewest pods."""
    seed: int = 1
    sync_seconds: int = 15


@dataclass(slots=True)
class Row:
    """The state at one sync."""

    seconds: int
    replicas: int
    """Wanted by the autoscaler after this sync."""
    consuming: int
    """Pods that take messages."""
    draining: int
    waiting: int
    in_flight: int
    oldest_seconds: float
    reason: str
    """Why the number is what it is."""
    done: int = 0
    """Messages that were handled to their end so far, those included that the warm-up left in flight."""
    returning: int = 0
    """Messages of killed workers that cannot be taken again yet."""


@dataclass(slots=True)
class Drain:
    """A pod that was told to go."""

    seconds: int
    took_seconds: float
    messages: int
    """In hand when it was told."""
    cut_off: int
    """Killed at the end of its grace period."""


@dataclass(slots=True)
class Result:
    """What happened."""

    messages: int = 0
    done: int = 0
    cut_off: int = 0
    crashed: int = 0
    left: int = 0
    """Not done at the end."""
    carried: int = 0
    """Messages in flight, or on their way back, that the warm-up left at time zero. No figure counts them."""
    horizon_seconds: int = 0
    pod_seconds: float = 0.0
    """From each pod's creation to the end of its drain: it is paid for."""
    node_seconds: float = 0.0
    peak_pods: int = 0
    """With those that drain."""
    peak_replicas: int = 0
    changes: int = 0
    peak_waiting: int = 0
    oldest_seconds: float = 0.0
    waits: Histogram = field(default_factory=Histogram)
    """One of each message, from its arrival to the start of the try that was not cut off; for what is left at the end,
    until then."""
    rows: list[Row] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
