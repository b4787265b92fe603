"""One pod, never two: in an update, in an eviction, and after somebody deletes it."""

from __future__ import annotations

from typing import Any

from tests.settings.conftest import CONSUMER

from ebbtide.explain.envelope import build_envelope
from ebbtide.manifests.kubernetes.deployment import build_deployment
from ebbtide.preview.change import Operation, ResourceChange
from ebbtide.preview.fleet import drain_sentence, overlap_of
from ebbtide.settings.models.stack import StackSettings

WORKER = {"kind": "symfonyMessenger", "receivers": ["scheduler_packages"], "processes": 1}


def deployment(**changes: Any) -> tuple[dict[str, Any], StackSettings]:
    consumer = {**CONSUMER, "worker": WORKER, "autoscaling": {"kind": "singleton"}, **changes}
    stack = StackSettings.model_validate(
        {"name": "dev", "cluster": {"kind": "existing"}, "consumers": {"schedule": consumer}}
    )
    return build_deployment(stack, stack.consumers["schedule"]), stack


def test_an_update_starts_the_next_pod_when_the_last_one_is_gone():
    spec = deployment()[0]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_no_node_takes_it_while_another_of_its_kind_has_not_ended():
    """A ReplicaSet replaces a pod that is deleted or evicted at once, whatever the strategy."""
    spec = deployment()[0]["spec"]
    (term,) = spec["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/os", "a key that differs between nodes would let it start on another"
    assert term["labelSelector"] == spec["selector"], "it must be kept from its own kind, and from nobody else"


def test_others_may_overlap():
    spec = deployment(autoscaling={"kind": "fixed", "replicas": 1})[0]["spec"]
    assert "affinity" not in spec["template"]["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_its_peak_is_one_pod_and_a_review_says_that_nothing_consumes_meanwhile():
    before, stack = deployment()
    after, _ = deployment(environment={"RELEASE": "2"})
    consumer = stack.consumers["schedule"]
    assert [point.pods for point in build_envelope(consumer)] == [1, 1, 1]
    change = ResourceChange("kubernetes:apps/v1:Deployment", "schedule", Operation.UPDATE, before, after, ())
    overlap = overlap_of(change, consumer, None)
    assert (overlap.pods, overlap.broker_connections) == (1, 1)
    assert "nothing consumes meanwhile" in drain_sentence(change, overlap)
