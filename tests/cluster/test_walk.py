"""Moving in, walked: from the recipe's own files (examples/before) to a drained pod, by what MIGRATION.md says.

What it tells people to type is taken out of it and typed, each step with its time. Not as in the recipe: 6 workers
instead of 70, of this repository's example application, and manifests that a cluster of today takes. `docker` is a
script here that gives its words to buildah.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.broker import DIRECTORY, RABBITMQ, SENDS, dsn_at, rabbitmq
from tests.cluster.shared_node import ROOT
from tests.kubernetes_api import KubernetesApi, wait_until_gone

from ebbtide.rehearsal.broker import QUEUE
from ebbtide.rehearsal.cluster import Cluster
from ebbtide.rehearsal.ledger import Ledger
from ebbtide.rehearsal.load import Kind, Load
from ebbtide.rehearsal.watch import Seen, Watch

sys.path.append(str(ROOT / "tools" / "cluster"))

from images import APPLICATION, build_options, buildah_command
from programs import KUBERNETES

pytestmark = [pytest.mark.cluster, pytest.mark.long]

LOG = logging.getLogger(__name__)
BROKER_NAMESPACE, OLD, NEW = "walk-broker", "shop", "consumers"
OLD_LEDGER = "/tmp/ledger"
STEP_SECONDS = 300
MESSAGES = Kind("order", seconds=4.0, cpu_share=0.0, waiting=0, batch=120)
DOCKER = """\
#!/bin/sh -e
command=$1; shift
case $command in
build) exec {buildah} bud --quiet --isolation chroot --layers=false {options} "$@" ;;
image) exec {buildah} inspect "$2" ;;
save) exec {buildah} push --quiet "$3" "docker-archive:$2:$3" ;;
esac
"""
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop, labels: {app: orders}}
spec:
  replicas: 1
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec:
      terminationGracePeriodSeconds: 240
      containers:
        - name: orders
          image: IMAGE
          env:
            - {name: LEDGER_FILE, value: /tmp/ledger}
            - {name: MESSENGER_CONSUMER_NAME, value: old}
            - name: MESSENGER_TRANSPORT_DSN
              valueFrom: {secretKeyRef: {name: orders-broker, key: dsn}}
          lifecycle: {preStop: {exec: {command: [bash, /opt/orders/drain.sh]}}}
          resources: {requests: {cpu: 490m, memory: 512Mi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: orders, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: orders}
  minReplicas: 1
  maxReplicas: 2
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
"""


@dataclass
class Team:
    """Somebody with a repository, a shell, docker, kubectl and ebbtide. What each step takes is logged."""

    repository: Path
    environment: dict[str, str]
    began_at: float = field(default_factory=time.monotonic)

    @property
    def project(self) -> Path:
        return self.repository / "shop"

    def types(self, commands: str, *, within: str = "", called: str = "") -> str:
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", commands],
            cwd=self.repository / within,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        if called:
            LOG.info("%s: %.1f s", called, time.monotonic() - began)
        return done.stdout

    def waits(self, is_so: Callable[[], Any], called: str) -> None:
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < STEP_SECONDS, f"not within {STEP_SECONDS} s: {called}"
            time.sleep(0.5)
        LOG.info("%s: %.1f s", called, time.monotonic() - began)

    def told(self, step: int) -> list[str]:
        """The blocks of commands in a step of MIGRATION.md."""
        text = (self.project / "MIGRATION.md").read_text(encoding="utf-8")
        (section,) = re.findall(rf"^{step}\. (.*?)(?=^\d\. |^Going back)", text, re.MULTILINE | re.DOTALL)
        blocks = re.findall(r"(?:^ {7}.*\n)+", section, re.MULTILINE)
        return [re.sub(r"^ {7}", "", block, flags=re.MULTILINE) for block in blocks]


@dataclass
class Broker:
    """RabbitMQ in a pod, the application beside it that sends, and the ledger of what became of each message."""

    cluster: Cluster
    address: str
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        self.load = Load(self.cluster, BROKER_NAMESPACE, SENDS, lambda: 0, lambda: self.ledger.finished)

    @property
    def dsn(self) -> str:
        return dsn_at(self.address)


