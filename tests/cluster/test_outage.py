"""The broker's process is gone and its port closed for a minute, with KEDA: connections are refused, at once.

The rehearsal's outage is the other one: a broker that stands still, so that connections hang. A broker that ends takes
its connections with it, so that what workers had in hand comes again, and nothing else may.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes_api import KubernetesApi

from ebbtide.brokers import BROKERS, Broker
from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.rehearsal.access import open_access
from ebbtide.rehearsal.broker import POD as BROKER_POD
from ebbtide.rehearsal.broker import QUEUE, broker_pod, messages_held
from ebbtide.rehearsal.cluster import Cluster, Manifest
from ebbtide.rehearsal.keda import look_at_keda
from ebbtide.rehearsal.ledger import Ledger
from ebbtide.rehearsal.load import POD as SENDER_POD
from ebbtide.rehearsal.load import Kind, Load, sender_pod
from ebbtide.rehearsal.watch import Seen, Watch
from ebbtide.settings.models.stack import StackSettings

# Kubernetes' Python client leaves its sockets to the garbage collector.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LOG = logging.getLogger(__name__)
NAME = "refused-outage"
SECRET = "broker-v1"
DIRECTORY = "/srv/app"
PODS, WORKERS = 2, 4
AWAY_SECONDS = 60
WAIT_SECONDS = 300
HOLD = "/data/hold"


@dataclass
class Consumer:
    """One that KEDA scales, its broker, and who sends to it."""

    cluster: Cluster
    api: KubernetesApi
    images: dict[str, str]
    broker: Broker
    ledger: Ledger = field(default_factory=Ledger)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.brokers = f"{NAME}-broker"
        self.watch = Watch(self.cluster, NAME, "", "consumer", self.ledger, self._look)
        self.load = Load(
            self.cluster,
            self.brokers,
            "php bin/console app:send-events",
            lambda: self.ledger.begun,
            lambda: self.ledger.finished,
        )

    def _look(self, _pods: list[Manifest]) -> Seen:
        look = look_at_keda(self.cluster, NAME, "mail", time.time())
        if look is not None and not look.is_ready and look.ready not in self.errors:
            self.errors.append(look.ready)
        return Seen(None if look is None else look.replicas)

    def set_up(self) -> None:
        for namespace in (self.brokers, NAME):
            self.cluster.make_namespace(namespace)
        self.cluster.create(self._broker_that_can_be_away(), self.brokers)
        address = self.cluster.wait_until_ready(self.brokers, BROKER_POD, "image")["status"]["podIP"]
        variables = self.broker.environment(address, self.broker.port)
        listed = [{"name": name, "value": value} for name, value in variables.items()]
        self.cluster.create(sender_pod(self.images["githubevents"], listed, DIRECTORY), self.brokers)
        self.cluster.wait_until_ready(self.brokers, SENDER_POD, "image")
        self.cluster.execute(self.brokers, SENDER_POD, "php bin/console messenger:setup-transports", 90)
        values = {**variables, **self.broker.credentials}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": values}
        self.cluster.create(secret, NAME)
        for manifest in stack_manifests(self._stack(address)):
            self.api.apply(manifest, "tests", force=True)
        self.watch.start()
        self.load.start()

    def _broker_that_can_be_away(self) -> Manifest:
        """Its container stays while its server is held: whoever connects then is refused by a host that is there."""
        pod = broker_pod(self.broker, self.images["broker"])
        held = f"while :; do while [ -e {HOLD} ]; do sleep 0.2; done; ({self.broker.server}) & wait $!; done"
        (container,) = pod["spec"]["containers"]
        container["command"] = self.broker.command(held)
        return pod

    def _stack(self, address: str) -> StackSettings:
        consumer: dict[str, Any] = {
            "image": self.images["githubevents"],
            "worker": {
                "kind": "symfonyMessenger",
                "receivers": ["githubevents"],
                "processes": WORKERS,
                "workingDirectory": DIRECTORY,
            },
            "shutdown": {"longestMessage": "8s"},
            "transport": {**self.broker.transport, **self.broker.counted(address, QUEUE, SECRET)},
            "resources": {"cpu": {"request": "60m"}, "memory": {"request": "128Mi"}},
            "autoscaling": {"kind": "keda", "maxReplicas": PODS, "pollingInterval": "3s", "cooldown": "12s"},
            "environment": {"LEDGER_FILE": "php://stdout"},
            "secretEnvironment": {name: {"secret": SECRET, "key": name} for name in self.broker.variables},
        }
        if self.broker.name == "redis":
            consumer["transport"]["recover"] = True
        cluster = {"kind": "existing", "kubernetesVersion": "1.34", "keda": "existing"}
        namespace = {"name": NAME, "create": False}
        return StackSettings.model_validate(
            {"name": "outage", "cluster": cluster, "namespace": namespace, "consumers": {"mail": consumer}}
        )

    @contextmanager
    def without_broker(self) -> Iterator[None]:
        """Its server gone, its port closed."""
        end = self.broker.stop_signal.name.removeprefix("SIG")
        self.cluster.execute(self.brokers, BROKER_POD, f"touch {HOLD}; kill -s {end} -- -1")
        self.wait(lambda: not self._answers(), "the broker is away")
        yield
        self.cluster.execute(self.brokers, BROKER_POD, f"rm {HOLD}")

    def _answers(self) -> bool:
        try:
            self.cluster.execute(self.brokers, BROKER_POD, f"{self.broker.setup}{self.broker.answers}")
        except RuntimeError:
            return False
        return True

    def wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (self.watch.moments and done()):
            if self.load.failure is not None:
                raise self.load.failure
            assert time.monotonic() < deadline, f"not seen within {WAIT_SECONDS} s: {what}"
            time.sleep(0.5)

    @property
    def in_hand(self) -> int:
        return sum(one.ended_at is None for one in list(self.ledger.handlings))

    def take_away(self) -> None:
        self.load.stop()
        self.watch.stop()
        # In a namespace that ends already, KEDA takes its finalizer away after 83 s only (seen).
        self.api.request("DELETE", f"/apis/keda.sh/v1alpha1/namespaces/{NAME}/scaledobjects")
        for namespace in (NAME, self.brokers):
            self.cluster.remove_namespace(namespace)


@pytest.fixture
def begin(
    kubeconfig: Path, api: KubernetesApi, images: dict[str, str], keda: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Consumer]]:
    monkeypatch.setitem(os.environ, "KUBECONFIG", str(kubeconfig))
    begun: list[Consumer] = []

    def one(broker: str) -> Consumer:
        consumer = Consumer(Cluster(open_access(None, cluster_is_gke=False)), api, images, BROKERS[broker])
        begun.append(consumer)
        consumer.set_up()
        return consumer

    yield one
    while begun:
        begun.pop().take_away()
    gc.collect()


@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_that_refuses_connections_moves_no_pod_and_loses_no_message(
    broker: str, begin: Callable[[str], Consumer]
) -> None:
    consumer = begin(broker)
    watch, ledger, load = consumer.watch, consumer.ledger, consumer.load
    load.keep(Kind("busy", 3.0, 0.0, 4 * PODS * WORKERS, PODS * WORKERS))
    consumer.wait(lambda: watch.moments[-1].ready == PODS, "all pods are ready")
    consumer.wait(lambda: ledger.finished >= 3 * PODS * WORKERS, "messages are handled")
    load.rest()
    pods = {pod["metadata"]["uid"] for pod in watch.last_pods}
    with consumer.without_broker():
        in_hand, began, handled = consumer.in_hand, time.time(), ledger.finished
        time.sleep(AWAY_SECONDS)
    ended = time.time()
    during = [one for one in watch.moments if began <= one.at <= ended]
    assert {one.desired for one in during} == {PODS}, "KEDA moved the number of pods in an outage"
    assert {pod["metadata"]["uid"] for pod in watch.last_pods} == pods, "a pod was ended in an outage"
    consumer.wait(lambda: ledger.finished == len(load.sent), "every message is finished")
    consumer.wait(
        lambda: messages_held(consumer.cluster, consumer.brokers, consumer.broker) == 0, "the broker is empty"
    )
    count = ledger.count(load.sent)
    LOG.info("%s: %s; in hand then %d; away %.1f s; KEDA: %s", broker, count, in_hand, ended - began, consumer.errors)
    assert (count.lost, count.unknown) == (0, 0)
    # In hand, and so never acknowledged; each is begun again once.
    assert count.repeated <= PODS * WORKERS, count
    assert ledger.finished > handled
    consumer.wait(lambda: watch.moments[-1].desired == 0, "KEDA goes to zero again")
