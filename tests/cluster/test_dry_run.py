"""What settings lead to is what a real API server takes, field by field, and its restricted namespaces let in."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.cluster.conftest import ROOT, NamespaceFactory
from tests.kubernetes_api import ApiError, KubernetesApi, Manifest
from tests.kubernetes_schema import is_unpublished
from tests.strategies import valid_stacks

from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names
from ebbtide.settings.models.stack import StackSettings

pytestmark = pytest.mark.cluster

NODE_MINOR = 34
"""tools/kubernetes builds 1.34; a newer field is dropped there without a word, even by a strict dry run."""
NAMESPACE = "ebbtide-dry-run"


@pytest.mark.parametrize("name", stack_names(ROOT))
def test_every_object_of_a_committed_stack_is_accepted(
    name: str, api: KubernetesApi, namespaces: NamespaceFactory, keda: None
) -> None:
    _dry_run(api, namespaces, [load_stack(name, ROOT)])


def test_every_object_of_two_hundred_drawn_stacks_is_accepted(
    api: KubernetesApi, namespaces: NamespaceFactory, keda: None
) -> None:
    drawn: list[StackSettings] = []

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(valid_stacks(newest_minor=NODE_MINOR))
    def draw(stack: StackSettings) -> None:
        drawn.append(stack)

    draw()
    assert len(drawn) >= 200
    _dry_run(api, namespaces, drawn)


def test_the_dry_run_sees_a_field_that_does_not_exist_and_a_pod_that_is_not_restricted(
    api: KubernetesApi, namespaces: NamespaceFactory
) -> None:
    """The counterpart: this test's own instrument, held against manifests that are wrong."""
    objects = _moved(stack_manifests(load_stack("local", ROOT)))
    namespaces(objects[0])
    deployment = next(manifest for manifest in objects if manifest["kind"] == "Deployment")
    misspelt = copy.deepcopy(deployment)
    misspelt["spec"]["template"]["spec"]["terminationGracePeriod"] = 230
    assert "terminationGracePeriod" in str(_refusal(api, misspelt))
    pod = _pod_of(deployment)
    del pod["spec"]["serviceAccountName"]
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "restricted" in str(_refusal(api, pod))


def _dry_run(api: KubernetesApi, namespaces: NamespaceFactory, stacks: Iterable[StackSettings]) -> None:
    """Every object of every stack, and a pod of every Deployment, in one restricted namespace. KEDA's webhook has
    its say about each ScaledObject.

    The namespace is this test's and not the stack's: what is in a namespace can be asked about only once it exists.
    """
    refused: list[str] = []
    made = False
    for stack in stacks:
        # An API server that is not GKE's has no such kinds.
        objects = _moved(manifest for manifest in stack_manifests(stack) if not is_unpublished(manifest))
        if not made:
            namespaces(objects[0])
            made = True
        for manifest in objects:
            if manifest["kind"] == "ServiceAccount":
                # A pod is refused without it, so this one is made.
                api.apply(manifest, "tests", force=True)
            for asked in (manifest, _pod_of(manifest)) if manifest["kind"] == "Deployment" else (manifest,):
                refusal = _refusal(api, asked)
                if refusal:
                    refused.append(f"{asked['kind']} of stack {stack.name}: {refusal}")
    assert made
    assert not refused, f"{len(refused)} objects that validated settings lead to would not deploy:\n" + "\n".join(
        refused[:10]
    )


def _refusal(api: KubernetesApi, manifest: Manifest) -> ApiError | None:
    try:
        api.apply(manifest, "tests", force=True, dry_run=True)
    except ApiError as error:
        return error
    return None


def _moved(objects: Iterable[Manifest]) -> list[Manifest]:
    """The objects in the namespace of these tests; the Namespace itself comes first."""
    moved = copy.deepcopy(list(objects))
    for manifest in moved:
        where = "name" if manifest["kind"] == "Namespace" else "namespace"
        manifest["metadata"][where] = NAMESPACE
    return moved


def _pod_of(deployment: Manifest) -> Manifest:
    """The pod that a Deployment makes: a Deployment is accepted whatever the namespace lets in, its pods are not."""
    template = copy.deepcopy(deployment["spec"]["template"])
    template["metadata"] |= {"name": "asked", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", **template}
