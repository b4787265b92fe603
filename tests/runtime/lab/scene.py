"""One broker, one queue and the pods that consume from it: what a test or a benchmark plays with."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.runtime.lab import ledger, subjects
from tests.runtime.lab.application import ledger_volume, writable
from tests.runtime.lab.container import PATIENCE_SECONDS, Image, Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.runtime.lab.application import Application, Message
    from tests.runtime.lab.brokers import Broker
    from tests.runtime.lab.subjects import Budget


SCENES: deque[Scene] = deque(maxlen=4)
"""The last ones of this process: of a test that fails, what its pods have said."""


@dataclass
class Scene:
    """Starts with an empty queue and an empty ledger; `close` ends every pod and removes every file."""

    application: Application
    broker: Broker
    pods: list[Pod] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ebbtide-scene-"))
        self.ledger = ledger_volume(self.directory / "ledger") / "ledger"
        SCENES.append(self)
        self._names = (f"pod-{letter}" for letter in "abcdefgh")
        try:
            self.application.prepare(self.broker)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for pod in self.pods:
            pod.destroy()
        shutil.rmtree(self.directory, ignore_errors=True)

    def send(self, events: Iterable[Message]) -> None:
        self.sent += self.application.send(self.broker, events)

    def pod(self, image: Image, environment: Mapping[str, str] | None = None, **options: object) -> Pod:
        """A pod of its own name, with the volumes a Deployment gives it; started by the caller."""
        name = next(self._names)
        place = self.directory / name
        pod = Pod(
            image,
            place,
            {**self.broker.environment(), "LEDGER_FILE": "/ledger/ledger", **(environment or {})},
            {"/ledger": self.ledger.parent, "/tmp": writable(place / "tmp"), "/run/ebbtide": writable(place / "state")},
            name=name,
            **options,  # type: ignore[arg-type]
        )
        self.pods.append(pod)
        return pod

    def ours(
        self,
        processes: int,
        budget: Budget,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] | None = None,
        **options: object,
    ) -> Pod:
        """A pod of the consumer image; `arguments` in place of the usual worker command."""
        symfony = (environment or {}).get("EBBTIDE_WORKER_KIND", "symfonyMessenger") == "symfonyMessenger"
        environment = {"EBBTIDE_WORKER_START": subjects.START if symfony else "exec", **(environment or {})}
        image = subjects.ours(self.application, processes, budget)
        if arguments is not None:
            image = replace(image, arguments=(image.arguments[0], *arguments))
        return self.pod(image, environment, **options)

    def report(self) -> str:
        """What its pods have said last, and what became of the messages."""
        account = self.account()
        counts = f"{len(self.sent)} messages sent, {len(account.handlings)} begun, {len(account.finished)} finished"
        return "\n".join(
            [f"-- {self.broker.name}: {counts}", *(f"-- {pod.name}\n{pod.output(60)}" for pod in self.pods)]
        )

    def account(self) -> ledger.Account:
        return ledger.read(self.ledger, self.sent)

    def wait_until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Polls.

        Raises:
            AssertionError: it did not come true in time; with the end of every pod's output.
        """
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                outputs = "\n".join(f"--- {pod.name}\n{pod.output()}" for pod in self.pods)
                raise AssertionError(f"not within {seconds} s: {what}\n{outputs}")
            time.sleep(0.1)

    def wait_for_consumers(self, number: int, seconds: float = 240) -> None:
        self.wait_until(
            lambda: len({worker for worker, _ in self.account().consuming}) >= number,
            seconds,
            f"{number} workers consuming",
        )

    def wait_for_messages_in_flight(self, number: int, seconds: float = 240) -> None:
        self.wait_until(
            lambda: len(self.account().in_flight_at(time.monotonic())) >= number,
            seconds,
            f"{number} messages being handled",
        )

    def busy(self, events: Iterable[Message], *pods: Pod, workers: int) -> None:
        """Start these pods, and send when all of their workers wait: a slow machine's last worker finds as many
        messages as its first."""
        for pod in pods:
            pod.start()
        self.wait_for_consumers(workers)
        self.send(events)
        self.wait_for_messages_in_flight(workers)

    def settle(self) -> None:
        """Waits until the broker has noticed that the connections of ended workers are closed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.broker.depth().taken and time.monotonic() < deadline:
            time.sleep(0.2)
