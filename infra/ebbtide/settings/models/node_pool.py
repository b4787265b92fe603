"""A pool of nodes of a GKE Standard cluster."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.kubernetes.spot import SPOT_CRITICAL_PODS_SECONDS, SPOT_DEFAULT_NOTICE_SECONDS, SPOT_MAX_NOTICE_SECONDS
from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.values.names import LabelValue, QualifiedName
from ebbtide.settings.values.units import Count, Seconds, format_duration

COMPUTE_CLASS = "cloud.google.com/compute-class"
OWN_COMPUTE_CLASSES = frozenset({"Accelerator", "Balanced", "Performance", "Scale-Out", "autopilot"})
"""GKE's own, of which none is Spot by itself; what another one asks for stands in its ComputeClass."""
MAX_POD_GRACE_SECONDS = 24 * 3600
# GKE's images do not fit on less: 10 GB is refused when the pool is made.
MIN_BOOT_DISK_GIGABYTES = 12
# The fourth generation of machines boots from Hyperdisk only, and the first and second from Persistent Disk only.
_HYPERDISK_ONLY = re.compile(r"(n4|n4d|c4|c4a|c4d|h4d|x4|m4|a4|g4)-")
_PERSISTENT_DISK_ONLY = re.compile(r"(e2|n1|n2|n2d|t2a|t2d|c2|c2d|g2|a2|m1|m2)-")
KmsKey = Annotated[
    str,
    Field(
        pattern=r"^projects/[^/\s]+/locations/[a-z0-9-]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+$",
        examples=["projects/acme/locations/europe-west1/keyRings/gke/cryptoKeys/gke"],
    ),
]


def _check_notice(seconds: int) -> int:
    # GKE's shutdownGracePeriodSeconds takes 0, 30 and 120.
    if seconds not in {SPOT_DEFAULT_NOTICE_SECONDS, SPOT_MAX_NOTICE_SECONDS}:
        context = {"got": format_duration(seconds), "remedy": "write 30s or 2m"}
        raise PydanticCustomError("notice", "is no notice that GKE gives (got {got})", context)
    return seconds


SpotNotice = Annotated[Seconds, AfterValidator(_check_notice)]


class Taint(SettingsModel):
    """A mark on nodes that keeps away pods which do not tolerate it."""

    key: QualifiedName
    """The taint's key."""
    value: LabelValue
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """What happens to pods that do not tolerate it."""


class NodeUpgradeSettings(SettingsModel):
    """How nodes are replaced in upgrades, and how long their pods may take to leave."""

    max_surge: Count = Field(default=1, ge=0, le=20)
    """Nodes made before old ones go. With 1 and maxUnavailable 0 no capacity is lost."""
    max_unavailable: Count = Field(default=0, ge=0, le=20)
    """Nodes that may be missing."""
    pod_grace: Seconds = Field(default=3600, ge=0, le=MAX_POD_GRACE_SECONDS)
    """How long a pod may take to stop when its node is drained. Google's default is an hour."""
    disruption_budget_timeout: Seconds = Field(default=3600, ge=0, le=24 * 3600)
    """How long a PodDisruptionBudget may hold up the drain of a node."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.max_surge == 0 and self.max_unavailable == 0:
            context = {"remedy": "write maxSurge: 1"}
            raise PydanticCustomError("upgrade", "has neither surge nor unavailable nodes, so no node moves", context)
        return self


class NodePoolSettings(SettingsModel):
    """Nodes of one kind, as many as the pods need."""

    machine_type: str = Field(default="e2-standard-4", pattern=r"^[a-z0-9]+-[a-z0-9-]+$", examples=["e2-standard-4"])
    """The machine type. Its memory must hold a pod's request: 70 workers at PHP's limit of 200 MiB need 14 GiB."""
    min_nodes: Count = Field(default=1, ge=0, le=15_000)
    """The smallest number of nodes, over all zones."""
    max_nodes: Count = Field(default=6, ge=1, le=15_000)
    """The largest number of nodes, over all zones."""
    spot: bool = False
    """Spot machines: cheaper, and gone at short notice. GKE's taint keeps other pods off; consumers with
    `placement.spot` tolerate it."""
    spot_notice: SpotNotice = SPOT_DEFAULT_NOTICE_SECONDS
    """Spot only: from the notice to the end, 30s or 2m; 15 seconds of it are for system pods. 2m needs Kubernetes 1.35
    (V-08)."""
    disk_size_gigabytes: Count = Field(default=50, ge=MIN_BOOT_DISK_GIGABYTES, le=65536)
    """The boot disk; it holds images and logs."""
    disk_type: Literal["pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"] = "pd-balanced"
    """The boot disk's type."""
    disk_encryption_key: KmsKey | None = None
    """A Cloud KMS key for the boot disks, `projects/.../cryptoKeys/...`; Google's own key if none is given."""
    pod_process_limit: Count = Field(default=4096, ge=1024, le=4_194_304)
    """Processes and threads of one pod. GKE's default of 1,024 is near for 400 workers that run commands."""
    kill_single_process: bool = True
    """At the memory limit the kernel kills one process. Otherwise, since Kubernetes 1.28 on cgroup v2, one leaking
    worker has the whole container killed, with every message in flight."""
    labels: dict[QualifiedName, LabelValue] = {}
    """Further labels of the nodes."""
    taints: tuple[Taint, ...] = ()
    """Further taints of the nodes."""
    upgrade: NodeUpgradeSettings = NodeUpgradeSettings.model_construct()
    """How nodes are replaced in upgrades."""

    @property
    def spot_user_pods_seconds(self) -> int:
        """What is left for consumers of a Spot machine's notice, in seconds."""
        return self.spot_notice - SPOT_CRITICAL_PODS_SECONDS

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_nodes > self.max_nodes:
            context = {"got": f"{self.min_nodes} and {self.max_nodes}", "remedy": f"write at most {self.max_nodes}"}
            raise PydanticCustomError("nodes", "minNodes is above maxNodes (got {got})", context)
        hyperdisk = self.disk_type.startswith("hyperdisk")
        if _HYPERDISK_ONLY.match(self.machine_type) and not hyperdisk:
            context = {
                "got": f"{self.disk_type} and {self.machine_type}",
                "remedy": "write diskType: hyperdisk-balanced",
            }
            raise PydanticCustomError("disk", "diskType is none that the machine boots from (got {got})", context)
        if _PERSISTENT_DISK_ONLY.match(self.machine_type) and hyperdisk:
            context = {"got": f"{self.disk_type} and {self.machine_type}", "remedy": "write diskType: pd-balanced"}
            raise PydanticCustomError("disk", "diskType is none that the machine boots from (got {got})", context)
        if not self.spot and self.spot_notice != SPOT_DEFAULT_NOTICE_SECONDS:
            context = {"remedy": "write spot: true, or remove spotNotice"}
            raise PydanticCustomError("spot", "spotNotice is given for machines that are not Spot", context)
        return self
