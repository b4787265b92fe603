"""The CI that we hand out works in the project that README makes: its steps are run, word for word.

What GitHub's and GitLab's runners do around a step is played here: the variables, the shell, the matrix, and which job
is given the token. `pip` is a script that only writes down that it was asked, and whether it saw the token: what it
would install is this tree. `ebbtide` is a program that has this process run the command.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.commands import Scripts
from tests.preview import github, gitlab
from tests.test_documentation import blocks, read

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "ci"
STACK_FILE = "stacks/Pulumi.dev.yaml"


class Project:
    """What README's steps write, in a git repository; and the branch of a pull request."""

    def __init__(self, root: Path) -> None:
        self.root = root
        texts = [body for _, body in blocks(read(Path("README.md")))]
        (requirements,) = re.findall(r"echo '(.+)' > requirements\.txt", read(Path("README.md")))
        files = {
            "Pulumi.yaml": next(text for text in texts if text.startswith("name: shop")),
            "infra/__main__.py": next(text for text in texts if "run(Path(__file__)" in text),
            STACK_FILE: next(text for text in texts if text.startswith("config:")),
            "requirements.txt": requirements + "\n",
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        self.git("init", "--quiet", "--initial-branch=main")
        self.base = self.commit()

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "work")
        return self.git("rev-parse", "HEAD")

    def propose(self, old: str, new: str) -> None:
        """A pull request that edits the stack; main has meanwhile got a change of its own."""
        self.git("checkout", "--quiet", "-b", "work")
        self.edit(old, new)
        self.head = self.commit()
        self.git("checkout", "--quiet", "main")
        self.edit("longestMessage: 60s", "longestMessage: 50s")
        self.target = self.commit()
        self.git("checkout", "--quiet", "work")

    def edit(self, old: str, new: str) -> None:
        file = self.root / STACK_FILE
        text = file.read_text()
        assert old in text, "README's stack has changed; change what this test edits"
        file.write_text(text.replace(old, new))

    def merge(self) -> None:
        """As GitHub checks a pull request out, and GitLab for a pipeline of merged results."""
        self.git("checkout", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "work", "--message", "merge")


class Runner:
    """Runs the steps of a job, with `ebbtide` on the path and a `pip` that only takes notes."""

    def __init__(self, project: Project, home: Path, programs: Path, scripts: Scripts) -> None:
        self.project, self.home, self._scripts = project, home, scripts
        pip = programs / "pip"
        pip.write_text(f'#!/bin/sh\necho "$* token=$PREVIEW_TOKEN" >> {home}/pip\ncat requirements.txt\n')
        pip.chmod(0o755)
        self.environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home)}

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """One step, in the shell and with the options that both services use."""
        options = ["-e", "-o", "pipefail", "-c", script]
        return self._scripts.run(*options, cwd=self.project.root, env=self.environment | variables)

    @property
    def installed(self) -> list[str]:
        return (self.home / "pip").read_text().splitlines()


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shop").mkdir()
    return Project(tmp_path / "shop")


@pytest.fixture
def runner(project, tmp_path):
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    with Scripts.with_program_in(home / "bin") as scripts:
        yield Runner(project, home, home / "bin", scripts)


def example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((EXAMPLES / name).read_text(), Loader=yaml.BaseLoader)
    return document


def on_github(runner: Runner, server: github.Server) -> list[tuple[str, int]]:
    """Both workflows: each step with its status; after one that failed, only those that say `always()`."""
    summary, downloads = runner.home / "summary", runner.home / "temp" / "previews"
    values = {
        "matrix.stack": "dev",
        "github.event.pull_request.number": "12",
        "github.event.workflow_run.head_sha": runner.project.head,
        "secrets.GITHUB_TOKEN": github.TOKEN,
    }
    around = {
        "GITHUB_STEP_SUMMARY": str(summary),
        "RUNNER_TEMP": str(runner.home / "temp"),
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_API_URL": server.url,
    }
    server.state.head = runner.project.head
    done: list[tuple[str, int]] = []
    for workflow, job in (("github.yml", "preview"), ("github-comment.yml", "comment")):
        failed = False
        if job == "comment":
            runner.project.git("checkout", "--quiet", "--force", "main")
        for step in example(workflow)["jobs"][job]["steps"]:
            if failed and step.get("if") != "always()":
                continue
            if "upload-artifact" in step.get("uses", ""):
                folder = step["with"]["path"].replace("${{ matrix.stack }}", "dev")
                name = step["with"]["name"].replace("${{ matrix.stack }}", "dev")
                shutil.copytree(runner.project.root / folder, downloads / name)
            if "run" in step:
                variables = {
                    name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found.group(1)], text)
                    for name, text in step.get("env", {}).items()
                }
                result = runner.run(step["run"], **around, **variables)
                done.append((step.get("name", step["run"]), result.returncode))
                failed = failed or result.returncode != 0
    return done


