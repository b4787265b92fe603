"""Which pods a scale-down by half takes, with and without `shutdown.idleFirst`, of 20 real pods of 4 real workers.

    eval "$(scripts/cluster up)"
    PYTHONPATH=infra:consumer:. .venv/bin/python benchmarks/idle-first/real.py $(scripts/cluster load-image) [MINUTES]
    PYTHONPATH=infra:consumer:. .venv/bin/python benchmarks/idle-first/real.py report

Nothing is a stand-in: the ReplicaSet controller, the kubelet, the consumer image with its helper, Symfony, Redis. Two
such Deployments run at the same time, one with and one without, each on a broker of its own. Messages take up to 90 s,
and as many are kept in hand as make the wanted share of all workers busy; costs are as old as they are in production.

Each scale-down is a line of results/real.jsonl as soon as it has ended. A run goes on where the last one stopped, until
each share has its ten rounds or, after MINUTES (20), no further scale-down is begun.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kubernetes_api import KubernetesApi

from ebbtide.brokers import BROKERS, DSN
from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.rehearsal.access import open_access
from ebbtide.rehearsal.broker import POD as BROKER_POD
from ebbtide.rehearsal.broker import broker_pod
from ebbtide.rehearsal.cluster import Cluster, Manifest, is_ready
from ebbtide.rehearsal.ledger import Ledger
from ebbtide.rehearsal.load import POD as SENDER_POD
from ebbtide.rehearsal.load import sender_pod
from ebbtide.rehearsal.watch import Seen, Watch
from ebbtide.settings.models.stack import StackSettings

PODS, WORKERS, LONGEST_SECONDS = 20, 4, 90
SETTLE_SECONDS = 60
"""After the last pod is ready: fresh messages and older ones mix, and costs are written, which takes up to 20 s."""
REDIS = BROKERS["redis"]
SECRET = "broker-v1"
DIRECTORY = "/srv/app"
SET_UP = "php bin/console messenger:setup-transports"
SEND = "php bin/console app:send-events"
WAIT_SECONDS = 300
AT_ONCE = 5
LEVELS = (0.3, 0.5, 0.7)
ROUNDS = 10
RESULTS = Path(__file__).parent / "results" / "real.jsonl"


@dataclass(frozen=True)
class Taken:
    """The pods of one scale-down."""

    pods: frozenset[str]
    asked_at: float


@dataclass(frozen=True)
class Round:
    """What one scale-down met."""

    in_flight: int
    last_seconds: float
    gone_seconds: float
    """Until the last of the pods was gone."""


@dataclass
class Fleet:
    """One Deployment with its broker, in two namespaces of its own."""

    cluster: Cluster
    api: KubernetesApi
    images: dict[str, str]
    server: str
    idle_first: bool
    ledger: Ledger = field(default_factory=Ledger)
    sent: list[str] = field(default_factory=list)
    target: int = 0
    taken: Taken = Taken(frozenset(), 0)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.namespace = f"idle-first-{'on' if self.idle_first else 'off'}"
        self.brokers = f"{self.namespace}-broker"
        self.watch = Watch(self.cluster, self.namespace, "", "consumer", self.ledger, lambda _pods: Seen(None))
        self._stop = threading.Event()
        self._random = random.Random(self.namespace)

    def set_up(self) -> None:
        for namespace in (self.brokers, self.namespace):
            self.cluster.make_namespace(namespace)
        self.cluster.create(broker_pod(REDIS, self.images["broker"]), self.brokers)
        pod = self.cluster.wait_until_ready(self.brokers, BROKER_POD, "image")
        variables = REDIS.environment(pod["status"]["podIP"], REDIS.port)
        listed = [{"name": name, "value": value} for name, value in variables.items()]
        self.cluster.create(sender_pod(self.images["githubevents"], listed, DIRECTORY), self.brokers)
        self.cluster.wait_until_ready(self.brokers, SENDER_POD, "image")
        self.cluster.execute(self.brokers, SENDER_POD, SET_UP, 90)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": variables}
        self.cluster.create(secret, self.namespace)
        for manifest in stack_manifests(self._stack()):
            if manifest["kind"] == "Deployment":
                _ask_seldom(manifest)
            self.api.apply(manifest, "benchmark", force=True)
        self.watch.start()
        threading.Thread(target=self._keep_busy, daemon=True).start()

    def _stack(self) -> StackSettings:
        idle = {"idleFirst": {"apiServer": f"{self.server}/32", "port": 6443}} if self.idle_first else {}
        consumer: dict[str, Any] = {
            "image": self.images["githubevents"],
            "worker": {
                "kind": "symfonyMessenger",
                "receivers": ["githubevents"],
                "processes": WORKERS,
                "workingDirectory": DIRECTORY,
            },
            "shutdown": {"longestMessage": f"{LONGEST_SECONDS}s", **idle},
            "transport": {"kind": "redis", "redeliverTimeout": "10m"},
            "resources": {"cpu": {"request": "10m"}, "memory": {"request": "64Mi"}},
            "autoscaling": {"kind": "fixed", "replicas": 0},
            # The node has no proxy for Services' addresses.
            "environment": {
                "LEDGER_FILE": "php://stdout",
                "KUBERNETES_SERVICE_HOST": self.server,
                "KUBERNETES_SERVICE_PORT": "6443",
            },
            "secretEnvironment": {DSN: {"secret": SECRET, "key": DSN}},
        }
        cluster = {"kind": "existing", "kubernetesVersion": "1.34"}
        namespace = {"name": self.namespace, "create": False}
        return StackSettings.model_validate(
            {"name": "benchmark", "cluster": cluster, "namespace": namespace, "consumers": {"events": consumer}}
        )

    def _keep_busy(self) -> None:
        """As many messages as wanted are in hand, or on their way there, beside those of pods that are going."""
        while not self._stop.wait(1):
            going = sum(one.pod in self.taken.pods and one.ended_at is None for one in list(self.ledger.handlings))
            missing = self.target - (len(self.sent) - self.ledger.finished - going)
            if missing > 0:
                try:
                    self._send(missing)
                except Exception as error:  # noqa: BLE001 - told to the thread that waits
                    self.failure = error
                    return

    def _send(self, number: int) -> None:
        # The first ones are as far as they would be, had they begun before.
        begun = not self.sent
        lines = []
        for _ in range(number):
            seconds = self._random.uniform(0, LONGEST_SECONDS) * (self._random.random() if begun else 1)
            name = f"message-{len(self.sent)}"
            self.sent.append(name)
            work = {"seconds": round(seconds, 1), "how": "shell"}
            lines.append(json.dumps({"delivery": name, "payload": {"work": work}}))
        text = "\\n".join(lines)
        self.cluster.execute(self.brokers, SENDER_POD, f"printf '{text}\\n' | {SEND}", 90)

    def scale(self, replicas: int) -> None:
        self.cluster.patch_deployment(self.namespace, "events", {"spec": {"replicas": replicas}})

    def grow(self, busy: float) -> None:
        """To all pods, a few at a time: 40 that start at once keep two cores from answering any probe."""
        while (there := sum(map(is_ready, self.staying))) < PODS:
            wanted = min(there + AT_ONCE, PODS)
            self.scale(wanted)
            self._wait(lambda wanted=wanted: sum(map(is_ready, self.staying)) >= wanted, f"{wanted} pods are ready")
            self.target = round(busy * WORKERS * wanted)

    @property
    def staying(self) -> list[Manifest]:
        return [pod for pod in self.watch.last_pods if "deletionTimestamp" not in pod["metadata"]]

    def scale_down(self, busy: float) -> None:
        before = {pod["metadata"]["name"] for pod in self.staying}
        self.scale(PODS // 2)
        asked_at = time.time()
        self.target = round(busy * WORKERS * PODS / 2)
        self._wait(lambda: len(self.staying) == PODS // 2, "half of the pods are taken")
        self.taken = Taken(frozenset(before - {pod["metadata"]["name"] for pod in self.staying}), asked_at)

    def watch_end(self) -> Round:
        taken = self.taken
        self._wait(lambda: all(self.watch.pods[name].gone_at for name in taken.pods), "the pods are gone")
        gone_at = max(self.watch.pods[name].gone_at or 0 for name in taken.pods)
        time.sleep(2)  # the ends of the logs
        handlings = [one for one in list(self.ledger.handlings) if one.pod in taken.pods]
        # What a pod begins after that was on its way.
        met = [one for one in handlings if one.started_at <= taken.asked_at < (one.ended_at or taken.asked_at + 1)]
        last = max((one.ended_at or gone_at for one in met), default=taken.asked_at)
        return Round(len(met), last - taken.asked_at, gone_at - taken.asked_at)

    def _wait(self, done: Any, what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            if self.failure is not None:
                raise self.failure
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.namespace}: not seen within {WAIT_SECONDS} s: {what}")
            time.sleep(0.2)

    def take_away(self) -> None:
        self.target = 0
        self._stop.set()
        self.watch.stop()
        for manifest in stack_manifests(self._stack()):
            if "namespace" not in manifest["metadata"]:
                self.api.delete(manifest)
        for namespace in (self.namespace, self.brokers):
            self.cluster.remove_namespace(namespace)


def _ask_seldom(deployment: Manifest) -> None:
    """Each question of the kubelet's is a process in the container: 40 pods on two cores would do little else."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["startupProbe"]["periodSeconds"] = 5
    for probe in ("readinessProbe", "livenessProbe"):
        container[probe]["periodSeconds"] = 120


