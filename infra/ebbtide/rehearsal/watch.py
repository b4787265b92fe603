"""What happens in the namespace while the rehearsal goes on: pods, their logs, the autoscaler, the metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ebbtide.rehearsal.cluster import Cluster, Manifest, is_ready
from ebbtide.rehearsal.ledger import Ledger, parse_time

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
    scheduled_at: float | None = None
    """When it got its node, to a second, by the scheduler's clock."""


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
    backlog: float | None = None
    """What the autoscaler last saw in the broker, in messages."""

    @property
    def seen(self) -> str:
        """What the autoscaler last saw, in words."""
        if self.backlog is not None:
            return f"with {self.backlog:g} messages"
        return "and has seen nothing" if self.utilization is None else f"at {self.utilization} % CPU"


@dataclass(frozen=True, slots=True)
class Seen:
    """The autoscaler at one moment: of a `Moment` what the fields of the same name say."""

    desired: int | None
    utilization: int | None = None
    measured: float | None = None
    backlog: float | None = None


@dataclass
class Watch:
    """Looks twice a second, in a thread; and follows every pod's log, each in a thread."""

    cluster: Cluster
    namespace: str
    selector: str
    container: str
    ledger: Ledger
    look: Callable[[list[Manifest]], Seen]
    """Given the pods."""
    pods: dict[str, PodRecord] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    last_pods: list[Manifest] = field(default_factory=list)
    sent: int = 0
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
        seen = self.look(pods)
        now = time.time()
        self.last_pods = pods
        self._keep_pods(pods, now)
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        self.moments.append(
            Moment(
                now,
                len(staying),
                sum(map(is_ready, staying)),
                len(pods) - len(staying),
                seen.desired,
                seen.utilization,
                seen.measured,
                self.ledger.begun,
                self.ledger.finished,
                self.sent,
                seen.backlog,
            )
        )

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
            record.scheduled_at = record.scheduled_at or _scheduled_at(pod)
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


def _scheduled_at(pod: Manifest) -> float | None:
    conditions = pod["status"].get("conditions") or []
    times = [
        one["lastTransitionTime"] for one in conditions if one["type"] == "PodScheduled" and one["status"] == "True"
    ]
    return parse_time(times[0]) if times else None
