"""The workflows are valid, and what runs a stranger's code can neither write nor read a secret."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.lint.tools import actionlint

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(name: str):
    # BaseLoader: `on` is a key here, not True.
    return yaml.load((ROOT / ".github" / "workflows" / name).read_text(), Loader=yaml.BaseLoader)


# It is built with a Go of its own where there is none: 55 s.
@pytest.mark.slow
def test_the_workflows_pass_actionlint():
    done = subprocess.run([actionlint(), *WORKFLOWS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["check.yml", "preview.yml"])
def test_what_runs_the_code_of_a_fork_has_no_secret_and_cannot_write(name):
    text = (ROOT / ".github" / "workflows" / name).read_text()
    assert read(name)["permissions"] == {"contents": "read"}
    assert "secrets." not in text, "a pull request from a fork could send it anywhere"
    assert "pull_request_target" not in text, "it would run a stranger's code with our token"


def test_what_may_write_runs_only_the_code_of_the_main_branch():
    workflow = read("preview-comment.yml")
    assert list(workflow["on"]) == ["workflow_run"]
    checkout = workflow["jobs"]["comment"]["steps"][0]
    assert "ref" not in checkout["with"], "the head of a pull request is a stranger's code"


def test_what_may_write_takes_data_of_a_pull_request_and_no_text():
    steps = read("preview-comment.yml")["jobs"]["comment"]["steps"]
    (download,) = (step for step in steps if "download-artifact" in step.get("uses", ""))
    assert download["with"]["path"].startswith("${{ runner.temp }}/"), "a file of theirs could take the place of ours"
    commands = " ".join(step.get("run", "") for step in steps)
    assert ".md" not in commands
    poster = (ROOT / "infra" / "ebbtide" / "cli" / "comment.py").read_text()
    assert "read_preview(" in poster
    assert ".md" not in poster, "the Markdown of a stranger would be ours"


def test_every_stack_that_is_deployed_is_previewed():
    stacks = read("preview.yml")["jobs"]["preview"]["strategy"]["matrix"]["stack"]
    files = {path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml")}
    assert set(stacks) == files - {"local"}
