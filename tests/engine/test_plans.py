"""Plans as the CLI prints them, kept as examples for whatever reads plans: the examples are what it prints today."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.conftest import ProjectFactory
from tests.engine.project import Project
from tests.engine.test_lifecycle import NEW_IMAGE

pytestmark = pytest.mark.engine

PLANS = Path(__file__).parent / "plans"
STREAMING = "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"


def _new_image(project: Project) -> None:
    project.edit_consumer("image", value=NEW_IMAGE)


def _new_bounds_and_longer_messages(project: Project) -> None:
    project.edit_consumer("autoscaling", "maxReplicas", value=9)
    project.edit_consumer("shutdown", "longestMessage", value="40s")
    project.edit_consumer("environment", "APP_DEBUG", value="1")


def _another_namespace(project: Project) -> None:
    project.edit("ebbtide:namespace", value="others")


def _without_the_autoscaler(project: Project) -> None:
    project.edit_consumer("autoscaling", value={"kind": "fixed", "replicas": 2})


CHANGES: dict[str, Callable[[Project], None]] = {
    "local-new-image": _new_image,
    "local-settings": _new_bounds_and_longer_messages,
    "local-replace": _another_namespace,
    "local-fixed": _without_the_autoscaler,
    "local-nothing": lambda project: None,
}


@pytest.fixture(scope="module")
def deployed(module_projects: ProjectFactory, control_plane: Any) -> Any:
    """Stack `local`, as it is committed, in the cluster."""
    project = module_projects("local")
    project.up()
    yield project
    project.destroy()


@pytest.mark.parametrize("name", CHANGES)
def test_a_plan_of_a_change_is_as_recorded(deployed: Project, name: str, update_golden: bool) -> None:
    before = deployed.stack_file.read_text()
    CHANGES[name](deployed)
    try:
        _compare(name, deployed, update_golden=update_golden)
    finally:
        deployed.stack_file.write_text(before)


def test_a_plan_of_a_new_stack_is_as_recorded(offline_project: ProjectFactory, update_golden: bool) -> None:
    _compare("dev-create", offline_project("dev"), update_golden=update_golden)


def test_a_plan_with_a_changed_secret_shows_it_without_its_value(
    module_projects: ProjectFactory, update_golden: bool
) -> None:
    """The kubeconfig is a secret: that it changes is in the plan, what it says is not."""
    changed = module_projects("dev")
    # Beside the other stack of this module.
    changed.edit("ebbtide:namespace", value="secret-change")
    changed.up()
    file, was = "infra/ebbtide/manifests/provider.py", '"provideClusterInfo": True'
    changed.replace_in(file, was, was.replace("True", "False"))
    _compare("dev-secret", changed, update_golden=update_golden)
    assert "gke-gcloud-auth-plugin" not in (PLANS / "dev-secret.json").read_text()
    changed.destroy()


def test_a_plan_that_failed_is_as_recorded(offline_project: ProjectFactory, update_golden: bool) -> None:
    failing = offline_project("dev")
    failing.edit_consumer("shutdown", "longestMessage", value="20 parsecs")
    _compare("dev-failed", failing, update_golden=update_golden, check=False)


def test_the_streaming_form_is_as_recorded(deployed: Project, update_golden: bool) -> None:
    before = deployed.stack_file.read_text()
    _new_image(deployed)
    deployed.environment[STREAMING] = "true"
    try:
        text = deployed.run("preview", "--json", "--stack", "local", check=True).output
    finally:
        deployed.stack_file.write_text(before)
        del deployed.environment[STREAMING]
    file = PLANS / "local-new-image-streaming.jsonl"
    if update_golden:
        file.write_text(_anonymous(text))
    assert _events(text) == _events(file.read_text())


def _compare(name: str, project: Project, *, update_golden: bool, check: bool = True) -> None:
    run = project.run("preview", "--json", "--stack", project.stack, check=check)
    file = PLANS / f"{name}.json"
    if update_golden:
        PLANS.mkdir(exist_ok=True)
        file.write_text(_anonymous(run.output))
    recorded = json.loads(file.read_text())
    assert _shape(json.loads(run.output)) == _shape(recorded), (
        "readers of plans are tested on examples that the CLI no longer prints; refresh them with --update-golden"
    )


def _shape(plan: dict[str, Any]) -> dict[str, Any]:
    """What a reader relies on: members, operations, and where something differs; not the values, which may change."""
    return {
        "members": sorted(set(plan) - {"duration"}),
        "changes": plan.get("changeSummary"),
        "diagnostics": sorted(entry["severity"] for entry in plan.get("diagnostics") or []),
        "steps": sorted(
            (step["urn"], step["op"], sorted(step), sorted(step.get("detailedDiff") or {}))
            for step in plan.get("steps") or []
        ),
    }


def _events(text: str) -> tuple[str, Counter[str], str]:
    """The first event, how often each kind comes between, and the last: the engine registers resources side by side."""
    first, *between, last = [
        " ".join(sorted(set(json.loads(line)) - {"sequence", "timestamp"})) for line in text.splitlines()
    ]
    return first, Counter(between), last


def _anonymous(text: str) -> str:
    """Without what is of this run only: the directory of the copy, the port of the API server."""
    text = re.sub(r"/[^\"\s]*/(dev|local|production)/(infra|stacks)/", r"/project/\2/", text)
    text = re.sub(r"/[^\"\s]*/(site-packages|tools/pulumi|lib/python3\.\d+)/", r"/\1/", text)
    return re.sub(r"127\.0\.0\.1:\d+", "gke-ebbtide-dev-123456789012.europe-west1.gke.goog", text)
