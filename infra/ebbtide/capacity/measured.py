"""What somebody has measured of a consumer and its cluster, in place of the defaults that a result stands on."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from ebbtide.capacity.model import DeletionCost, Scenario
from ebbtide.settings.models.base import SettingsModel

_Amount = Annotated[float, Field(strict=True, ge=0, le=86_400)]
_Window = Annotated[float, Field(strict=True, ge=1, le=600)]
_BYTES_PER_MEBIBYTE = 1 << 20
_POD = ("schedule_seconds", "pull_seconds", "boot_seconds", "ready_seconds")
_NODE = {
    "pods_per_node": "pods_per_node",
    "node_start_seconds": "start_seconds",
    "cold_pull_seconds": "cold_pull_seconds",
    "node_unneeded_seconds": "unneeded_seconds",
}
_OWN = (
    "cpu_idle_millicores",
    "cpu_busy_millicores",
    "cpu_window_seconds",
    "warm_up_seconds",
    "worker_boot_seconds",
    "crashes_per_worker_hour",
    "deletion_cost",
)


class Measured(SettingsModel):
    """Each by the name that stands beside it in a result; what is not given keeps its default."""

    schedule_seconds: _Amount | None = None
    """From a pod's creation to its node, where there is room."""
    pull_seconds: _Amount | None = None
    """Getting the image on a node that has it, and starting the container."""
    boot_seconds: _Amount | None = None
    """From the container's start to its first message."""
    ready_seconds: _Amount | None = None
    """From there to Ready."""
    pods_per_node: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Pods of this consumer that fit on a node."""
    node_start_seconds: _Amount | None = None
    """From the first pod without room to a node that takes it."""
    cold_pull_seconds: _Amount | None = None
    """Getting the image on a new node."""
    node_unneeded_seconds: _Amount | None = None
    """How long an empty node stays."""
    worker_boot_seconds: _Amount | None = None
    """From a worker's end to its next message."""
    crashes_per_worker_hour: _Amount | None = None
    """Workers that die with a message in flight."""
    cpu_idle_millicores: _Amount | None = None
    """CPU of a worker that waits for a message."""
    cpu_busy_millicores: _Amount | None = None
    """CPU of a worker that handles one."""
    cpu_window_seconds: _Window | None = None
    """What a CPU rate is taken over, metrics-server's resolution: 15 to 60 as clusters are set up. A new pod has no
    rate before."""
    memory_mebibytes: _Amount | None = None
    """What a pod uses, whatever its load: PHP workers give none back. Needed where the autoscaler looks at memory."""
    warm_up_seconds: _Amount | None = None
    """So much of the load's beginning is played once before time zero; 0 begins with the fewest pods."""
    metric_lag_seconds: dict[str, _Amount] = {}
    """How old the autoscaler's view is, by metric: `cpu`, `memory`, or the name of an external one."""
    deletion_cost: DeletionCost | None = None
    """`messagesInHand` where something of yours keeps the pod-deletion-cost annotation at that."""

    def over(self, other: Measured) -> Measured:
        """These values, and where there is none those of `other`."""
        lags = {**other.metric_lag_seconds, **self.metric_lag_seconds}
        return Measured(**{**other._given(), **self._given(), "metric_lag_seconds": lags})

    def has(self, *names: str) -> bool:
        """Whether one of these was measured."""
        return any(getattr(self, name) not in (None, {}) for name in names)

    def apply(self, scenario: Scenario) -> Scenario:
        """The scenario with these values in it."""
        given = self._given()
        return replace(
            scenario,
            pod=replace(scenario.pod, **{name: given[name] for name in _POD if name in given}),
            node=replace(scenario.node, **{field: given[name] for name, field in _NODE.items() if name in given}),
            metric_lags=tuple(sorted(self.metric_lag_seconds.items())),
            memory_bytes=round((self.memory_mebibytes or 0) * _BYTES_PER_MEBIBYTE),
            **{name: given[name] for name in _OWN if name in given},
        )

    def _given(self) -> dict[str, Any]:
        return self.model_dump(by_alias=False, exclude_none=True)


NOTHING = Measured()
"""All defaults."""
