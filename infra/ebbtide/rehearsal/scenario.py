"""What happens in a rehearsal, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ebbtide.brokers import Broker
from ebbtide.rehearsal.load import Kind
from ebbtide.settings.models.autoscaling import AutoscalingSettings, CpuMetric
from ebbtide.settings.models.consumer import ConsumerSettings

Disturbance = Literal["rolling update", "eviction", "deletion"]

# How far above its target the load drives the CPU: the autoscaler then asks for the maximum at once.
_OVER_TARGET = 2.5
_MAX_CPU_SHARE = 0.5
BUSY_SECONDS = 1.0
QUIET_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Round:
    """Up to the maximum under load, then what disturbs, then down to the minimum with messages still coming."""

    name: str
    disturbances: tuple[Disturbance, ...] = ()
    longest: bool = False
    """With messages at the longest length."""


_HARDEST = Round("longest messages", ("deletion", "eviction", "rolling update"), longest=True)

ROUNDS: dict[str, tuple[Round, ...]] = {
    "full": (
        Round("scaling"),
        Round("rolling update", ("rolling update",)),
        Round("eviction and deletion", ("eviction", "deletion")),
        _HARDEST,
    ),
    "short": (_HARDEST,),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a user asked for."""

    root: Path
    stack: str
    consumer: str | None
    context: str | None
    namespace: str
    broker: Broker
    image: str | None
    """None: the stack's own."""
    broker_image: str
    scenario: str
    messages: int
    """At least so many are sent."""
    baseline: bool
    """Deploy the image without hook and probes, and with Kubernetes' own grace period."""
    values: dict[str, object]
    """Other values for the consumer's settings, by path."""
    setup_command: str
    send_command: str


def cpu_target(scaling: AutoscalingSettings) -> int:
    """The CPU's utilization that is aimed at, in per cent; 0 where nothing aims at one."""
    targets = (one.target_utilization or 0 for one in scaling.measured if isinstance(one, CpuMetric))
    return next(targets, 0)


@dataclass(frozen=True, slots=True)
class Kinds:
    """The messages of a stack's rehearsal."""

    busy: Kind
    quiet: Kind
    longest_busy: Kind
    longest_quiet: Kind

    @staticmethod
    def of(consumer: ConsumerSettings) -> Kinds:
        """Derived from the stack: how many workers at most, what they request, how long a message may take."""
        scaling = consumer.autoscaling
        target = cpu_target(scaling)
        processes = consumer.worker.processes
        workers = processes * scaling.max_replicas
        cores = consumer.cpu_request_millicores / 1000 * target / 100 * _OVER_TARGET
        share = round(min(_MAX_CPU_SHARE, cores / processes), 4)
        longest = float(consumer.shutdown.longest_message)
        return Kinds(
            busy=Kind("busy", min(BUSY_SECONDS, longest), share, 2 * workers, 5 * workers),
            quiet=Kind("quiet", min(QUIET_SECONDS, longest), 0.0, workers, workers),
            longest_busy=Kind("longest-busy", longest, share, processes, workers),
            longest_quiet=Kind("longest", longest, 0.0, processes, processes),
        )
