"""What goes wrong in a cluster: it is said, it ends in a stated time, and the next `up` takes it over."""

from __future__ import annotations

import time

import pytest
from tests.engine.conftest import ProjectFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.hollow_node import UNPULLABLE
from tests.engine.project import Project
from tests.engine.test_lifecycle import DEPLOYMENT, NEW_IMAGE

pytestmark = pytest.mark.engine

IMAGE_THAT_IS_NOT_THERE = f"registry.example/{UNPULLABLE}:1"
WORKLOAD = "infra/ebbtide/manifests/workload.py"


# Where only the failure matters. A good roll-out on a busy machine needs longer, and so does a pod's status.
SHORT_SECONDS = 5
LONG_ENOUGH_TO_SEE_THE_POD_SECONDS = 25
USUAL = ("NODE_START_SECONDS = 240", "one_batch = IMAGE_PULL_SECONDS + START_DEADLINE_SECONDS")


def _wait_only(project: Project, seconds: int = SHORT_SECONDS) -> None:
    """Shorten what a roll-out may take, so that a test need not wait for it."""
    for usual, short in zip(USUAL, _shortened(seconds), strict=True):
        project.replace_in(WORKLOAD, usual, short)


def _wait_as_usual(project: Project) -> None:
    """Take `_wait_only` back, for a roll-out that is to succeed."""
    for usual, short in zip(USUAL, _shortened(SHORT_SECONDS), strict=True):
        project.replace_in(WORKLOAD, short, usual)


def _shortened(seconds: int) -> tuple[str, str]:
    return "NODE_START_SECONDS = 2", f"one_batch = {seconds - 2}"


def test_an_image_that_cannot_be_pulled_fails_in_the_stated_time_and_is_named(project: ProjectFactory) -> None:
    failing = project("local")
    seconds = LONG_ENOUGH_TO_SEE_THE_POD_SECONDS
    _wait_only(failing, seconds)
    failing.edit_consumer("image", value=IMAGE_THAT_IS_NOT_THERE)
    started = time.monotonic()
    up = failing.up(check=False)
    assert up.status != 0
    assert time.monotonic() - started < seconds + 180, "the engine waits as long as its own default says"
    assert any(IMAGE_THAT_IS_NOT_THERE in message for message in up.errors), "nobody is told which image"
    timeouts = failing.resources()["githubevents-deployment"]["customTimeouts"]
    assert timeouts["create"] == seconds


def test_after_a_failed_first_up_a_corrected_one_takes_over_what_is_there(
    project: ProjectFactory, control_plane: ControlPlane
) -> None:
    failing = project("local")
    _wait_only(failing)
    failing.edit_consumer("image", value=IMAGE_THAT_IS_NOT_THERE)
    failing.up(check=False)
    _wait_as_usual(failing)
    made = control_plane.api.get(DEPLOYMENT)
    assert made is not None
    failing.edit_consumer("image", value=NEW_IMAGE)
    repaired = failing.up()
    live = control_plane.api.get(DEPLOYMENT)
    assert live is not None
    assert live["metadata"]["uid"] == made["metadata"]["uid"], "the Deployment was made a second time"
    assert repaired.operations.get("githubevents-hpa") == "create", "what came after the failure is missing"
    assert not failing.up().operations


def test_a_failed_update_keeps_the_old_pods_and_the_next_one_repairs_it(
    project: ProjectFactory, control_plane: ControlPlane
) -> None:
    failing = project("local")
    failing.up()
    before = control_plane.pod_names("consumers")
    _wait_only(failing)
    failing.edit_consumer("image", value=IMAGE_THAT_IS_NOT_THERE)
    assert failing.up(check=False).status != 0
    _wait_as_usual(failing)
    assert before <= control_plane.pod_names("consumers"), "a bad image took working consumers away"
    failing.edit_consumer("image", value=NEW_IMAGE)
    assert failing.up().operations == {"githubevents-deployment": "update"}
    assert not failing.up().operations


def test_an_object_that_the_api_server_refuses_is_named_in_one_diagnostic(project: ProjectFactory) -> None:
    """A wrong value. A misspelt field is no error here: Pulumi's provider has it dropped (FieldValidationWarn in its
    source); the strict dry run of tests/cluster is what finds those."""
    failing = project("local")
    failing.replace_in(
        "infra/ebbtide/manifests/kubernetes/deployment.py", '"minReadySeconds": ', '"minReadySeconds": -1 * '
    )
    up = failing.up(check=False)
    about = [message for message in up.errors if "minReadySeconds" in message]
    assert len(about) == 1
    assert "Traceback" not in up.output


def test_destroy_after_a_failed_up_leaves_nothing(project: ProjectFactory, control_plane: ControlPlane) -> None:
    failing = project("local")
    _wait_only(failing)
    failing.edit_consumer("image", value=IMAGE_THAT_IS_NOT_THERE)
    failing.up(check=False)
    failing.destroy()
    assert control_plane.api.get(DEPLOYMENT) is None
    assert not failing.resources()