def by_action(runner: Runner, given: dict[str, str] | None = None) -> list[tuple[str, int]]:
    """The steps of action.yml for stack dev, each with its status."""
    action: dict[str, Any] = yaml.load((ROOT / "action.yml").read_text(), Loader=yaml.BaseLoader)
    (runner.home / "temp").mkdir(exist_ok=True)
    inputs = {name: entry.get("default", "") for name, entry in action["inputs"].items()}
    values = {f"inputs.{name}": text for name, text in (inputs | {"stack": "dev"} | (given or {})).items()} | {
        "github.event.pull_request.number": "12",
        "github.action_path": str(ROOT),
        "runner.temp": str(runner.home / "temp"),
    }
    done: list[tuple[str, int]] = []
    for step in action["runs"]["steps"]:
        if "run" not in step or (any(status for _, status in done) and step.get("if") != "always()"):
            continue
        variables = {
            name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found.group(1)], text)
            for name, text in step.get("env", {}).items()
        }
        result = runner.run(step["run"], GITHUB_STEP_SUMMARY=str(runner.home / "summary"), **variables)
        done.append((step["name"], result.returncode))
    return done


def on_gitlab(runner: Runner, server: gitlab.Server, *, merged_results: bool) -> dict[str, Any]:
    """Both jobs, each in one shell; returns their results."""
    project = runner.project
    server.state.head = project.head
    jobs = example("gitlab.yml")
    variables = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": project.base,
        "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": project.target if merged_results else "",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": project.head if merged_results else "",
        "CI_COMMIT_SHA": project.git("rev-parse", "HEAD"),
        "CI_MERGE_REQUEST_IID": "12",
        "CI_PROJECT_ID": "5",
        "CI_API_V4_URL": server.url,
    }
    results = {}
    for name, job in jobs.items():
        in_environment = {"PREVIEW_TOKEN": gitlab.TOKEN} if "environment" in job else {}
        results[name] = runner.run("\n".join(job["script"]), **variables, **in_environment, STACK="dev")
    return results


@pytest.fixture
def github_server():
    with github.Server() as server:
        yield server


@pytest.fixture
def gitlab_server():
    with gitlab.Server() as server:
        yield server


def test_github_reviews_the_project_that_readme_makes(project, runner, github_server):
    project.propose("maxReplicas: 10", "maxReplicas: 11")
    project.merge()
    steps = on_github(runner, github_server)
    assert [step for step in steps if step[1] != 0] == []
    (comment,) = github_server.state.comments
    summary = (runner.home / "summary").read_text()
    assert comment["body"] == summary, "the summary and the comment are one review"
    assert "spec.maxReplicaCount: 10 → 11" in summary
    assert "50s" not in summary, "what main got meanwhile is not this branch's"


def test_on_github_settings_that_are_refused_are_the_comment(project, runner, github_server):
    project.propose("maxReplicas: 10", "maxReplicas: -2")
    project.merge()
    steps = dict(on_github(runner, github_server))
    assert steps["Review the change"] == 1
    assert "Fail on danger" not in steps
    assert steps["Post one comment per stack"] == 0
    (comment,) = github_server.state.comments
    assert "autoscaling.maxReplicas" in comment["body"]
    assert "autoscaling.maxReplicas" in (runner.home / "summary").read_text()


