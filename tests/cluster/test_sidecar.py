"""Workers reach their broker through a sidecar of theirs until the last message is acknowledged, on a real kubelet."""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.broker import DIRECTORY, RABBITMQ, SENDS, dsn_at, rabbitmq
from tests.cluster.conftest import NamespaceFactory
from tests.kubernetes_api import KubernetesApi, Manifest

from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.rehearsal.broker import QUEUE
from ebbtide.rehearsal.cluster import Cluster
from ebbtide.rehearsal.ledger import Count, Ledger
from ebbtide.rehearsal.load import Kind, Load
from ebbtide.rehearsal.watch import Seen, Watch
from ebbtide.settings.models.stack import StackSettings

pytestmark = pytest.mark.cluster

BROKER_NAMESPACE, NAMESPACE = "sidecar-broker", "sidecar"
LOCAL_PORT = 5600
MESSAGES = Kind("order", seconds=4.0, cpu_share=0.0, waiting=0, batch=8)
STEP_SECONDS = 240
# Every connection of the workers goes through it, and is cut when it ends: at once, as soon as it is told to. Python as
# PID 1 would not hear SIGTERM without a handler.
PROXY = """\
import os, signal, socket, sys, threading

def pass_on(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    finally:
        other.close()

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listening = socket.create_server(("", int(sys.argv[1])))

def serve():
    while True:
        worker = listening.accept()[0]
        broker = socket.create_connection((sys.argv[2], int(sys.argv[3])))
        for ends in ((worker, broker), (broker, worker)):
            threading.Thread(target=pass_on, args=ends, daemon=True).start()

threading.Thread(target=serve, daemon=True).start()
signal.pause()
"""


@dataclass
class Broker:
    """RabbitMQ in a pod, and the application beside it that sends."""

    cluster: Cluster
    address: str


@pytest.fixture
def broker(kubeconfig: Path, images: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with rabbitmq(images, BROKER_NAMESPACE) as (cluster, address):
        yield Broker(cluster, address)


def consumer_with_a_proxy(image: str, broker: Broker) -> list[Manifest]:
    """What ebbtide renders for two workers whose broker is the sidecar's port on this very pod."""
    proxy = {
        "image": image,
        "command": ["python3", "-c", PROXY, str(LOCAL_PORT), broker.address, str(RABBITMQ.port)],
        "started": {"port": LOCAL_PORT},
    }
    consumer = {
        "image": image,
        "worker": {
            "kind": "symfonyMessenger",
            "receivers": [QUEUE],
            "processes": 2,
            "workingDirectory": DIRECTORY,
        },
        "shutdown": {"longestMessage": "10s"},
        "transport": RABBITMQ.transport,
        "autoscaling": {"kind": "fixed", "replicas": 1},
        "resources": {"cpu": {"request": "60m"}, "memory": {"request": "300Mi"}},
        "environment": {"APP_ENV": "prod", "LEDGER_FILE": "php://stdout"},
        "secretEnvironment": {"MESSENGER_TRANSPORT_DSN": {"secret": "broker", "key": "dsn"}},
        "network": {"egress": [{"cidr": f"{broker.address}/32", "ports": [RABBITMQ.port]}]},
        "pod": {"sidecars": {"proxy": proxy}},
    }
    stack = {
        "name": "local",
        "namespace": {"name": NAMESPACE, "create": False},
        "cluster": {"kind": "existing", "kubernetesVersion": "1.34"},
        "consumers": {"orders": consumer},
    }
    return stack_manifests(StackSettings.model_validate(stack))


def with_a_plain_container(manifests: list[Manifest]) -> list[Manifest]:
    """The same proxy as a second container, as pods had it before native sidecars."""
    changed = copy.deepcopy(manifests)
    pod = next(one for one in changed if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    (proxy,) = pod.pop("initContainers")
    del proxy["restartPolicy"]
    pod["containers"].append(proxy)
    return changed


@pytest.fixture
def drained(
    broker: Broker, api: KubernetesApi, images: dict[str, str], namespaces: NamespaceFactory
) -> Iterator[Callable[[Callable[[list[Manifest]], list[Manifest]]], Count]]:
    """Sends messages, deletes the pod that has some in flight, and counts what became of all."""
    watches: list[Watch] = []

    def drain(edit: Callable[[list[Manifest]], list[Manifest]]) -> Count:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespaces({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
        secret = {"metadata": {"name": "broker", "namespace": NAMESPACE}, "stringData": {}}
        secret["stringData"] = {"dsn": dsn_at("127.0.0.1", LOCAL_PORT)}
        api.apply({"apiVersion": "v1", "kind": "Secret", **secret}, "tests", force=True)
        ledger = Ledger()
        load = Load(broker.cluster, BROKER_NAMESPACE, SENDS, lambda: 0, lambda: ledger.finished)
        load.send(MESSAGES)
        watches.append(Watch(broker.cluster, NAMESPACE, "", "consumer", ledger, lambda _pods: Seen(None)))
        watches[-1].start()
        for manifest in edit(consumer_with_a_proxy(images["githubevents"], broker)):
            api.apply(manifest, "tests", force=True)
        wait(lambda: ledger.begun > ledger.finished, "a message is in flight")
        (pod,) = (one["metadata"]["name"] for one in broker.cluster.pods(NAMESPACE))
        broker.cluster.delete_pod(NAMESPACE, pod)
        wait(lambda: ledger.finished >= len(load.sent), "every message is finished")
        return ledger.count(load.sent)

    yield drain
    for watch in watches:
        watch.stop()
    gc.collect()


def wait(is_so: Callable[[], Any], called: str) -> None:
    deadline = time.monotonic() + STEP_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {STEP_SECONDS} s: {called}"
        time.sleep(0.5)


# What follows a pod's log closes its socket when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_message_is_handled_twice_whose_worker_reaches_its_broker_through_a_sidecar(drained) -> None:
    count = drained(lambda manifests: manifests)
    assert (count.once, count.repeated, count.lost, count.unknown) == (MESSAGES.batch, 0, 0, 0)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_behind_a_plain_container_what_is_in_flight_is_handled_twice(drained) -> None:
    """The counterpart: what this instrument shows where the kubelet ends both at once."""
    assert drained(with_a_plain_container).repeated > 0
