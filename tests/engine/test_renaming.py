"""A change of names in the program is no change in the cluster, if it says what things were called."""

from __future__ import annotations

import pytest
from tests.engine.conftest import ProjectFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.test_lifecycle import DEPLOYMENT

pytestmark = pytest.mark.engine

OBJECT = "infra/ebbtide/manifests/kubernetes_resource.py"
NAME = 'name=f"{component.name}-{of_kind if name == physical else name}",'
NEW_NAME = 'name=f"{component.name}-{of_kind if name == physical else name}-v2",'
ALIAS = 'aliases=(f"{component.name}-{of_kind if name == physical else name}",),'


def _uid(control_plane: ControlPlane) -> str:
    live = control_plane.api.get(DEPLOYMENT)
    assert live is not None
    uid: str = live["metadata"]["uid"]
    return uid


def test_a_rename_with_an_alias_replaces_nothing(project: ProjectFactory, control_plane: ControlPlane) -> None:
    renamed = project("local")
    renamed.up()
    before, pods = _uid(control_plane), control_plane.pod_names("consumers")
    renamed.replace_in(OBJECT, NAME, f"{NEW_NAME}\n        {ALIAS}")
    renamed.replace_in(OBJECT, '::{name}-namespace"', '::{name}-namespace-v2"')
    up = renamed.up()
    assert set(up.summary) == {"same"}, "a rename in the program deletes running consumers"
    assert _uid(control_plane) == before
    assert control_plane.pod_names("consumers") == pods
    assert "githubevents-deployment-v2" in renamed.resources()


def test_without_the_alias_the_preview_shows_the_deletions(project: ProjectFactory) -> None:
    """The counterpart: what the alias prevents is real, and is announced."""
    renamed = project("local")
    renamed.up()
    renamed.replace_in(OBJECT, NAME, NEW_NAME)
    renamed.replace_in(OBJECT, '::{name}-namespace"', '::{name}-namespace-v2"')
    planned = renamed.preview().operations
    assert planned["githubevents-deployment"] == "delete"
    assert planned["githubevents-deployment-v2"] == "create"
