"""Which pods a scale-down by half takes, with and without `shutdown.idleFirst`, of 20 real pods of 4 real workers.

    eval "$(scripts/cluster up)"
    PYTHONPATH=infra:consumer:. .venv/bin/python benchmarks/idle-first/real.py $(scripts/cluster load-image) [ROUNDS]

Nothing is a stand-in: the ReplicaSet controller, the kubelet, the consumer image with its helper, Symfony, Redis. Two
such Deployments run at the same time, one with and one without, each on a broker of its own. Messages take up to 90 s,
and as many are kept in hand as make the wanted share of all workers busy; costs are as old as they are in production.
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


@dataclass
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
        """As many messages as wanted are in hand, or on their way there."""
        while not self._stop.wait(1):
            missing = self.target - (len(self.sent) - self.ledger.finished)
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

    def scale_down(self, busy: float) -> Round:
        before = {pod["metadata"]["name"] for pod in self.staying}
        self.scale(PODS // 2)
        asked_at = time.time()
        self.target = round(busy * WORKERS * PODS / 2)
        self._wait(lambda: len(self.staying) == PODS // 2, "half of the pods are taken")
        taken = before - {pod["metadata"]["name"] for pod in self.staying}
        self._wait(lambda: all(self.watch.pods[name].gone_at for name in taken), "the pods are gone")
        gone_at = max(self.watch.pods[name].gone_at or 0 for name in taken)
        time.sleep(2)  # the ends of the logs
        handlings = [one for one in list(self.ledger.handlings) if one.pod in taken]
        # What a pod begins after that was on its way.
        met = [one for one in handlings if one.started_at <= asked_at < (one.ended_at or asked_at + 1)]
        last = max((one.ended_at or gone_at for one in met), default=asked_at)
        return Round(len(met), last - asked_at, gone_at - asked_at)

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
    # As Ctrl-C, which a shell keeps from what it starts in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rounds = int(arguments[-1]) if arguments[-1].isdecimal() else 10
    images = {one.rpartition("/")[2].partition(":")[0]: one for one in arguments if "/" in one}
    access = open_access(None, cluster_is_gke=False)
    api = KubernetesApi(Path(os.environ["KUBECONFIG"]))
    server = str(api.server.hostname)
    fleets = [Fleet(Cluster(access), api, images, server, idle_first) for idle_first in (False, True)]
    seen: dict[tuple[float, bool], list[Round]] = {}
    try:
        together(fleets, Fleet.set_up)
        for number in range(rounds):
            for busy in LEVELS:
                together(fleets, lambda fleet, busy=busy: fleet.grow(busy))
                time.sleep(SETTLE_SECONDS)
                ended = together(fleets, lambda fleet, busy=busy: fleet.scale_down(busy))
                for fleet, one in zip(fleets, ended, strict=True):
                    seen.setdefault((busy, fleet.idle_first), []).append(one)
                    print(f"round {number + 1}, {busy:.0%}, {'on' if fleet.idle_first else 'off'}: {one}", flush=True)
    finally:
        together(fleets, Fleet.take_away)
        for (busy, idle_first), found in sorted(seen.items()):
            print(f"{busy:.0%} {'on ' if idle_first else 'off'} {len(found)} rounds: {told(found)}")
        for fleet in fleets:
            count = fleet.ledger.count(fleet.sent)
            print(f"{fleet.namespace}: {count}")


def told(rounds: list[Round]) -> str:
    def middle(values: list[float]) -> str:
        return f"median {statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"

    return (
        f"in flight {middle([one.in_flight for one in rounds])}; "
        f"the last after {middle([one.last_seconds for one in rounds])} s; "
        f"all gone after {middle([one.gone_seconds for one in rounds])} s"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
