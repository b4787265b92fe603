"""The Automation API runs the project, and the same program inline: how other programs deploy a stack."""

from __future__ import annotations

from pathlib import Path

import pytest
from installation import install, plugin_directory
from kubernetes_plugin import kubernetes_plugin
from problem import Problem
from pulumi import automation
from tests.engine.conftest import ProjectFactory

from ebbtide.program import run

pytestmark = pytest.mark.engine


@pytest.fixture
def on_path(installation: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The Automation API looks for the CLI on this process's own PATH."""
    monkeypatch.setenv("PATH", installation["PATH"])


@pytest.mark.usefixtures("on_path")
def test_the_automation_api_deploys_the_project_as_the_cli_does(project: ProjectFactory) -> None:
    deployed = project("local")
    environment = {key: deployed.environment[key] for key in _OURS}
    options = automation.LocalWorkspaceOptions(env_vars=environment)
    stack = automation.select_stack("local", work_dir=str(deployed.directory), opts=options)
    up = stack.up(suppress_progress=True)
    assert up.summary.resource_changes == {"create": 13}
    assert stack.preview().change_summary == {automation.OpType.SAME: 13}
    assert not deployed.up().operations, "the CLI finds changes in what the Automation API has made"
    stack.destroy()


@pytest.mark.usefixtures("on_path")
def test_an_inline_program_makes_the_same_resources(project: ProjectFactory) -> None:
    deployed = project("local")
    environment = {key: deployed.environment[key] for key in _OURS}
    options = automation.LocalWorkspaceOptions(work_dir=str(deployed.directory), env_vars=environment)
    stack = automation.create_or_select_stack(
        "local", project_name="ebbtide", program=lambda: run(deployed.directory), opts=options
    )
    previewed = stack.preview()
    assert previewed.change_summary == {automation.OpType.CREATE: 13}


_OURS = ("PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "KUBECONFIG")


def test_a_plugin_that_is_installed_is_used_and_none_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "user"
    monkeypatch.setenv("PULUMI_HOME", str(home))
    theirs = home / "plugins" / plugin_directory("kubernetes") / "pulumi-resource-kubernetes"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("#!/bin/sh\n# Pulumi's own\n")
    installed = install(tmp_path / "installation")
    used = Path(installed["PULUMI_HOME"]) / theirs.relative_to(home)
    assert used.read_text() == theirs.read_text()


def test_a_plugin_that_cannot_be_built_is_said_and_leaves_nothing_that_looks_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(Problem, match=r"(?s)Kubernetes plugin could not be built:\n.*GOPROXY=off"):
        kubernetes_plugin()
    assert not [path for path in (tmp_path / "cache" / "ebbtide").iterdir() if path.is_dir()]
