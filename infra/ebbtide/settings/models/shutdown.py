"""The shutdown budget: one ladder of numbers from the longest message to the pod's grace period.

    longest message -> stopwaitsecs -> hook deadline -> terminationGracePeriodSeconds

The Deployment, the supervisor and the drain hook read the same object, so two places cannot disagree.
"""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.pod import Cidr, Port
from ebbtide.settings.values.units import Seconds

# After its handler returns, a worker acknowledges the message and ends: Symfony takes well under a second;
# ten leave room for a slow broker and for a PHP process that frees what it holds.
FINISH_ALLOWANCE_SECONDS = 10
# The hook reports after the last worker has ended or was killed; the supervisor looks at once, not each second.
REPORT_ALLOWANCE_SECONDS = 5
# The kubelet sends SIGTERM only after the hook; PID 1 then ends in well under a second. The rest is for a node
# under pressure. At expiry the kubelet adds 2 s and kills (kubernetes#74160).
EXIT_ALLOWANCE_SECONDS = 15


class IdleFirstSettings(SettingsModel):
    """Let a scale-down take the pods with the least in flight first (`controller.kubernetes.io/pod-deletion-cost`).

    Best effort: evictions, node drains, a rollout's old pods and the last 15 s before a scale-down do not look at it.
    """

    api_server: Cidr
    """Where pods reach the API server: the address that `kubectl get endpointslices kubernetes` shows, with `/32`.
    It becomes the only destination that this adds to the network policy."""
    port: Port = 443
    """Its port there; 443 on GKE, often 6443 elsewhere."""


class ShutdownSettings(SettingsModel):
    """How long a consumer may need to finish what it has begun."""

    longest_message: Seconds = Field(default=60, ge=1, le=7 * 24 * 3600)
    """The longest that one message takes. Everything about the shutdown is derived from it."""
    node_scale_down: Literal["evict", "protect"] = "evict"
    """`protect` forbids the node autoscaler to evict these pods (`safe-to-evict: "false"`). Needed when the grace
    period is longer than the 10 minutes it waits; it can keep a node that would otherwise be removed."""
    idle_first: IdleFirstSettings | None = None
    """Let a scale-down take idle pods first. Off by default (docs/decisions/idle-first.md)."""


@dataclass(frozen=True, slots=True)
class ShutdownBudget:
    """The ladder in seconds, each rung above the one before. The grace period counts from the moment of deletion
    and includes the hook (Kubernetes, pod lifecycle): the rungs are points on one clock, not durations that add up."""

    longest_message_seconds: int
    stop_wait_seconds: int
    """supervisor's `stopwaitsecs`: a worker that is still there is killed, and the event log says so."""
    drain_deadline_seconds: int
    """The preStop hook gives up waiting, so that a stuck worker cannot eat the time of the SIGTERM path."""
    grace_seconds: int
    """`terminationGracePeriodSeconds`."""

    @classmethod
    def of(cls, settings: ShutdownSettings, finish_seconds: int) -> Self:
        """Derive the ladder from the longest message, and from when at the latest it ends after a deletion."""
        stop_wait = finish_seconds + FINISH_ALLOWANCE_SECONDS
        deadline = stop_wait + REPORT_ALLOWANCE_SECONDS
        return cls(settings.longest_message, stop_wait, deadline, deadline + EXIT_ALLOWANCE_SECONDS)


CapKind = Literal["nodeScaleDown", "nodeUpgrade", "protectedNodeUpgrade", "spotReclaim"]


@dataclass(frozen=True, slots=True)
class DisruptionCap:
    """A way in which a pod can be ended, and how long it lets the pod finish."""

    kind: CapKind
    cause: str
    seconds: int
    rule: str
    """The rule that holds the shutdown budget against it."""


SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
"""The annotation that `nodeScaleDown` writes."""
# GKE's cluster autoscaler waits at most ten minutes for a pod (kubernetes#94435: a three-hour grace, killed
# after ten minutes). It is also the default of --max-graceful-termination-sec elsewhere.
NODE_SCALE_DOWN = DisruptionCap("nodeScaleDown", "node scale-down", 600, "V-05")
# Surge upgrades and auto-repair honour grace and PDB up to one hour.
NODE_UPGRADE = DisruptionCap("nodeUpgrade", "node upgrade", 3600, "V-05")
# On Autopilot `safe-to-evict: "false"` buys up to seven days.
AUTOPILOT_PROTECTED = DisruptionCap(
    "protectedNodeUpgrade", "node upgrade (protected on Autopilot)", 7 * 24 * 3600, "V-06"
)
# 30 s notice, of which user pods get 15 s; best effort.
SPOT_RECLAIM = DisruptionCap("spotReclaim", "Spot reclaim", 15, "V-08")