@pytest.mark.parametrize("merged_results", [False, True])
def test_gitlab_reviews_the_project_that_readme_makes(project, runner, gitlab_server, merged_results):
    project.propose("maxReplicas: 10", "maxReplicas: 11")
    if merged_results:
        project.merge()
    results = on_gitlab(runner, gitlab_server, merged_results=merged_results)
    assert {name: done.returncode for name, done in results.items()} == {"preview": 0, "comment": 0}, results
    (note,) = gitlab_server.state.notes
    assert "spec.maxReplicaCount: 10 → 11" in note["body"]
    assert "50s" not in note["body"], "what main got meanwhile is not this branch's"


def test_on_gitlab_settings_that_are_refused_are_the_note(project, runner, gitlab_server):
    project.propose("maxReplicas: 10", "maxReplicas: -2")
    results = on_gitlab(runner, gitlab_server, merged_results=False)
    assert {name: done.returncode for name, done in results.items()} == {"preview": 1, "comment": 0}
    (note,) = gitlab_server.state.notes
    assert "autoscaling.maxReplicas" in note["body"]


def test_on_gitlab_what_a_merge_request_installs_does_not_see_the_token(project, runner, gitlab_server):
    project.propose("maxReplicas: 10", "maxReplicas: 11")
    (project.root / "requirements.txt").write_text("evil\n")
    project.head = project.commit()
    results = on_gitlab(runner, gitlab_server, merged_results=False)
    assert [line.partition("token=")[2] for line in runner.installed] == ["", ""]
    assert "evil" in results["preview"].stdout
    assert "evil" not in results["comment"].stdout, "the token's job installs what the target branch names"
    assert "token" not in json.dumps(example("gitlab.yml")["preview"]).lower()


def test_on_gitlab_the_token_s_job_takes_no_cache_and_no_fork():
    comment = example("gitlab.yml")["comment"]
    assert comment["cache"] == [], "the merge request's jobs can write what is in theirs"
    (rule,) = comment["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID" in rule["if"]
    assert rule["when"] == "always", "a refusal is a note too"


def test_the_action_reviews_the_project_that_readme_makes(project, runner):
    project.propose("maxReplicas: 10", "maxReplicas: 11")
    project.merge()
    assert [step for step in by_action(runner) if step[1] != 0] == []
    assert "spec.maxReplicaCount: 10 → 11" in (runner.home / "summary").read_text()
    assert json.loads((runner.home / "temp" / "preview-dev" / "preview.json").read_text())["kind"] == "review"
    assert (runner.home / "temp" / "preview-dev" / "pull-request").read_text() == "12\n", "the comment's job reads it"


def test_the_action_fails_on_danger_and_on_refused_settings(project, runner):
    project.propose("longestMessage: 60s", "longestMessage: 20s")
    assert dict(by_action(runner, {"fail-on": "info", "base": "main"}))["Fail on danger"] == 3
    project.edit("maxReplicas: 10", "maxReplicas: -2")
    steps = dict(by_action(runner, {"base": "main"}))
    assert steps["Review the change"] == 1
    assert "Fail on danger" not in steps
    assert "autoscaling.maxReplicas" in (runner.home / "summary").read_text()


def test_gitlab_s_component_is_the_example_with_inputs():
    _, jobs = (ROOT / "templates" / "preview.yml").read_text().split("---\n")
    filled = jobs.replace("$[[ inputs.stacks ]]", "[dev]").replace("$[[ inputs.fail-on ]]", "danger")
    assert yaml.load(filled, Loader=yaml.BaseLoader) == example("gitlab.yml")


_WORKFLOWS = [*EXAMPLES.glob("git*.yml"), *(ROOT / ".github/workflows").glob("*.yml"), ROOT / "action.yml"]


@pytest.mark.parametrize("file", sorted(_WORKFLOWS))
def test_actions_are_pinned_by_commit(file):
    used = re.findall(r"^ *(?:- )?uses: (\S+)(.*)", file.read_text(), re.MULTILINE)
    assert [found for found in used if not re.fullmatch(r".+@[0-9a-f]{40}", found[0])] == [], "a tag can be moved"
    assert [found for found in used if not re.fullmatch(r" # v[\d.]+", found[1])] == [], "nobody knows what it is"
