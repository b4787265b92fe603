"""`ebbtide rehearse` on the real node, with KEDA: from no pod to the maximum and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.rehearsals import Start, finish, left_over, starting
from tests.kubernetes_api import KubernetesApi

pytestmark = pytest.mark.cluster

NAMESPACE = "keda-rehearsal-test"
BY_KEDA = (
    "--set=autoscaling={kind: keda, maxReplicas: 2, pollingInterval: 3s, cooldown: 12s, "
    "behavior: {scaleDown: {stabilizationWindow: 15s}}}"
)


@pytest.fixture
def start(keda: None, kubeconfig: Path, images: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    with starting(kubeconfig, images, NAMESPACE, tmp_path) as begin:
        yield begin


def rehearse_keda(start: Start, broker: str) -> dict[str, Any]:
    """From zero to the maximum and back, and a message that comes due while there is no pod."""
    options = ("--scenario", "short", "--broker", broker, "--format", "json", BY_KEDA)
    status, out, err = finish(start(*options))
    result: dict[str, Any] = json.loads(out or "{}")
    assert status == 0, err or result["problems"]
    assert result["lossless"], result["messages"]
    asked = [one["after"] for one in result["autoscaler"]["scalings"]]
    assert asked.count(0) >= 3, "there was no way down to zero after it was new, after the load, and after the delay"
    assert max(asked) == 2, "there was no way up"
    assert {"rolling update", "eviction"} <= {one["cause"] for one in result["drains"]}
    return result


def test_keda_takes_a_stack_from_zero_to_its_maximum_and_back_without_a_loss(start: Start, api: KubernetesApi):
    result = rehearse_keda(start, "redis")
    assert [one["what"] for one in result["autoscaler"]["backlog"]["wakes"]] == ["longest-busy", "delayed"]
    assert result["starts"], "nobody learns how long a pod needs that messages wait for"
    assert all(0 < one["containerSeconds"] < one["messageSeconds"] for one in result["starts"])
    assert left_over(api, NAMESPACE) == set()


@pytest.mark.long
def test_keda_does_so_on_the_other_brokers(start: Start):
    # One after the other, and not as cases: there is one node.
    for broker in ("rabbitmq", "postgresql"):
        rehearse_keda(start, broker)