def together(fleets: list[Fleet], work: Any) -> list[Any]:
    """Both at the same time."""
    found: dict[int, Any] = {}

    def one(at: int, fleet: Fleet) -> None:
        try:
            found[at] = work(fleet)
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            found[at] = error

    threads = [threading.Thread(target=one, args=entry) for entry in enumerate(fleets)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found.values():
        if isinstance(result, Exception):
            raise result
    return [found[at] for at in range(len(fleets))]


def main(*arguments: str) -> None:
    if arguments == ("report",):
        report()
        return
    # As Ctrl-C, which a shell keeps from what it starts in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    minutes = float(arguments[-1]) if arguments[-1].isdecimal() else 20
    images = {one.rpartition("/")[2].partition(":")[0]: one for one in arguments if "/" in one}
    access = open_access(None, cluster_is_gke=False)
    api = KubernetesApi(Path(os.environ["KUBECONFIG"]))
    server = str(api.server.hostname)
    fleets = [Fleet(Cluster(access), api, images, server, idle_first) for idle_first in (False, True)]
    try:
        together(fleets, Fleet.set_up)
        scale_down_again_and_again(fleets, time.monotonic() + 60 * minutes)
    finally:
        together(fleets, Fleet.take_away)
        for fleet in fleets:
            print(f"{fleet.namespace}: {fleet.ledger.count(fleet.sent)}", flush=True)


def scale_down_again_and_again(fleets: list[Fleet], deadline: float) -> None:
    """While the pods of one scale-down end, those for the next one start; it waits until they are gone."""
    seen = [(one["busy"], one["idle_first"]) for one in recorded()]
    rounds = {busy: seen.count((busy, True)) for busy in LEVELS}
    ended: Future[None] | None = None
    with ThreadPoolExecutor(max_workers=1) as watcher:
        while time.monotonic() < deadline and min(rounds.values()) < ROUNDS:
            busy = min(LEVELS, key=lambda level: rounds[level])
            rounds[busy] += 1
            together(fleets, lambda fleet, busy=busy: fleet.grow(busy))
            time.sleep(SETTLE_SECONDS)
            if ended is not None:
                ended.result()
            together(fleets, lambda fleet, busy=busy: fleet.scale_down(busy))
            ended = watcher.submit(watch_ends, fleets, rounds[busy], busy)
        if ended is not None:
            ended.result()


def watch_ends(fleets: list[Fleet], number: int, busy: float) -> None:
    for fleet, one in zip(fleets, together(fleets, Fleet.watch_end), strict=True):
        record(number, busy, one, idle_first=fleet.idle_first)


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def record(number: int, busy: float, one: Round, *, idle_first: bool) -> None:
    line = {
        "round": number,
        "busy": busy,
        "idle_first": idle_first,
        "in_flight": one.in_flight,
        "last_seconds": round(one.last_seconds, 1),
        "gone_seconds": round(one.gone_seconds, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def report() -> None:
    """The rows of the README's table, and in how many pairs more was met with `idleFirst` than without."""
    lines = recorded()
    for busy in LEVELS:
        for idle_first in (False, True):
            found = [one for one in lines if (one["busy"], one["idle_first"]) == (busy, idle_first)]
            met, last = ([one[name] for one in found] for name in ("in_flight", "last_seconds"))
            print(
                f"| {busy:.0%} | {'on' if idle_first else 'off'} | {len(found)} "
                f"| {statistics.median(met):g} ({min(met)} to {max(met)}) "
                f"| {statistics.median(last):.0f} s ({min(last):.0f} to {max(last):.0f}) |"
            )
    met_by = {(one["round"], one["busy"], one["idle_first"]): one["in_flight"] for one in lines}
    more = sum(met > met_by[number, busy, False] for (number, busy, on), met in met_by.items() if on)
    loads = sorted(one["load_average"] for one in lines if one["load_average"])
    print(f"{len(met_by) // 2} pairs, more was met with idleFirst in {more}; loads {loads}")


if __name__ == "__main__":
    main(*sys.argv[1:])
