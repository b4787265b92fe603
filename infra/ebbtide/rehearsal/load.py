"""The load: messages sent by the application itself, from a pod of its own, so that workers always have enough."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ebbtide.rehearsal.broker import restricted_pod
from ebbtide.rehearsal.cluster import Cluster, Manifest

POD = "sender"
_LOOK_SECONDS = 0.5
_SEND_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Kind:
    """What a message asks of its handler."""

    name: str
    seconds: float
    cpu_share: float
    """Of one core, while it is handled."""
    waiting: int
    """How many should wait in the queue at least."""
    batch: int
    with_those_in_hand: bool = False
    """Whether `waiting` also counts what workers have in hand: as many messages as that, and no more."""
    delay_seconds: float = 0
    """How long after it is sent it comes due."""
    failures: int = 0
    """How often its handler fails before it succeeds."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that were sent at once. Times are seconds since the epoch."""

    kind: Kind
    messages: tuple[str, ...]
    began_at: float
    queued_at: float
    """When the application had confirmed them all."""


@dataclass
class Load:
    """Keeps the queue filled with one kind of message, in a thread."""

    cluster: Cluster
    namespace: str
    command: str
    """Reads one JSON object a line, {"delivery": ..., "payload": {"work": {...}}}, and queues each."""
    begun: Callable[[], int]
    finished: Callable[[], int]
    sent: dict[str, float] = field(default_factory=dict)
    """By message: how long it takes, in seconds."""
    batches: list[Batch] = field(default_factory=list)
    failure: Exception | None = None
    _kind: Kind | None = None
    _changed: threading.Event = field(default_factory=threading.Event)
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _stop: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; nothing is sent before `keep`."""
        self._thread = threading.Thread(target=self._send_again_and_again, daemon=True)
        self._thread.start()

    def keep(self, kind: Kind | None) -> None:
        """From now on, messages of this kind; None: no more."""
        self._kind = kind
        self._changed.set()

    def rest(self) -> None:
        """No more, and wait until the last batch is through."""
        self.keep(None)
        with self._sending:
            pass

    def stop(self) -> None:
        """Send no more, and wait until the last batch is through."""
        self._stop = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout=_SEND_SECONDS)

    @property
    def waiting(self) -> int:
        """How many messages no worker has begun."""
        return len(self.sent) - self.begun()

    def _wants_more(self, kind: Kind) -> bool:
        there = len(self.sent) - self.finished() if kind.with_those_in_hand else self.waiting
        return there < kind.waiting

    def _send_again_and_again(self) -> None:
        while not self._stop:
            try:
                with self._sending:
                    kind = self._kind
                    if kind is not None and self._wants_more(kind):
                        self.send(kind)
                        continue
            except Exception as error:  # noqa: BLE001 - told to the thread that waits for us
                self.failure = error
                return
            self._changed.wait(_LOOK_SECONDS)
            self._changed.clear()

    def send(self, kind: Kind) -> None:
        """One batch. Raises RuntimeError if the application did not confirm every message."""
        first = len(self.sent)
        names = [f"{kind.name}-{first + number}" for number in range(kind.batch)]
        work = {"seconds": kind.seconds, "cpuShare": kind.cpu_share}
        if kind.failures:
            work["failures"] = kind.failures
        event: dict[str, object] = {"delivery": f"{kind.name}-&", "payload": {"work": work}}
        if kind.delay_seconds:
            event["delaySeconds"] = kind.delay_seconds
        line = json.dumps(event)
        # Before it is sent: a worker may begin it before the command has ended.
        self.sent |= dict.fromkeys(names, kind.seconds)
        # The pod's own shell writes the lines: the command travels in an address, which proxies cut.
        numbers = f"seq {first} {first + kind.batch - 1}"
        began = time.time()
        self.cluster.execute(self.namespace, POD, f"{numbers} | sed 's|.*|{line}|' | {self.command}", _SEND_SECONDS)
        self.batches.append(Batch(kind, tuple(names), began, time.time()))


def sender_pod(image: str, environment: list[Manifest], directory: str) -> Manifest:
    """A pod that only waits to be told what to send."""
    container = {
        "name": "sender",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "workingDir": directory,
        "env": environment,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in the pod
    }
    return restricted_pod(POD, container, [{"name": "tmp", "emptyDir": {}}])
