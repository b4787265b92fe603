"""Scaling by KEDA under the engine: at zero pods, on the way to KEDA and away from it, and where there is no KEDA.

KEDA's kinds are real, KEDA does not run: what it would do to the number of pods, the tests do through the same
subresource. That it does so is shown by the cluster tier.
"""

from __future__ import annotations

import time

import pytest
import yaml
from tests.engine.charts import KINDS
from tests.engine.conftest import ProjectFactory
from tests.engine.control_plane import PATIENCE_SECONDS, ControlPlane
from tests.engine.project import Project
from tests.engine.test_lifecycle import DEPLOYMENT, HPA, SCALED_OBJECT
from tests.kubernetes_api import wait_until_gone

from ebbtide.preview.rules.keda import TRIGGER_AUTHENTICATION

pytestmark = pytest.mark.engine

FIXED = {"kind": "fixed", "replicas": 4}
BY_CPU = {"kind": "hpa", "maxReplicas": 6, "metrics": [{"kind": "cpu", "targetUtilization": 60}]}
BY_KEDA = {"kind": "keda", "minReplicas": 0, "maxReplicas": 6}
LOGIN = {**SCALED_OBJECT, "kind": TRIGGER_AUTHENTICATION}


@pytest.fixture
def kinds(control_plane: ControlPlane) -> None:
    """KEDA's kinds, as an installation of somebody else's has brought them."""
    for file in sorted(KINDS.glob("*.yaml")):
        definition = yaml.safe_load(file.read_text())
        metadata = definition["metadata"]
        # As a release that kept them leaves them behind, so that the next one takes them over.
        metadata["labels"] = {**metadata.get("labels", {}), "app.kubernetes.io/managed-by": "Helm"}
        metadata["annotations"] |= {
            "helm.sh/resource-policy": "keep",
            "meta.helm.sh/release-name": "keda",
            "meta.helm.sh/release-namespace": "keda",
        }
        control_plane.api.apply(definition, "somebody else", force=True)
    control_plane.until_served("keda.sh/v1alpha1", {"scaledobjects", "triggerauthentications"})


@pytest.fixture
def no_kinds(control_plane: ControlPlane) -> None:
    """A cluster in which nobody has installed KEDA."""
    for file in sorted(KINDS.glob("*.yaml")):
        definition = yaml.safe_load(file.read_text())
        control_plane.api.delete(definition)
        assert wait_until_gone(control_plane.api, definition, time.monotonic() + PATIENCE_SECONDS)
    # A moment after its definition a kind is still served.
    control_plane.until_served("keda.sh/v1alpha1", set())


def _scaled_by(project: Project, autoscaling: dict[str, object]) -> Project:
    project.edit_consumer("autoscaling", value=autoscaling)
    project.edit_consumer("transport", "address", value="redis.brokers:6379")
    project.edit("ebbtide:cluster", "keda", value="existing")
    return project


def test_where_there_is_no_keda_the_first_up_says_so_in_one_line_and_the_next_goes_on(
    project: ProjectFactory, no_kinds: None, request: pytest.FixtureRequest
) -> None:
    scaled = _scaled_by(project("local"), BY_KEDA)
    up = scaled.up(check=False)
    assert up.status != 0
    (said,) = [message for message in up.errors if "keda.sh" in message]
    assert "Verify that any required CRDs have been created: no matches for kind" in said
    assert len(said.splitlines()) == 1
    request.getfixturevalue("kinds")
    assert scaled.up().operations["githubevents-scaled-object"] == "create"


def test_what_keda_reads_is_made_and_a_second_up_changes_nothing(
    project: ProjectFactory, control_plane: ControlPlane, kinds: None
) -> None:
    scaled = _scaled_by(project("local"), BY_KEDA)
    made = scaled.up().operations
    assert made["githubevents-scaled-object"] == made["githubevents-trigger-authentication"] == "create"
    spec = control_plane.api.get(SCALED_OBJECT)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 6)
    assert [trigger["type"] for trigger in spec["triggers"]] == ["redis-streams", "redis"]
    secrets = control_plane.api.get(LOGIN)["spec"]["secretTargetRef"]
    assert secrets == [{"parameter": "password", "name": "githubevents-broker-v1", "key": "password"}]
    assert not scaled.up().operations


def test_an_update_at_zero_pods_waits_for_no_pod_and_wakes_none(
    project: ProjectFactory, control_plane: ControlPlane, kinds: None
) -> None:
    scaled = _scaled_by(project("local"), BY_KEDA)
    scaled.up()
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 0)
    scaled.edit_consumer("image", value="registry.example/consumers/githubevents:2.0.0")
    assert scaled.up().operations == {"githubevents-deployment": "update"}
    assert control_plane.replicas(DEPLOYMENT) == 0, "a release wakes pods that have nothing to do"
    assert not scaled.preview("--refresh").operations


@pytest.mark.parametrize("before", [FIXED, BY_CPU], ids=["a fixed number", "an HPA"])
def test_the_way_to_keda_keeps_the_number_of_pods(
    before: dict[str, object], project: ProjectFactory, control_plane: ControlPlane, kinds: None
) -> None:
    moved = _scaled_by(project("local"), before)
    moved.up()
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 4)
    _scaled_by(moved, {**BY_KEDA, "takesOver": "githubevents"} if before is BY_CPU else BY_KEDA)
    up = moved.up()
    assert up.operations["githubevents-scaled-object"] == "create"
    assert control_plane.replicas(DEPLOYMENT) == 4
    assert control_plane.api.get(HPA) is None, "the engine deletes the HPA, which KEDA makes again by its name"
    live = control_plane.api.get(SCALED_OBJECT)
    if before is BY_CPU:
        assert live["metadata"]["annotations"]["scaledobject.keda.sh/transfer-hpa-ownership"] == "true"
        assert live["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "githubevents"
    assert not moved.up().operations


def test_the_way_from_keda_to_a_fixed_number_goes_over_a_pause(
    project: ProjectFactory, control_plane: ControlPlane, kinds: None
) -> None:
    moved = _scaled_by(project("local"), BY_KEDA)
    moved.up()
    _scaled_by(moved, {**BY_KEDA, "pausedReplicas": 4})
    assert moved.up().operations == {"githubevents-scaled-object": "update"}
    annotations = control_plane.api.get(SCALED_OBJECT)["metadata"]["annotations"]
    assert annotations["autoscaling.keda.sh/paused-replicas"] == "4"
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 4)
    _scaled_by(moved, FIXED)
    assert moved.up().operations["githubevents-scaled-object"] == "delete"
    assert control_plane.replicas(DEPLOYMENT) == 4
    assert control_plane.api.get(SCALED_OBJECT) is None
    assert not moved.up().operations


def test_the_way_from_keda_to_an_hpa_keeps_the_number_of_pods(
    project: ProjectFactory, control_plane: ControlPlane, kinds: None
) -> None:
    moved = _scaled_by(project("local"), BY_KEDA)
    moved.up()
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 3)
    _scaled_by(moved, BY_CPU)
    assert moved.up().operations["githubevents-hpa"] == "create"
    assert control_plane.replicas(DEPLOYMENT) == 3
    assert control_plane.api.get(SCALED_OBJECT) is None, "two owners of one number"
