"""`pulumi preview`, as somebody has it who has just cloned the project."""

from __future__ import annotations

import json

import pytest
from tests.engine.conftest import EACH_STACK, STACKS, ProjectFactory
from tests.engine.project import ROOT

pytestmark = pytest.mark.engine


def test_these_are_all_the_committed_stacks() -> None:
    """A stack that is added must run through this tier as well."""
    committed = sorted(path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml"))
    assert committed == list(STACKS), "a committed stack that no engine test previews and deploys"


@pytest.mark.parametrize("stack", EACH_STACK)
def test_the_cli_previews_a_new_stack_without_a_cluster_or_a_login(offline_project: ProjectFactory, stack: str) -> None:
    preview = offline_project(stack).preview()
    assert set(preview.operations.values()) == {"create"}, "a new stack consists of creations only"
    assert all(message.startswith("cluster: needs a kubeconfig") for message in preview.warnings), (
        "whoever runs the first preview reads a warning that is not about the stack"
    )
    assert len(preview.warnings) == (1 if stack == "local" else 0), "only an existing cluster can be asked, and was not"
    assert "githubevents-deployment" in preview.operations
    assert "Traceback" not in preview.output


@pytest.mark.parametrize("stack", EACH_STACK)
def test_preview_json_holds_every_resource_once_and_nothing_but_json(
    offline_project: ProjectFactory, stack: str
) -> None:
    project = offline_project(stack)
    run = project.run("preview", "--json", "--stack", stack, check=True)
    plan = json.loads(run.output)
    urns = [step["urn"] for step in plan["steps"]]
    assert len(urns) == len(set(urns))
    assert plan["changeSummary"] == {"create": len(urns)}
    assert {"[secret]"} >= {
        step["newState"]["inputs"]["kubeconfig"]
        for step in plan["steps"]
        if step["newState"]["type"] == "pulumi:providers:kubernetes" and "kubeconfig" in step["newState"]["inputs"]
    }, "a kubeconfig is printed for everybody who can read the pull request"


def test_a_preview_leaves_the_project_as_it_was(offline_project: ProjectFactory) -> None:
    project = offline_project("local")
    files = {path: path.read_bytes() for path in project.directory.rglob("*") if path.is_file() and _is_source(path)}
    project.preview()
    changed = [path for path, content in files.items() if path.read_bytes() != content]
    assert not changed, "a preview is read-only; whoever runs it would commit its leavings"


def _is_source(path: object) -> bool:
    return str(path).endswith((".yaml", ".py"))
