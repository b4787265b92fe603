"""`ebbtide preview --engine pulumi`: the real preview, judged; and one line where there is none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.engine.conftest import ProjectFactory
from tests.engine.project import Project

pytestmark = pytest.mark.engine


def review(project: Project, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a user runs in the project."""
    command = [sys.executable, "-m", "ebbtide", "preview", "--stack", project.stack, "--engine", "pulumi", *options]
    return subprocess.run(
        command,
        cwd=project.directory,
        env={**project.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("stack", ["local", "production"])
def test_the_real_preview_of_a_new_stack_is_reviewed(offline_project: ProjectFactory, stack: str) -> None:
    project = offline_project(stack)
    done = review(project, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {change["operation"] for change in found["changes"]} == {"create"}
    assert "githubevents-deployment" in {change["name"] for change in found["changes"]}
    assert "Traceback" not in done.stderr


def test_a_stack_that_nobody_has_made_is_one_line(offline_project: ProjectFactory) -> None:
    project = offline_project("local")
    project.run("stack", "rm", "--yes", "--preserve-config", "local", check=True)
    done = review(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "the CLI gave no plan" in done.stderr
    assert "`pulumi stack init`" in done.stderr


def test_without_a_cli_the_line_says_so(offline_project: ProjectFactory) -> None:
    done = review(offline_project("local"), PATH="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == "error: --engine pulumi: there is no Pulumi CLI on PATH; install it, or leave the option out\n"
    )
