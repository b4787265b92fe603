"""Who owns the number of replicas, and what happens to running pods when that changes."""

from __future__ import annotations

import pytest
from tests.engine.conftest import ProjectFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.project import Project
from tests.engine.test_lifecycle import DEPLOYMENT, HPA

pytestmark = pytest.mark.engine

FIXED = {"kind": "fixed", "replicas": 4}


def _fixed(project: Project) -> dict[str, object]:
    project.edit_consumer("autoscaling", value=FIXED)
    project.up()
    return FIXED


def _hpa(project: Project) -> None:
    project.edit_consumer("autoscaling", value={"kind": "hpa", "minReplicas": 1, "maxReplicas": 6})
    project.edit_consumer("autoscaling", "metrics", value=[{"kind": "cpu", "targetUtilization": 60}])


def test_going_from_a_fixed_number_to_an_hpa_drains_no_pod(
    project: ProjectFactory, control_plane: ControlPlane
) -> None:
    changed = project("local")
    _fixed(changed)
    pods = control_plane.pod_names("consumers")
    _hpa(changed)
    up = changed.up()
    assert up.operations.get("githubevents-hpa") == "create"
    assert control_plane.replicas(DEPLOYMENT) == 4, "the switch drains pods and the HPA starts them again"
    assert control_plane.pod_names("consumers") == pods


def test_after_the_switch_the_hpa_owns_the_number(project: ProjectFactory, control_plane: ControlPlane) -> None:
    changed = project("local")
    _fixed(changed)
    _hpa(changed)
    changed.up()
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 2)
    changed.edit_consumer("image", value="registry.example/consumers/githubevents:2.0.0")
    assert changed.up().operations == {"githubevents-deployment": "update"}
    assert control_plane.replicas(DEPLOYMENT) == 2, "a release undoes what the HPA did"


def test_going_from_an_hpa_to_a_fixed_number_takes_the_number_over(
    project: ProjectFactory, control_plane: ControlPlane
) -> None:
    changed = project("local")
    changed.up()
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 2)
    _fixed(changed)
    assert control_plane.replicas(DEPLOYMENT) == 4
    assert control_plane.api.get(HPA) is None, "an HPA that is left goes on scaling"
    assert not changed.up().operations


def test_a_fixed_number_that_somebody_scaled_by_hand_comes_back_with_the_next_update(
    project: ProjectFactory, control_plane: ControlPlane
) -> None:
    changed = project("local")
    _fixed(changed)
    control_plane.scale_as_the_hpa_does(DEPLOYMENT, 1)
    assert not changed.preview().operations, "drift is found by a refresh only"
    assert changed.preview("--refresh").operations == {"githubevents-deployment": "update"}
    changed.up("--refresh")
    assert control_plane.replicas(DEPLOYMENT) == 4
