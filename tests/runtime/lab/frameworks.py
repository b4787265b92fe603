"""Frameworks beside Symfony, with their own packages: applications that write the ledger, as a stack's settings run
them.

What a pod gets (command, variables, budget) is rendered from settings, so that a test drains what a user deploys.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tests.runtime.lab.application import Message, writable
from tests.runtime.lab.container import Image, Pod
from tests.runtime.lab.scene import Scene
from tests.runtime.lab.subjects import CONSUMER, HOME

from ebbtide.brokers import Depth
from ebbtide.settings.models.stack import StackSettings

if TYPE_CHECKING:
    from tests.runtime.lab.brokers import Broker

    from ebbtide.settings.models.consumer import ConsumerSettings

FRAMEWORKS = Path(__file__).parents[1] / "frameworks"
APPLICATION, PACKAGES = "/app", "/opt/packages"


@dataclass(frozen=True)
class Queue:
    """One broker as a framework uses it."""

    server: Broker
    variables: Mapping[str, str]
    asks: str
    """A shell command that prints what waits and what workers have in hand."""
    empties: str

    @property
    def name(self) -> str:
        return self.server.name

    def environment(self) -> Mapping[str, str]:
        return self.variables

    def clear(self) -> None:
        self.server.ask(self.empties)

    def depth(self) -> Depth:
        return Depth.read(self.server.ask(self.asks))


@dataclass(frozen=True)
class Framework:
    """How the application of one framework is started and given its messages."""

    name: str
    packages: Path | None
    """Its own packages, mounted where `environment` says; None where the file system has them."""
    environment: Mapping[str, str]
    send: Sequence[str]
    """The command that reads messages from its input and queues them."""
    root: Path | None = None
    """A Debian file system to run in, or None for this machine's."""
    sees: Callable[[Message], Mapping[str, Any]] = lambda one: {"message": one.delivery, "seconds": one.seconds}


@dataclass
class Program:
    """One application, in the place of the lab's Symfony application."""

    framework: Framework
    directory: Path
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.directory / "opt-ebbtide"
        if not self.home.exists():
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            subprocess.run([CONSUMER / "build", self.home], check=True, env={**os.environ, "PATH": path})
            subprocess.run(["/usr/bin/python3", "-m", "compileall", "-q", "-f", self.home], check=True)

    def prepare(self, broker: Queue) -> None:
        broker.clear()

    def send(self, broker: Queue, events: Iterable[Message]) -> list[str]:
        events = list(events)
        lines = "".join(json.dumps(self.framework.sees(event)) + "\n" for event in events)
        directory = self.directory / "sender"
        try:
            volumes = {"/tmp": writable(directory / "tmp")}
            image = replace(self.image(()), arguments=tuple(self.framework.send))
            Pod(image, directory, {**broker.environment()}, volumes, name="sender").run_to_end(stdin=lines)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return [event.delivery for event in events]

    def image(self, argv: Sequence[str]) -> Image:
        framework = self.framework
        mounts = {HOME: self.home, APPLICATION: FRAMEWORKS / framework.name}
        if framework.packages is not None:
            mounts[PACKAGES] = framework.packages
        arguments, hook = (f"{HOME}/entrypoint", *argv), (f"{HOME}/drain",)
        return Image(mounts, arguments, framework.environment, APPLICATION, framework.root, hook)


def consumer_of(settings: Mapping[str, Any]) -> ConsumerSettings:
    """Settings as a stack's file says them, validated with all rules."""
    jobs = {"image": "registry.example/jobs:1", "autoscaling": {"kind": "fixed", "replicas": 1}, **settings}
    stack = {"name": "test", "cluster": {"kind": "existing"}, "consumers": {"jobs": jobs}}
    return StackSettings.model_validate(stack).consumers["jobs"]


class Started(NamedTuple):
    pod: Pod
    slots: int
    """How many messages it handles at the same time."""
    grace_seconds: int


def start(scene: Scene, settings: Mapping[str, Any]) -> Started:
    """A pod of these settings: the command and the variables that its Deployment would have."""
    consumer, program = consumer_of(settings), cast("Program", scene.application)
    pod = scene.pod(program.image(consumer.argv), consumer.image_environment)
    return Started(pod.start(), consumer.worker.slots, consumer.shutdown_budget.grace_seconds)


# As KEDA's scaler of lists asks (pkg/scalers/redis_scaler.go, 2.21.0): a key that is not there counts as 0.
_LENGTH = (
    "local of = {zset='zcard', set='scard', list='llen', hash='hlen', none='llen'} "
    "return redis.call(of[redis.call('type', KEYS[1]).ok], KEYS[1])"
)


def counted_by_keda(scene: Scene, settings: Mapping[str, Any]) -> int:
    """The sum of what the triggers of these settings count on the scene's Redis, by the keys that they name."""
    transport = consumer_of(settings).transport
    assert transport is not None
    server = cast("Queue", scene.broker).server
    counts = 0
    for trigger in transport.demand(1, from_zero=True).triggers:
        said = trigger.metadata
        asks = f'redis-cli -p $PORT -n {said.get("databaseIndex") or 0} eval "{_LENGTH}" 1 "{said["listName"]}"'
        counts += int(server.ask(asks).split()[-1])
    return counts


def packages_of(lock: Path) -> Path:
    """Packages by their lock with hashes, of Python for Debian's own, or of Node.js; installed once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"packages-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    with (cache / "packages.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            if lock.name == "package-lock.json":
                shutil.copytree(lock.parent, unfinished)
                npm = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", unfinished)
                subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)
            else:
                pip = (sys.executable, "-m", "pip", "--python", "/usr/bin/python3", "install", "--quiet")
                options = ("--require-hashes", "--only-binary=:all:", "--target", unfinished)
                subprocess.run([*pip, *options, "--requirement", lock], check=True)
            unfinished.rename(target)
    return target
