"""KEDA on the real node: what its webhook refuses, what only our own check finds, and moving to it and away again.

What it does with load, `test_rehearsal.py` shows.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.cluster.conftest import GONE_SECONDS, NamespaceFactory
from tests.cluster.shared_node import ROOT
from tests.kubernetes_api import POLL_SECONDS, ApiError, KubernetesApi, Manifest, wait_until_gone
from tests.manifests.kubernetes.examples import make_stack

from ebbtide.manifests.kubernetes import build_consumer

sys.path.append(str(ROOT / "tools" / "cluster"))

from images import PAUSE
from programs import KUBERNETES

pytestmark = pytest.mark.cluster

NAMESPACE = "keda-test"
REDIS = {"kind": "redis", "redeliverTimeout": "5m", "address": "192.0.2.1:6379", "stream": "events"}
KEDA = {"kind": "keda", "minReplicas": 0, "maxReplicas": 5}
REACH_SECONDS = 300
STAYS_SECONDS = 20
"""An HPA's sync and a poll of KEDA's, in which whoever wants another number would have said so."""


STREAM = {"address": "192.0.2.1:6379", "stream": "events", "streamLength": "3"}
WITH_A_NUMBER_THAT_IS_NONE = STREAM | {"streamLength": "many"}


@dataclass(frozen=True)
class Mistake:
    """Something wrong, as settings say it and as it would reach the cluster, and who finds it."""

    name: str
    scaling: dict[str, Any]
    spec: dict[str, Any]
    ours: str
    """Words of our own check."""
    webhook: str = ""
    """Words of KEDA's admission webhook; empty where it lets this through."""


MISTAKES = (
    Mistake(
        "a trigger that does not exist",
        {"triggers": [{"type": "nonsense", "metadata": {}}]},
        {"triggers": [{"type": "nonsense", "metadata": {}}]},
        "is no trigger of KEDA's (got 'nonsense')",
    ),
    Mistake(
        "a number that is none",
        {"triggers": [{"type": "redis-streams", "metadata": WITH_A_NUMBER_THAT_IS_NONE}]},
        {"triggers": [{"type": "redis-streams", "metadata": WITH_A_NUMBER_THAT_IS_NONE}]},
        "takes a whole number (got 'many')",
    ),
    Mistake(
        "no pod in an outage",
        {"fallback": {"replicas": 0}},
        {"fallback": {"failureThreshold": 3, "replicas": 0}},
        "fallback.replicas: is 0",
    ),
    Mistake(
        "two triggers of one name",
        {"triggers": [{"type": "redis-streams", "metadata": STREAM, "name": "a"}] * 2},
        {"triggers": [{"type": "redis-streams", "metadata": STREAM, "name": "a"}] * 2},
        "is that of two triggers (got 'a')",
        webhook="defined multiple times",
    ),
    Mistake(
        "nothing but CPU, down to zero",
        {"triggers": [{"type": "cpu", "metadata": {"value": "60"}, "metricType": "Utilization"}]},
        {"triggers": [{"type": "cpu", "metadata": {"value": "60"}, "metricType": "Utilization"}]},
        "there is no CPU or memory to measure",
        webhook="has only cpu/memory triggers",
    ),
)


def objects(scaling: dict[str, Any], namespace: str = NAMESPACE) -> list[Manifest]:
    """The consumer's objects, in a namespace of these tests; pods of nothing but a process that waits."""
    stack = make_stack({"transport": REDIS, "autoscaling": scaling, "shutdown": {"longestMessage": "20s"}})
    made = copy.deepcopy(list(build_consumer(stack, stack.consumers["events"])))
    for one in made:
        one["metadata"]["namespace"] = namespace
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            pod["containers"] = [{"name": "consumer", "image": PAUSE.reference, "imagePullPolicy": "IfNotPresent"}]
            pod["containers"][0]["resources"] = {"requests": {"cpu": "10m", "memory": "8Mi"}}
            pod["terminationGracePeriodSeconds"] = 0
    return made


def take_scaled_objects_away(api: KubernetesApi, namespace: str) -> None:
    """In a namespace that ends already, KEDA takes its finalizer away after 83 s only (seen)."""
    path = f"/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects"
    api.request("DELETE", path)
    deadline = time.monotonic() + GONE_SECONDS
    while api.request("GET", path)["items"]:
        assert time.monotonic() < deadline, "a ScaledObject of the tests stays behind"
        time.sleep(POLL_SECONDS)


@pytest.fixture
def namespace(keda: None, namespaces: NamespaceFactory, api: KubernetesApi) -> Iterator[str]:
    yield namespaces({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    take_scaled_objects_away(api, NAMESPACE)


@pytest.fixture(scope="module")
def asked_namespace(keda: None, api: KubernetesApi) -> Iterator[str]:
    """A namespace with all of the consumer but its ScaledObject, for every question to the webhook."""
    made: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "keda-webhook-test"}}
    for one in (made, *objects(KEDA, "keda-webhook-test")):
        if one["kind"] != "ScaledObject":
            api.apply(one, "tests", force=True)
    yield "keda-webhook-test"
    api.delete(made)
    assert wait_until_gone(api, made, time.monotonic() + GONE_SECONDS), "the namespace of the tests stays behind"


@pytest.fixture
def scaled(asked_namespace: str, api: KubernetesApi) -> Iterator[Manifest]:
    """The consumer's ScaledObject, which nobody has applied yet."""
    (made,) = (one for one in objects(KEDA, asked_namespace) if one["kind"] == "ScaledObject")
    # It refuses at once. KEDA lets go of an object when it has asked its brokers: over a minute of one that is silent.
    for trigger in made["spec"]["triggers"]:
        trigger["metadata"]["address"] = "127.0.0.1:1"
    yield made
    take_scaled_objects_away(api, asked_namespace)