@pytest.fixture
def broker(kubeconfig: Path, images: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with rabbitmq(images, BROKER_NAMESPACE) as (cluster, address):
        yield Broker(cluster, address)


@pytest.fixture
def team(kubeconfig: Path, keda: None, api: KubernetesApi, tmp_path: Path) -> Iterator[Team]:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "kubectl").symlink_to(KUBERNETES.directory() / "kubectl")
    scripts = {
        "ebbtide": f'#!/bin/sh\nexec {sys.executable} -m ebbtide "$@"\n',
        "docker": DOCKER.format(buildah=" ".join(buildah_command()), options=" ".join(build_options())),
    }
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    repository = tmp_path / "repository"
    copy_recipe(repository)
    path = f"{programs}:{os.environ['PATH']}"
    found = Team(repository, {**os.environ, "PATH": path, "KUBECONFIG": str(kubeconfig)})
    yield found
    found.types(f"kubectl -n {NEW} delete scaledobject --all --ignore-not-found")
    for name in (NEW, OLD):
        found.types(f"kubectl delete namespace {name} --ignore-not-found --wait=false")
        found.types(f"kubectl -n {name} delete pods --all --force --ignore-not-found")
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        assert wait_until_gone(api, namespace, time.monotonic() + STEP_SECONDS)
    gc.collect()


def copy_recipe(repository: Path) -> None:
    """The recipe's files, for six workers of the example application."""
    shutil.copytree(ROOT / "examples" / "before", repository / "docker")
    for name in ("README.md", "orders.yaml"):
        (repository / "docker" / name).unlink()
    (repository / "k8s").mkdir()
    for name, old, new in (
        ("consume.sh", "messenger:consume orders", f"messenger:consume {QUEUE}"),
        ("supervisord.conf", "numprocs=70", "numprocs=6"),
        ("supervisord.conf", "/srv/shop", DIRECTORY),
        ("Dockerfile", "/srv/shop", DIRECTORY),
        ("Dockerfile", "registry.example:5000/shop/base:7", APPLICATION.reference),
    ):
        file = repository / "docker" / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"examples/before/{name} has changed"
        file.write_text(text.replace(old, new))


def load_image(team: Team, name: str) -> str:
    """What the image is called on the node."""
    script = ROOT / "scripts" / "cluster"
    return team.types(f"{script} load-image {name} 2>/dev/null").split()[-1]


