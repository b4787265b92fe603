"""What must not be readable in a state, in a plan, or on a terminal."""

from __future__ import annotations

import json

import pytest
from tests.engine.conftest import ProjectFactory
from tests.engine.control_plane import ControlPlane

pytestmark = pytest.mark.engine

# How the engine marks an encrypted value in a state.
ENCRYPTED = "1b47061264138c4ac30d75fd1eb44270"


def test_the_kubeconfig_lies_encrypted_in_the_state(project: ProjectFactory, control_plane: ControlPlane) -> None:
    deployed = project("dev")
    up = deployed.up()
    resources = deployed.resources()
    provider = resources["cluster-kubernetes"]
    stack = resources["ebbtide-dev"]
    for place in (provider["inputs"]["kubeconfig"], provider["outputs"]["kubeconfig"], stack["outputs"]["kubeconfig"]):
        assert ENCRYPTED in place.values(), "whoever can read the state can reach the cluster"
        assert "ciphertext" in place
    written = json.dumps(deployed.state()) + up.output
    assert "gke-gcloud-auth-plugin" not in written
    assert control_plane.address in json.dumps(resources["cluster-gke"]), "the search would find an address"


def test_outputs_that_hold_credentials_are_encrypted(project: ProjectFactory) -> None:
    deployed = project("dev")
    deployed.up()
    outputs = deployed.resources()["cluster-gke"]["outputs"]
    assert ENCRYPTED in outputs["masterAuth"].values(), "certificates of the cluster lie in the state as they are"


def test_the_stack_shows_a_secret_output_only_on_request(project: ProjectFactory) -> None:
    deployed = project("dev")
    deployed.up()
    shown = json.loads(deployed.run("stack", "output", "--json", check=True).output)
    asked = json.loads(deployed.run("stack", "output", "--json", "--show-secrets", check=True).output)
    assert shown["kubeconfig"] == "[secret]"
    assert "gke-gcloud-auth-plugin" in asked["kubeconfig"]
    assert shown["clusterName"] == asked["clusterName"] == "ebbtide-dev"
