"""Tells the API server what this pod's deletion costs, so that a scale-down takes pods with little in flight first.

`controller.kubernetes.io/pod-deletion-cost` is read by the ReplicaSet controller when `replicas` falls, and by nobody
else: not in evictions, node drains, or the old pods of a rollout. It decides on its own cache, so that what changes in
the seconds before is missed. It lowers what a scale-down meets; the drain is what keeps it.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import random
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.events import emit
from ebbtide_supervisor.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ebbtide_supervisor.environment import Environment

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
DIRECTORY: Final = Path("/run/ebbtide-api")
LOOK_SECONDS: Final = 2.0
# At 200 pods that change all the time: 10 writes a second. Spread, since the pods of a scale-up begin together.
LEAST_SECONDS_BETWEEN_WRITES: Final = 15.0
JITTER_SECONDS: Final = 5.0
FIRST_BACK_OFF_SECONDS: Final = 15.0
LONGEST_BACK_OFF_SECONDS: Final = 300.0
REQUEST_SECONDS: Final = 10.0
# By then a worker that can tell has told.
SILENT_SECONDS: Final = 60.0

# A drain of an overdue message has to kill it: such a pod goes last of all.
OVERDUE_COST: Final = 1000
BUSY_COST: Final = 100
OLD_COST: Final = 10


def tell_cost(environment: Environment) -> None:
    """Look every two seconds, and write what has changed, until the pod drains: then it is chosen already."""
    progress = Progress(environment.state_directory)
    writer = Writer(ApiServer.of(os.environ, DIRECTORY))
    silent_at = time.monotonic() + SILENT_SECONDS
    while not environment.stop_file.exists():
        ages = [progress.in_flight_seconds(number) for number in range(environment.processes)]
        if progress.is_told:
            cost = deletion_cost(ages, environment.longest_message_seconds)
            writer.write(cost, time.monotonic())
        elif time.monotonic() >= silent_at:
            emit(
                "idleFirstFailed",
                reason="no WorkerProgress tells whether a worker is busy; copy php/WorkerProgress.php",
            )
            silent_at = math.inf
        time.sleep(LOOK_SECONDS)


def deletion_cost(ages: list[float | None], longest_message_seconds: int) -> int:
    """The band that a pod is in: 0 for idle, then by the quarter of its workers that are busy, a little more where a
    message has used up half of its longest time, and most for one that is overdue.

    Bands, because each change is a write: how busy a pod is exactly changes with every message.
    """
    busy = [age for age in ages if age is not None]
    if not busy:
        return 0
    oldest = max(busy)
    cost = BUSY_COST * math.ceil(4 * len(busy) / len(ages))
    if oldest > longest_message_seconds:
        return cost + OVERDUE_COST
    return cost + OLD_COST if oldest > longest_message_seconds / 2 else cost


class ApiError(Exception):
    """The API server did not take it. `retry_after_seconds`: what it asks for, 0 for nothing."""

    def __init__(self, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class ApiServer:
    """Where the API server is, and the directory with this pod's token, name and namespace and the certificate."""

    host: str
    port: int
    directory: Path

    @staticmethod
    def of(variables: Mapping[str, str], directory: Path) -> ApiServer:
        """As the kubelet tells every container."""
        host, port = variables.get("KUBERNETES_SERVICE_HOST", ""), variables.get("KUBERNETES_SERVICE_PORT", "443")
        return ApiServer(host, int(port), directory)

    def set_cost(self, cost: int) -> None:
        """Write it to this container's pod.

        Raises:
            ApiError: with the reason. A token is read each time, since the kubelet renews it.
        """
        try:
            token, namespace, name = (self._read(what) for what in ("token", "namespace", "name"))
            tls = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        except OSError as error:
            raise ApiError(f"{self.directory} cannot be read: {error.strerror}") from None
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=REQUEST_SECONDS, context=tls)
        path = f"/api/v1/namespaces/{namespace}/pods/{name}?fieldManager=ebbtide-idle-first"
        body = json.dumps({"metadata": {"annotations": {DELETION_COST: str(cost)}}})
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/merge-patch+json",
            # The pod itself is of no use here, and large.
            "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        }
        try:
            connection.request("PATCH", path, body, headers)
            response = connection.getresponse()
            text = response.read(65536)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise ApiError(f"{self.host}:{self.port} cannot be reached: {reason}") from None
        finally:
            connection.close()
        if response.status != http.client.OK:
            wait = response.getheader("Retry-After", "")
            reason = f"the API server answers {response.status}: {_message(text)}"
            raise ApiError(reason, float(wait) if wait.isdecimal() else 0.0)

    def _read(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8").strip()


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return repr(text[:80])


class Writer:
    """Writes a cost when it has changed, not too often, and less often where it is refused. Says once that it is."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._written: int | None = None
        self._next_at = time.monotonic() + random.uniform(0, JITTER_SECONDS)  # noqa: S311
        self._back_off = FIRST_BACK_OFF_SECONDS
        self._has_failed = False

    def write(self, cost: int, now: float) -> None:
        """Write it if it is due."""
        if cost == self._written or now < self._next_at:
            return
        try:
            self._server.set_cost(cost)
        except ApiError as error:
            if not self._has_failed:
                emit("idleFirstFailed", reason=str(error))
            self._has_failed = True
            self._wait(now, max(self._back_off, error.retry_after_seconds))
            self._back_off = min(2 * self._back_off, LONGEST_BACK_OFF_SECONDS)
        else:
            if self._has_failed:
                emit("idleFirstResumed")
            self._written, self._has_failed, self._back_off = cost, False, FIRST_BACK_OFF_SECONDS
            self._wait(now, LEAST_SECONDS_BETWEEN_WRITES)

    def _wait(self, now: float, seconds: float) -> None:
        self._next_at = now + seconds + random.uniform(0, JITTER_SECONDS)  # noqa: S311