def fill_in(file: Path, image: str, broker: Broker) -> None:
    """What MIGRATION.md names under "Not carried over"."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["config"]["ebbtide:cluster"] |= {"platform": "other", "keda": "existing"}
    orders = document["config"]["ebbtide:consumers"]["orders"]
    orders["environment"]["LEDGER_FILE"] = "php://stdout"
    ports = [RABBITMQ.port, RABBITMQ.asked_at]
    orders |= {
        "image": image,
        "shutdown": {"longestMessage": "10s"},
        "transport": {**RABBITMQ.transport, **RABBITMQ.counted(broker.address, QUEUE, "orders-broker")},
        "autoscaling": {"kind": "keda", "minReplicas": 1, "maxReplicas": 2},
        "resources": {"cpu": {"request": "60m"}, "memory": {"request": "128Mi"}},
        "network": {"egress": [{"cidr": f"{broker.address}/32", "ports": ports}]},
    }
    file.write_text(yaml.safe_dump(document, sort_keys=False))


# What follows a pod's log closes its socket when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_from_the_recipe_s_files_to_a_drained_pod_no_message_is_lost_or_handled_twice(
    team: Team, broker: Broker
) -> None:
    ledger, load = broker.ledger, broker.load
    run_the_old_one(team, broker)
    load.send(MESSAGES)
    team.waits(lambda: any(old_ledgers(team).values()), "the old workers handle messages")
    team.began_at = time.monotonic()

    doctor = team.types("ebbtide doctor k8s/ docker/ || [ $? -eq 1 ]", called="doctor")
    assert "lose messages" in doctor
    team.types("ebbtide init shop --from k8s/ docker/", called="init")
    (build,) = team.told(1)
    # The example application's container cannot be looked at without its DSN.
    build = build.replace("docker build", "docker build --build-arg MESSENGER_TRANSPORT_DSN=redis://build")
    team.types(build, within="shop", called="step 1, the image")
    new = load_image(team, "registry.example/consumers/orders:1")
    fill_in(team.project / "stacks" / "Pulumi.dev.yaml", new, broker)
    team.types("ebbtide check", within="shop", called="step 1, check")
    team.types("ebbtide explain --stack dev && ebbtide render --stack dev", within="shop", called="step 2")
    first, start, follow = team.told(3)
    given = {"dsn": broker.dsn, **RABBITMQ.credentials}
    literals = " ".join(f"--from-literal={key}='{value}'" for key, value in given.items())
    assert "--from-literal=dsn=..." in first
    team.types(first.replace("--from-literal=dsn=...", literals))
    watch = Watch(broker.cluster, NEW, "", "consumer", ledger, lambda _pods: Seen(None))
    watch.start()
    team.types(start, within="shop", called="step 3, applied")
    look = f"{follow.strip().removesuffix(' -f')} 2>/dev/null || true"
    team.waits(lambda: "workersReady" in team.types(look), "step 3, workersReady")
    (autoscaler,) = team.told(4)
    team.types(autoscaler, called="step 4")
    hold, ask, let_go = team.told(5)
    team.types(hold, called="step 5, held and asked")
    team.waits(lambda: set(team.types(ask).split()) == {"0"}, "step 5, no worker left")
    stamp = datetime.now(UTC).isoformat()
    for old_pod, lines in old_ledgers(team).items():
        for line in lines:
            ledger.read(old_pod, f"{stamp} {line}")
    team.types(let_go)
    load.send(MESSAGES)
    team.waits(lambda: ledger.begun > ledger.finished, "a message is in flight")
    pod = team.types(f"kubectl -n {NEW} get pods --field-selector=status.phase=Running -o name").split()[0]
    team.types(f"kubectl -n {NEW} delete {pod}", called="a pod, drained")
    LOG.info("from doctor to a drained pod: %.0f s", time.monotonic() - team.began_at)

    team.waits(lambda: not team.types(f"kubectl -n {OLD} get pods -o name").strip(), "the old pods are gone")
    team.waits(lambda: ledger.finished == len(load.sent), "every message is finished")
    (delete,) = team.told(6)
    team.types(delete, called="step 6")
    watch.stop()
    count = ledger.count(load.sent)
    LOG.info("%s", count)
    assert (count.once, count.repeated, count.lost, count.unknown) == (2 * MESSAGES.batch, 0, 0, 0)
    assert not team.types(f"kubectl -n {OLD} get deployment,hpa,pods -o name")


def run_the_old_one(team: Team, broker: Broker) -> None:
    """What the team has before it hears of ebbtide."""
    team.types("docker build -t registry.example/shop/orders:7 docker/")
    image = load_image(team, "registry.example/shop/orders:7")
    (team.repository / "k8s" / "orders.yaml").write_text(MANIFESTS.replace("IMAGE", image))
    team.types(f"kubectl create namespace {OLD}")
    team.types(f"kubectl -n {OLD} create secret generic orders-broker --from-literal=dsn='{broker.dsn}'")
    team.types("kubectl apply -f k8s/")
    team.types(f"kubectl -n {OLD} wait pods --selector app=orders --for=condition=Ready --timeout=120s")


def old_ledgers(team: Team) -> dict[str, list[str]]:
    """By pod: the old workers write into a file of theirs. supervisord passes nothing on while it is held."""
    pods = team.types(f"kubectl -n {OLD} get pods -l app=orders -o name").split()
    read = f"kubectl -n {OLD} exec {{}} -- cat {OLD_LEDGER} 2>/dev/null || true"
    return {pod: team.types(read.format(pod)).splitlines() for pod in pods}
