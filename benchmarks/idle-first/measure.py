"""Which pods a scale-down by half takes, with and without `shutdown.idleFirst`: 20 pods of 4 workers.

    PYTHONPATH=infra:consumer:. .venv/bin/python benchmarks/idle-first/measure.py KUBECONFIG [ROUNDS]

Real: the API server and the ReplicaSet controller, and the image's own rule for what a pod costs. Stand-ins: nobody
runs the pods (this marks them ready); which workers are busy, and for how long still, is drawn: each with the same
chance, messages of up to 200 s. The costs are as fresh as they can be; a real pod's are up to 20 s old.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from ebbtide_supervisor.idle_first import DELETION_COST, deletion_cost
from tests.kubernetes_api import KubernetesApi

PODS, WORKERS, LONGEST_SECONDS = 20, 4, 200
NAMESPACE = "idle-first"
MERGE = "application/merge-patch+json"
LABELS = {"app": "events"}


def replica_set(replicas: int) -> dict[str, Any]:
    container = {"name": "consumer", "image": "registry.example/events:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "events", "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS, "finalizers": ["example.org/kept"]},
                "spec": {"containers": [container], "schedulerName": "nobody", "terminationGracePeriodSeconds": 0},
            },
        },
    }


def pods(api: KubernetesApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    return found


def patch(api: KubernetesApi, name: str, body: dict[str, Any], subresource: str = "") -> None:
    api.request("PATCH", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}{subresource}", None, body, MERGE)


def until(api: KubernetesApi, number: int, *, leaving: bool) -> list[dict[str, Any]]:
    while len(found := [pod for pod in pods(api) if ("deletionTimestamp" in pod["metadata"]) == leaving]) != number:
        time.sleep(0.05)
    return found


def one_round(api: KubernetesApi, busy: float, *, idle_first: bool) -> tuple[int, float]:
    """Messages in flight on the pods that were taken, and until when the last of them is handled, in seconds."""
    api.apply(replica_set(PODS), "benchmark", force=True)
    left: dict[str, list[float]] = {}
    for pod in until(api, PODS, leaving=False):
        name = pod["metadata"]["name"]
        messages = [
            (random.uniform(0, LONGEST_SECONDS), random.random()) for _ in range(WORKERS) if random.random() < busy
        ]
        left[name] = [seconds * (1 - done) for seconds, done in messages]
        ages: list[float | None] = [seconds * done for seconds, done in messages]
        if idle_first:
            cost = deletion_cost(ages + [None] * (WORKERS - len(ages)), LONGEST_SECONDS)
            patch(api, name, {"metadata": {"annotations": {DELETION_COST: str(cost)}}})
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": pod["metadata"]["creationTimestamp"]}
        patch(api, name, {"status": {"phase": "Running", "conditions": [ready]}}, "/status")
    time.sleep(1)  # The controller decides on its cache.
    api.apply(replica_set(PODS // 2), "benchmark", force=True)
    taken = [left[pod["metadata"]["name"]] for pod in until(api, PODS // 2, leaving=True)]
    api.apply(replica_set(0), "benchmark", force=True)
    for pod in until(api, PODS, leaving=True):
        patch(api, pod["metadata"]["name"], {"metadata": {"finalizers": None}})
    while pods(api):
        time.sleep(0.05)
    return sum(map(len, taken)), max((seconds for one in taken for seconds in one), default=0.0)


def main(kubeconfig: str, rounds: str = "10") -> None:
    api = KubernetesApi(Path(kubeconfig))
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, "benchmark", force=True)
    for busy in (0.3, 0.5, 0.7):
        for idle_first in (False, True):
            random.seed(int(100 * busy))
            found = [one_round(api, busy, idle_first=idle_first) for _ in range(int(rounds))]
            messages, seconds = ([one[at] for one in found] for at in (0, 1))
            told = f"median {statistics.median(messages):g} ({min(messages)} to {max(messages)})"
            last = f"median {statistics.median(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f})"
            switch = "on " if idle_first else "off"
            print(f"{busy:.0%} busy, idleFirst {switch}: in flight on the pods taken {told}; the last after {last}")


if __name__ == "__main__":
    main(*sys.argv[1:])
