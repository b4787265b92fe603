"""One life of every stack against a real API server: made, unchanged, changed, scaled from outside, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.conftest import EACH_STACK, ProjectFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.project import Run

pytestmark = pytest.mark.engine

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "githubevents"}}
DEPLOYMENT["metadata"]["namespace"] = "consumers"  # type: ignore[index]
HPA = {**DEPLOYMENT, "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
SCALED_OBJECT = {**DEPLOYMENT, "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}
# What owns the number of pods in a stack: its logical name, the object, and the field with the maximum.
BY_HPA, BY_KEDA = (
    ("githubevents-hpa", HPA, "maxReplicas"),
    ("githubevents-scaled-object", SCALED_OBJECT, "maxReplicaCount"),
)
OWNERS = {"dev": BY_HPA, "local": BY_HPA, "production": BY_KEDA, "staging": BY_KEDA}
NEIGHBOUR = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "somebody-elses", "namespace": "consumers"}}
NEW_IMAGE = "registry.example/consumers/githubevents:2.0.0"
NEW_IMAGE_PATHS = {
    "spec.template.spec.containers[0].image",
    # This image has a tag, which is pulled each time; production's digest and the node's own image of local are not.
    "spec.template.spec.containers[0].imagePullPolicy",
}


@dataclass
class Life:
    """What each command of it did, and what was in the cluster afterwards."""

    owner: tuple[str, dict[str, Any], str]
    preview: Run
    up: Run
    second_up: Run
    new_image: Run
    new_image_live: dict[str, Any]
    new_bounds: Run
    new_bounds_live: dict[str, Any]
    after_scaling_preview: Run
    after_scaling_refresh: Run
    after_scaling_up: Run
    after_scaling_live: dict[str, Any]
    state: dict[str, Any]
    protected_destroy: Run
    destroy: Run
    left_over: object
    neighbour: object


@pytest.fixture(scope="module", params=EACH_STACK)
def life(
    request: pytest.FixtureRequest, module_projects: ProjectFactory, control_plane: ControlPlane
) -> Iterator[Life]:
    """Lived once per stack; the tests look at it."""
    project = module_projects(request.param)
    owner = OWNERS[request.param]
    lived: dict[str, Any] = {
        "owner": owner,
        "preview": project.preview(),
        "up": project.up(),
        "second_up": project.up(),
    }
    project.edit_consumer("image", value=NEW_IMAGE)
    lived |= {"new_image": project.up(), "new_image_live": control_plane.api.get(DEPLOYMENT)}
    project.edit_consumer("autoscaling", "maxReplicas", value=9)
    lived |= {"new_bounds": project.up(), "new_bounds_live": control_plane.api.get(owner[1])}
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 3)
    lived |= {"after_scaling_preview": project.preview("--refresh"), "after_scaling_refresh": project.refresh()}
    project.edit_consumer("image", value=f"{NEW_IMAGE}-1")
    lived |= {"after_scaling_up": project.up(), "after_scaling_live": control_plane.api.get(DEPLOYMENT)}
    lived["state"] = project.state()
    protected = request.param == "production"
    lived["protected_destroy"] = project.destroy(check=False) if protected else None
    if protected:
        project.edit("ebbtide:protect", value=False)
        project.up()
    control_plane.api.apply(NEIGHBOUR, "somebody else")
    lived["destroy"] = project.destroy()
    lived["left_over"] = control_plane.api.get(DEPLOYMENT) or project.resources()
    lived["neighbour"] = control_plane.api.get(NEIGHBOUR)
    yield Life(**lived)
    control_plane.remove_namespace("consumers")


def test_up_makes_what_the_preview_said(life: Life) -> None:
    assert life.up.summary == life.preview.summary
    assert life.up.operations.keys() == life.preview.operations.keys()
    assert set(life.up.operations.values()) == {"create"}


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert not life.second_up.operations, "every deployment restarts or reshapes something that nobody changed"
    assert set(life.second_up.summary) == {"same"}


def test_a_new_image_updates_the_deployment_and_nothing_else(life: Life) -> None:
    assert life.new_image.operations == {"githubevents-deployment": "update"}
    assert set(life.new_image.changed_paths["githubevents-deployment"]) <= NEW_IMAGE_PATHS
    assert life.new_image_live["spec"]["template"]["spec"]["containers"][0]["image"] == NEW_IMAGE


def test_an_edit_of_the_bounds_touches_the_autoscaler_and_nothing_else(life: Life) -> None:
    name, _, maximum = life.owner
    assert life.new_bounds.operations == {name: "update"}, "consumers are restarted to change a bound"
    assert life.new_bounds.changed_paths == {name: [f"spec.{maximum}"]}
    assert life.new_bounds_live["spec"][maximum] == 9


def test_after_the_autoscaler_has_scaled_nothing_differs_and_an_update_keeps_its_replicas(life: Life) -> None:
    assert not life.after_scaling_preview.operations, "the preview announces to undo what the autoscaler did"
    assert not life.after_scaling_refresh.changed_paths
    assert life.after_scaling_up.operations == {"githubevents-deployment": "update"}
    assert life.after_scaling_live["spec"]["replicas"] == 3, "a release drains pods that the autoscaler had started"


def test_production_refuses_to_be_destroyed_while_it_is_protected(life: Life) -> None:
    if life.protected_destroy is None:
        protected = [resource for resource in life.state["deployment"]["resources"] if resource.get("protect")]
        assert not protected, "a stack that is not protected cannot be destroyed"
    else:
        assert life.protected_destroy.status != 0
        assert any("protect" in message for message in life.protected_destroy.errors)


def test_destroy_leaves_nothing_of_ours_and_everything_of_others(life: Life) -> None:
    assert set(life.destroy.summary) == {"delete"}
    assert not life.left_over
    assert life.neighbour, "the namespace went, and what somebody else had put there with it"
