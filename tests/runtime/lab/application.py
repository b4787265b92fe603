"""The example application, compiled as its image compiles it, and the ways to use it from outside."""

from __future__ import annotations

import json
import random
import shutil
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.runtime.lab.container import Image, Pod

from ebbtide.brokers import BROKERS, DSN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.runtime.lab.brokers import Broker

DIRECTORY = "/srv/app"
CACHE = "/srv/cache"
LEDGER = "/ledger"


@dataclass(frozen=True)
class Message:
    """An event to queue: its handler takes `seconds`, in the way `how` (see the example's Work class)."""

    delivery: str
    seconds: float
    how: str = "wait"
    cpu_share: float = 0.0

    def line(self) -> str:
        work = {"seconds": self.seconds, "how": self.how, "cpuShare": self.cpu_share}
        return json.dumps({"delivery": self.delivery, "payload": {"work": work}})


def messages(seed: int, number: int, least: float, most: float, how: str = "wait") -> list[Message]:
    """The same messages for the same seed, their times spread evenly over `least` to `most` seconds."""
    generator = random.Random(seed)
    return [Message(f"{how}-{seed}-{n}", round(generator.uniform(least, most), 3), how) for n in range(number)]


@dataclass
class Application:
    """Built once per Symfony line; every pod mounts it read-only.

    Args:
        source: examples/github-events.
        directory: an empty directory for the compiled containers.
        root: a Debian file system to run in, or None for this machine's.
    """

    source: Path
    directory: Path
    root: Path | None = None

    def build(self) -> Application:
        cache = {CACHE: writable(self.directory / "cache")}
        for broker in BROKERS.values():
            dsn = {DSN: f"{broker.variables[DSN].partition(':')[0]}://build"}
            self.run(("php", "bin/console", "cache:warmup", "--no-interaction"), cache, dsn)
        return self

    def image(self, arguments: Iterable[str] = ()) -> Image:
        """The application alone, without anything that consumes or supervises."""
        return Image(
            mounts={DIRECTORY: self.source, CACHE: self.directory / "cache"},
            arguments=tuple(arguments),
            environment={"APP_CACHE_DIR": CACHE},
            working_directory=DIRECTORY,
            root=self.root,
        )

    def prepare(self, broker: Broker) -> None:
        """Empties the queue and sets it up anew."""
        broker.clear()
        self.console(broker, "messenger:setup-transports")

    def send(self, broker: Broker, events: Iterable[Message]) -> list[str]:
        """Queues the events; returns their ids."""
        events = list(events)
        lines = "".join(event.line() + "\n" for event in events)
        printed = self.console(broker, "app:send-events", stdin=lines)
        assert f"{len(events)} queued" in printed, f"the load was not queued: {printed}"
        return [event.delivery for event in events]

    def console(self, broker: Broker, *words: str, stdin: str = "") -> str:
        command = ("php", "bin/console", *words, "--no-interaction")
        return self.run(command, {}, broker.environment(), stdin=stdin)

    def run(
        self,
        arguments: Iterable[str],
        volumes: Mapping[str, Path],
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> str:
        """Runs one command in a container of the application, with these volumes writable; returns its output."""
        directory = self.directory / "commands" / uuid.uuid4().hex
        image = self.image(arguments)
        # What is mounted to be written is not mounted to be read.
        image = replace(image, mounts={path: at for path, at in image.mounts.items() if path not in volumes})
        everything = {"MESSENGER_TRANSPORT_DSN": "redis://build", **(environment or {})}
        volumes = {"/tmp": writable(directory / "tmp"), **volumes}
        try:
            return Pod(image, directory, everything, volumes, name="command").run_to_end(stdin=stdin)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def writable(directory: Path) -> Path:
    """A volume that any user of a container may write, as a kubelet makes an emptyDir."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)
    return directory


def ledger_volume(directory: Path) -> Path:
    volume = writable(directory)
    (volume / "ledger").touch()
    (volume / "ledger").chmod(0o666)
    return volume
