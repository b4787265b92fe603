"""What happens in the namespace while the rehearsal goes on: pods, their logs, the autoscaler, the metrics."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ebbtide.rehearsal.cluster import Cluster, Manifest, is_ready
from ebbtide.rehearsal.ledger import Ledger, parse_time
from ebbtide.rehearsal.metrics import measured_utilization, seen_utilization

POLL_SECONDS = 0.5
_AGAIN_SECONDS = 0.3
_STOP_SECONDS = 3


@dataclass(slots=True)
class PodRecord:
    """One pod over its whole life. Times are seconds since the epoch."""

    name: str
    template: str
    """The hash of the pod template: another one is another roll-out."""
    node: str
    created_at: float
    deleted_at: float | None = None
    """When its deletion was asked for, to a second, by the API server's clock."""
    gone_at: float | None = None
    """When its container had ended: to a second from its status, or when its log ended."""
    exit_status: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The namespace at one moment."""

    at: float
    pods: int
    """Not being deleted."""
    ready: int
    draining: int
    desired: int | None
    """What the autoscaler asks for."""
    utilization: int | None
    """What the autoscaler last saw, in per cent of the request."""
    measured: float | None
    """The mean of the metrics API's samples that the autoscaler would count, in per cent of the request."""
    begun: int = 0
    finished: int = 0
    sent: int = 0


@dataclass(slots=True)
class Sync:
    """What the autoscaler's status said when it changed, and the pods as they were then."""

    at: float
    current: int
    desired: int
    utilization: int | None
    pods: list[Manifest]
    """One look before, as the autoscaler saw them: a look later there are those that it has asked for."""
    samples: tuple[list[Manifest], list[Manifest]]
    """One look before, and now: which of them it saw, its `utilization` tells."""


@dataclass
class Watch:
    """Looks twice a second, in a thread; and follows every pod's log, each in a thread."""

    cluster: Cluster
    namespace: str
    selector: str
    container: str
    ledger: Ledger
    pods: dict[str, PodRecord] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    syncs: list[Sync] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    last_pods: list[Manifest] = field(default_factory=list)
    sent: int = 0
    _last_samples: list[Manifest] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._run(self._look_again_and_again)

    def stop(self) -> None:
        """End. Logs of ended pods have ended; those of pods that still run are left where they are."""
        self._stop.set()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _run(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _look_again_and_again(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a rehearsal goes on when one look fails, and says so
                self.failures.append(f"{time.time():.0f}: {type(error).__name__}: {str(error)[:200]}")
            self._stop.wait(max(0.05, POLL_SECONDS - (time.monotonic() - began)))

    def _look(self) -> None:
        pods = self.cluster.pods(self.namespace, self.selector)
        samples = self.cluster.objects("metrics.k8s.io/v1beta1", self.namespace, "pods")
        scalers = self.cluster.objects("autoscaling/v2", self.namespace, "horizontalpodautoscalers")
        now = time.time()
        before, self._last_samples = (self.last_pods, self._last_samples), samples
        self.last_pods = pods
        self._keep_pods(pods, now)
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        status = scalers[0].get("status", {}) if scalers else {}
        utilization = seen_utilization(status)
        desired = status.get("desiredReplicas")
        if desired is not None:
            sync = Sync(now, status.get("currentReplicas", 0), desired, utilization, before[0], (before[1], samples))
            self._keep_sync(sync)
        self.moments.append(
            Moment(
                now,
                len(staying),
                sum(map(is_ready, staying)),
                len(pods) - len(staying),
                desired,
                utilization,
                measured_utilization(staying, samples, now),
                self.ledger.begun,
                self.ledger.finished,
                self.sent,
            )
        )

    def _keep_sync(self, sync: Sync) -> None:
        last = self.syncs[-1] if self.syncs else None
        said = (sync.current, sync.desired, sync.utilization)
        if last is None or (last.current, last.desired, last.utilization) != said:
            self.syncs.append(sync)

    def _keep_pods(self, pods: list[Manifest], now: float) -> None:
        for pod in pods:
            metadata, name = pod["metadata"], pod["metadata"]["name"]
            record = self.pods.get(name)
            if record is None:
                record = PodRecord(
                    name,
                    metadata["labels"].get("pod-template-hash", ""),
                    pod["spec"].get("nodeName", ""),
                    parse_time(metadata["creationTimestamp"]),
                )
                self.pods[name] = record
                self._run(self._follow, record)
            record.node = pod["spec"].get("nodeName", record.node)
            if "deletionTimestamp" in metadata and record.deleted_at is None:
                # The time stamp is when the grace period ends.
                asked = parse_time(metadata["deletionTimestamp"]) - metadata.get("deletionGracePeriodSeconds", 0)
                record.deleted_at = max(asked, record.created_at)
            for container in pod["status"].get("containerStatuses") or []:
                ended = (container.get("state") or {}).get("terminated")
                if ended and container["name"] == self.container:
                    record.exit_status = ended.get("exitCode")
        present = {pod["metadata"]["name"] for pod in pods}
        for record in self.pods.values():
            if record.name not in present:
                record.deleted_at = record.deleted_at or now
                record.gone_at = record.gone_at or now

    def _follow(self, record: PodRecord) -> None:
        """Read a log to its end. A stream that breaks is opened again; the ledger knows which lines it has."""
        while not self._stop.is_set():
            try:
                for line in self.cluster.follow_log(self.namespace, record.name, self.container):
                    self.ledger.read(record.name, line)
                if record.deleted_at is not None:
                    record.gone_at = record.gone_at or time.time()
            except Exception as error:  # noqa: BLE001 - not started yet, gone, or a broken connection
                if record.gone_at is not None and self.cluster.is_gone(error):
                    return
                if not self.cluster.is_gone(error):
                    self.failures.append(f"{record.name}: {type(error).__name__}: {str(error)[:200]}")
            if record.gone_at is not None:
                return
            self._stop.wait(_AGAIN_SECONDS)