def refusal(api: KubernetesApi, manifest: Manifest) -> str:
    """What the API server says to it; nothing where it takes it."""
    try:
        api.apply(manifest, "tests", force=True)
    except ApiError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_what_the_webhook_lets_through_our_own_check_finds(
    mistake: Mistake, scaled: Manifest, api: KubernetesApi
) -> None:
    scaled["spec"] |= mistake.spec
    scaled["spec"]["advanced"] = {}
    said = refusal(api, scaled)
    assert (mistake.webhook in said, bool(said)) == (True, bool(mistake.webhook)), said
    with pytest.raises(ValidationError) as caught:
        objects(KEDA | mistake.scaling)
    assert mistake.ours in str(caught.value), "nobody tells the user"


def test_a_second_owner_is_refused_by_the_webhook(scaled: Manifest, api: KubernetesApi) -> None:
    api.apply(scaled, "tests", force=True)
    second = copy.deepcopy(scaled)
    second["metadata"]["name"] = "second"
    assert "already managed by" in refusal(api, second)


class Kubectl:
    """kubectl, as somebody without Pulumi applies what `ebbtide render` prints."""

    def __init__(self, kubeconfig: Path) -> None:
        self._command = [str(KUBERNETES.directory() / "kubectl"), "--kubeconfig", str(kubeconfig), "-n", NAMESPACE]

    def __call__(self, *arguments: str, manifests: list[Manifest] | None = None) -> str:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}) if manifests else None
        done = subprocess.run([*self._command, *arguments], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Fleet:
    """The consumer's pods."""

    kubectl: Kubectl
    seen: list[set[str]] = field(default_factory=list)

    def staying(self) -> set[str]:
        pods = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return {one["metadata"]["uid"] for one in pods if "deletionTimestamp" not in one["metadata"]}

    def reach(self, number: int) -> set[str]:
        deadline = time.monotonic() + REACH_SECONDS
        while len(found := self.staying()) != number:
            assert time.monotonic() < deadline, f"{len(found)} pods instead of {number}"
            time.sleep(0.5)
        return found

    def stays(self, pods: set[str]) -> None:
        """Whether none goes, for as long as somebody might take one away."""
        deadline = time.monotonic() + STAYS_SECONDS
        while time.monotonic() < deadline:
            lost = pods - self.staying()
            assert not lost, f"{len(lost)} of {len(pods)} pods were ended by a move"
            time.sleep(0.5)


@pytest.fixture
def kubectl(kubeconfig: Path, namespace: str) -> Kubectl:
    return Kubectl(kubeconfig)


FIXED = {"kind": "fixed", "replicas": 3}
HPA = {"kind": "hpa", "minReplicas": 3, "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetAverageValue": "500m"}]}
# The broker cannot be reached: what stays, stays by what KEDA does then, and not because somebody asks for it.
AWAY = KEDA | {"pollingInterval": "5s", "cooldown": "10s"}
# KEDA makes an HPA, or takes one over, only once it has reached what it asks.
ALL_DAY = {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "3"}
THREE = KEDA | {"minReplicas": 1, "triggers": [{"type": "cron", "metadata": ALL_DAY}]}


def test_without_that_step_kubectl_ends_all_pods_but_one(kubectl: Kubectl) -> None:
    """The counterpart, and the reason for the step."""
    fleet = Fleet(kubectl)
    kubectl("apply", "-f", "-", manifests=objects(FIXED))
    fleet.reach(3)
    kubectl("apply", "-f", "-", manifests=objects(AWAY))
    fleet.reach(1)


def owners(kubectl: Kubectl) -> dict[str, str]:
    """Whose each HPA is."""
    hpas = json.loads(kubectl("get", "hpa", "-o", "json"))["items"]
    return {
        one["metadata"]["name"]: next((owner["kind"] for owner in one["metadata"].get("ownerReferences", ())), "")
        for one in hpas
    }


@pytest.mark.parametrize(
    "transfer",
    [
        pytest.param(True, id="taking its HPA over"),
        pytest.param(False, id="its HPA deleted first", marks=pytest.mark.long),
    ],
)
def test_hpa_to_keda_and_back_by_kubectl_ends_no_pod(kubectl: Kubectl, transfer: bool) -> None:
    fleet = Fleet(kubectl)
    kubectl("apply", "-f", "-", manifests=objects(HPA))
    pods = fleet.reach(3)
    moved = THREE | {"takesOver": "events"} if transfer else THREE
    if not transfer:
        kubectl("delete", "hpa", "events")
    kubectl("apply", "-f", "-", manifests=objects(moved))
    name = "events" if transfer else "keda-hpa-events"
    deadline = time.monotonic() + REACH_SECONDS
    while owners(kubectl) != {name: "ScaledObject"}:
        assert time.monotonic() < deadline, f"KEDA has not the HPA {name}: {owners(kubectl)}"
        time.sleep(0.5)
    fleet.stays(pods)
    assert owners(kubectl) == {name: "ScaledObject"}
    kubectl("delete", "scaledobject", "events")
    # Kubernetes deletes KEDA's HPA a moment later, whatever was applied to it meanwhile.
    kubectl("wait", "--for=delete", "hpa", name, f"--timeout={REACH_SECONDS}s")
    kubectl("apply", "-f", "-", manifests=objects(HPA))
    fleet.stays(pods)
