"""`ebbtide rehearse` against a real API server that it cannot use: one line, exit status 1, nothing made."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import yaml
from tests.engine.control_plane import ControlPlane
from tests.rehearsal.test_command import rehearse, with_pulumi

from ebbtide.rehearsal import access

pytestmark = pytest.mark.engine


def refused(control_plane: ControlPlane, tmp_path: Path, token: str | None = None) -> str:
    """The one line of a rehearsal, with the control plane's own user or with a token of another one."""
    document = yaml.safe_load(control_plane.kubeconfig_text)
    if token is not None:
        document["users"] = [{"name": "tests", "user": {"token": token}}]
    before = namespaces(control_plane)
    # A control plane that is busy answers late, and is no cluster that cannot be reached.
    with mock.patch.object(access, "_ASK_SECONDS", 180):
        done = rehearse(tmp_path, "--context", "tests", config=yaml.safe_dump(document), path=with_pulumi(tmp_path))
    assert done.returncode == 1
    assert not done.stdout
    assert "nothing was made" in done.stderr
    assert namespaces(control_plane) == before, "something was made in a cluster that was refused"
    return done.stderr


def namespaces(control_plane: ControlPlane) -> set[str]:
    return {one["metadata"]["name"] for one in control_plane.api.request("GET", "/api/v1/namespaces")["items"]}


def test_an_api_server_without_metrics_is_refused_with_the_remedy(control_plane: ControlPlane, tmp_path: Path) -> None:
    line = refused(control_plane, tmp_path)
    assert "serves no metrics.k8s.io (404 Not Found)" in line
    assert "install metrics-server" in line


def test_somebody_who_may_not_create_namespaces_is_told_what_to_ask_for(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    account = "/api/v1/namespaces/default/serviceaccounts"
    control_plane.api.request("POST", account, body={"metadata": {"name": "reader"}})
    granted = control_plane.api.request("POST", f"{account}/reader/token", body={"spec": {}})
    line = refused(control_plane, tmp_path, granted["status"]["token"])
    control_plane.api.request("DELETE", f"{account}/reader")
    assert "permission: may not create namespaces, nor delete namespaces, nor list pods.metrics.k8s.io" in line


def test_a_token_that_is_not_known_is_a_login_to_repeat(control_plane: ControlPlane, tmp_path: Path) -> None:
    line = refused(control_plane, tmp_path, "expired")
    assert "tests does not let us in (the API server answers 401 Unauthorized)" in line
