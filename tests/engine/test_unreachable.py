"""A cluster that is away is reported, and nothing about it is saved.

Pulumi's own provider does neither (its preview and up succeed without a word), so the program asks before it
registers anything; these tests are about the program and hold with either provider.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import yaml
from tests.engine.conftest import ProjectFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.project import Project
from tests.engine.test_lifecycle import NEW_IMAGE

pytestmark = pytest.mark.engine


@pytest.fixture
def closed_port() -> str:
    """An address where nobody listens, for as long as the test holds it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def two_contexts(control_plane: ControlPlane, closed_port: str, tmp_path: Path) -> Path:
    """The control plane's kubeconfig with a second context, `away`, that leads nowhere."""
    document = yaml.safe_load(control_plane.kubeconfig_text)
    document["clusters"].append({"name": "away", "cluster": {"server": f"https://{closed_port}"}})
    document["contexts"].append({"name": "away", "context": {"cluster": "away", "user": "tests"}})
    file = tmp_path / "two-contexts"
    file.write_text(yaml.safe_dump(document))
    return file


def _context(project: Project, name: str | None) -> None:
    cluster = {"kind": "existing", "kubernetesVersion": "1.34"}
    project.edit("ebbtide:cluster", value={**cluster, "context": name} if name else cluster)


def test_an_unreachable_cluster_is_one_diagnostic_and_leaves_the_state_as_it_was(
    project: ProjectFactory, two_contexts: Path, closed_port: str
) -> None:
    moved = project("local")
    moved.environment["KUBECONFIG"] = str(two_contexts)
    moved.up()
    before = moved.resources()
    _context(moved, "away")
    moved.edit_consumer("image", value=NEW_IMAGE)
    up = moved.up(check=False)
    assert up.status != 0, "the update reports success, and no consumer runs the new image"
    assert len(up.errors) == 1
    assert closed_port in up.errors[0]
    assert "KUBECONFIG" in up.errors[0], "the message says no way out"
    assert moved.resources() == before, "the connection that does not work is kept: the next destroy fails"
    _context(moved, None)
    assert moved.up().operations == {"githubevents-deployment": "update"}


def test_a_preview_without_the_cluster_says_what_it_has_not_seen(
    project: ProjectFactory, two_contexts: Path, closed_port: str
) -> None:
    moved = project("local")
    moved.environment["KUBECONFIG"] = str(two_contexts)
    _context(moved, "away")
    preview = moved.preview()
    about = [message for message in preview.warnings if closed_port in message]
    assert len(about) == 1
    assert "state of the last update" in about[0]


@pytest.mark.parametrize(
    ("kubeconfig", "context", "expected"),
    [
        ("missing", None, "there is none at"),
        ("two-contexts", "tset", "use one of: tests, away"),
    ],
)
def test_a_kubeconfig_that_does_not_help_is_named_before_anything_is_touched(
    project: ProjectFactory, two_contexts: Path, kubeconfig: str, context: str | None, expected: str
) -> None:
    wrong = project("local")
    wrong.environment["KUBECONFIG"] = str(two_contexts.with_name(kubeconfig))
    _context(wrong, context)
    up = wrong.up(check=False)
    assert up.status != 0
    assert len(up.errors) == 1
    assert expected in up.errors[0]
    assert not wrong.resources().keys() - {"ebbtide-local"}


def test_another_way_to_the_same_cluster_touches_no_object(project: ProjectFactory, two_contexts: Path) -> None:
    moved = project("local")
    moved.environment["KUBECONFIG"] = str(two_contexts)
    moved.up()
    _context(moved, "tests")
    assert moved.up().operations == {"cluster-kubernetes": "update"}


def test_another_cluster_is_announced_as_a_replacement_of_everything_in_it(project: ProjectFactory) -> None:
    moved = project("local")
    moved.up()
    moved.edit("ebbtide:cluster", "identifier", value="another")
    planned = moved.preview().summary
    assert planned["replace"] == 8, "the provider and the seven objects of the cluster"


def test_a_login_to_gke_that_fails_is_told_and_no_consumer_counts_as_updated(
    project: ProjectFactory, tmp_path: Path
) -> None:
    """The program cannot ask for a cluster of its own before the engine knows it; the provider speaks up instead."""
    deployed = project("dev")
    deployed.up()
    before = deployed.resources()["githubevents-deployment"]
    expired = tmp_path / "gke-gcloud-auth-plugin"
    expired.write_text("#!/bin/sh\necho 'Reauthentication required.' >&2\nexit 1\n")
    expired.chmod(0o755)
    path = deployed.environment["PATH"]
    deployed.environment["PATH"] = f"{tmp_path}{os.pathsep}{path}"
    deployed.edit_consumer("image", value=NEW_IMAGE)
    up = deployed.up(check=False)
    assert up.status != 0, "the update reports success, and no consumer runs the new image"
    assert "cluster is unreachable" in "\n".join(up.errors)
    assert "gke-gcloud-auth-plugin" in "\n".join(up.errors), "the message does not say which login has failed"
    assert deployed.resources()["githubevents-deployment"] == before
    deployed.environment["PATH"] = path
    assert deployed.up().operations == {"githubevents-deployment": "update"}
