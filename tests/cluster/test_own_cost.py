"""The token of a consumer's pod may write what that pod's deletion costs, and a real API server refuses the rest.

The role and the policy are those that `shutdown.idleFirst` renders. The probes use tokens as the kubelet asks for them:
bound to the pod; one is not, which is what somebody would have who took the service account alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.cluster.conftest import NamespaceFactory
from tests.kubernetes_api import ApiError, KubernetesApi, Manifest
from tests.manifests.kubernetes.examples import make_stack

from ebbtide.manifests.kubernetes import build_namespace, build_workload

pytestmark = pytest.mark.cluster

KEY = "controller.kubernetes.io/pod-deletion-cost"
NAMESPACE = "own-cost"
MERGE = "application/merge-patch+json"
# A policy was in force 1.0 s after its binding was made.
IN_FORCE_SECONDS = 180


class Cluster(NamedTuple):
    """A namespace with two pods of a consumer, and who asks."""

    admin: KubernetesApi
    bound: KubernetesApi
    unbound: KubernetesApi


def pod(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": "events"},
            "annotations": {"team": "mail"},
            "finalizers": ["example.org/kept"],
        },
        "spec": {
            "serviceAccountName": "events",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            # Nobody schedules it: what matters is what the API server lets through.
            "schedulerName": "nobody",
            "containers": [
                {
                    "name": "consumer",
                    "image": "registry.example/events:1",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def patch(
    api: KubernetesApi, body: Manifest, *, name: str = "own", subresource: str = "", dry_run: bool = False
) -> Manifest:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}{subresource}"
    return api.request("PATCH", path, {"dryRun": "All"} if dry_run else None, body, MERGE)


def cost(value: str | None) -> Manifest:
    return {"metadata": {"annotations": {KEY: value}}}


@pytest.fixture
def cluster(api: KubernetesApi, kubeconfig: Path, tmp_path: Path, namespaces: NamespaceFactory) -> Any:
    stack = make_stack({"shutdown": {"idleFirst": {"apiServer": "10.0.0.2/32"}}}, namespace=NAMESPACE)
    namespaces(build_namespace(stack).namespace)
    objects = build_workload(stack, stack.consumers["events"])
    for manifest in (objects.service_account, *objects.own_cost, pod("own"), pod("other")):
        api.apply(manifest, "tests", force=True)
    uid = (api.get(pod("own")) or {})["metadata"]["uid"]
    bound = ask_token(api, {"kind": "Pod", "apiVersion": "v1", "name": "own", "uid": uid})
    users = (as_user(kubeconfig, tmp_path / name, token) for name, token in (("a", bound), ("b", ask_token(api, None))))
    made = Cluster(api, *users)
    until_in_force(made)
    yield made
    for name in ("own", "other"):
        patch(api, {"metadata": {"finalizers": None}}, name=name)
    for manifest in objects.own_cost:
        api.delete(manifest)


def ask_token(api: KubernetesApi, bound_to: Manifest | None) -> str:
    spec: Manifest = {"expirationSeconds": 600, "audiences": []}
    if bound_to is not None:
        spec["boundObjectRef"] = bound_to
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/events/token"
    token: str = api.request("POST", path, None, body)["status"]["token"]
    return token


def as_user(kubeconfig: Path, copy: Path, token: str) -> KubernetesApi:
    config = yaml.safe_load(kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    copy.write_text(yaml.safe_dump(config))
    return KubernetesApi(copy)


def until_in_force(cluster: Cluster) -> None:
    deadline = time.monotonic() + IN_FORCE_SECONDS
    while "deletion cost" not in (said := refusal(lambda: patch(cluster.bound, cost("0"), name="other", dry_run=True))):
        assert time.monotonic() < deadline, f"the policy is not in force, and the answer is: {said or 'yes'}"
        time.sleep(0.2)


def refusal(attempt: Callable[[], Any]) -> str:
    """What the API server says against it; empty for a yes."""
    try:
        attempt()
    except ApiError as error:
        return str(error)
    return ""


# What a pod may do.
ALLOWED: list[tuple[str, Manifest]] = [
    ("its cost", cost("100")),
    ("its cost again", cost("-5")),
    ("its cost taken back", cost(None)),
]
POLICY = "ValidatingAdmissionPolicy"
# What it may not, and who says so.
REFUSED: list[tuple[str, str, Callable[[Cluster], Any]]] = [
    ("another pod's cost", POLICY, lambda c: patch(c.bound, cost("5"), name="other")),
    ("a token of no pod", POLICY, lambda c: patch(c.unbound, cost("5"))),
    ("another annotation", POLICY, lambda c: patch(c.bound, {"metadata": {"annotations": {"x": "y"}}})),
    ("an annotation changed", POLICY, lambda c: patch(c.bound, {"metadata": {"annotations": {"team": "y"}}})),
    ("an annotation removed", POLICY, lambda c: patch(c.bound, {"metadata": {"annotations": {"team": None}}})),
    ("a label", POLICY, lambda c: patch(c.bound, {"metadata": {"labels": {"app": "web"}}})),
    ("a finalizer", POLICY, lambda c: patch(c.bound, {"metadata": {"finalizers": None}})),
    (
        "an owner",
        POLICY,
        lambda c: patch(
            c.bound,
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}]}},
        ),
    ),
    (
        "an image",
        POLICY,
        lambda c: patch(
            c.bound,
            {"spec": {"containers": [{**pod("own")["spec"]["containers"][0], "image": "registry.example/other:1"}]}},
        ),
    ),
    (
        "the cost and a label",
        POLICY,
        lambda c: patch(c.bound, {"metadata": {"annotations": {KEY: "1"}, "labels": {"a": "b"}}}),
    ),
    ("a cost that is no number", "32bit integer", lambda c: patch(c.bound, cost("abc"))),
    ("its status", "forbidden", lambda c: patch(c.bound, {"status": {"phase": "Failed"}}, subresource="/status")),
    (
        "a debug container",
        "forbidden",
        lambda c: patch(c.bound, {"spec": {"ephemeralContainers": []}}, subresource="/ephemeralcontainers"),
    ),
    ("to read itself", "forbidden", lambda c: c.bound.get(pod("own"))),
    ("to delete itself", "forbidden", lambda c: c.bound.delete(pod("own"))),
    ("to read secrets", "forbidden", lambda c: c.bound.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets")),
]


def test_a_pod_may_say_what_its_own_deletion_costs_and_nothing_else(cluster: Cluster) -> None:
    for what, body in ALLOWED:
        patch(cluster.bound, body)
        live = cluster.admin.get(pod("own"))
        assert live is not None
        assert live["metadata"]["annotations"].get(KEY) == body["metadata"]["annotations"][KEY], what
    for what, by, attempt in REFUSED:
        said = refusal(lambda attempt=attempt: attempt(cluster))  # type: ignore[misc]
        assert by in said, f"{what}: {said or 'is allowed'}"
    for name in ("own", "other"):
        live = cluster.admin.get(pod(name))
        assert live is not None
        wanted = pod(name)
        assert live["metadata"]["labels"] == wanted["metadata"]["labels"]
        assert live["metadata"]["annotations"] == wanted["metadata"]["annotations"]
        assert live["metadata"]["finalizers"] == wanted["metadata"]["finalizers"]
        assert live["spec"]["containers"][0]["image"] == wanted["spec"]["containers"][0]["image"]
