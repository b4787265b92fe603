"""`--base` compares two commits, each rendered by its own code, and has a word for every base that cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml
from tests.commands import run_here
from tests.documents.schemas import schema

ROOT = Path(__file__).parents[2]


class Repository:
    """This project's stacks in a git repository of their own, of which each test has a copy."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fill(self, *, with_code: bool) -> None:
        for name in ("Pulumi.yaml", "requirements.lock", "Dockerfile"):
            shutil.copy(ROOT / name, self.root)
        for name in ("stacks", "infra", "consumer") if with_code else ("stacks",):
            # With what Python has compiled, or each command would compile it: modules are found by their time and size.
            shutil.copytree(ROOT / name, self.root / name, symlinks=True)
        self.git("init", "--quiet", "--initial-branch=main")
        (self.root / ".git/info/exclude").write_text("__pycache__/\n")
        self.commit()

    def git(self, *arguments: str) -> None:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(self.root), *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "work")

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.root / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def preview(self, *arguments: str, base: str = "HEAD") -> subprocess.CompletedProcess[str]:
        command = ["preview", "--stack", "production", "--base", base, *arguments]
        if not (self.root / "infra").exists():
            return run_here(*command, cwd=self.root)
        # The head's own code as well, as in a clone of its own.
        environment = {**os.environ, "PYTHONPATH": str(self.root / "infra")}
        return subprocess.run(
            [sys.executable, "-m", "ebbtide", *command],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def review(self, base: str = "HEAD") -> dict:
        done = self.preview("--format", "json", base=base)
        assert done.returncode == 0, done.stderr
        review = json.loads(done.stdout)
        jsonschema.validate(review, schema("preview"))
        return review


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """`filled(with_code)`: what each test has a copy of."""

    @cache
    def fill(*, with_code):
        repository = Repository(tmp_path_factory.mktemp("repository"))
        repository.fill(with_code=with_code)
        return repository.root

    return fill


@pytest.fixture
def repository(filled, tmp_path):
    """Stacks, with ebbtide installed beside them: what costs no compilation of a base's own code."""
    shutil.copytree(filled(with_code=False), tmp_path / "work", symlinks=True)
    return Repository(tmp_path / "work")


@pytest.fixture
def clone(filled, tmp_path):
    """A clone of this project: stacks and ebbtide itself."""
    shutil.copytree(filled(with_code=True), tmp_path / "work", symlinks=True)
    return Repository(tmp_path / "work")


@pytest.mark.slow
def test_an_unchanged_tree_changes_nothing(clone):
    assert clone.review()["verdict"] == "production: nothing changes"


def test_a_finding_that_is_accepted_from_now_on_is_shown_with_its_reason(repository):
    repository.edit(
        "Pulumi.yaml", "          accept:\n", "          accept:\n            V-34c: the queue may be late\n"
    )
    review = repository.review()
    (risk,) = review["risks"]
    assert risk["rule"] == "P-41"
    assert risk["sentence"] == "githubevents accepts V-34c: the queue may be late"
    assert "nothing changes" not in review["verdict"]


def test_another_reason_for_the_same_finding_is_shown(repository):
    repository.edit("Pulumi.yaml", "V-28: the request of the recipe", "V-28: nobody knows the request")
    assert [risk["rule"] for risk in repository.review()["risks"]] == ["P-41"]


def test_an_edit_is_seen_before_it_is_committed(repository):
    repository.edit("Pulumi.yaml", "longestMessage: 200s", "longestMessage: 100s")
    review = repository.review()
    assert review["level"] == "danger"
    assert {risk["rule"] for risk in review["risks"]} == {"P-03", "P-10"}


@pytest.mark.slow
def test_the_base_is_rendered_by_its_own_code(clone):
    # A change of the library itself, not of any setting, restarts consumers: a reviewer must see that too.
    clone.edit(
        "infra/ebbtide/settings/values/rollout.py", "MIN_READY_SECONDS: Final = 10", "MIN_READY_SECONDS: Final = 11"
    )
    paths = [entry["path"] for change in clone.review()["changes"] for entry in change["properties"]]
    assert paths == ["spec.minReadySeconds"]


@pytest.mark.parametrize(("level", "status"), [("danger", 0), ("scaling", 3), ("info", 3)])
def test_fail_on_exits_with_3_at_its_level_or_above(repository, level, status):
    repository.edit("Pulumi.yaml", "maxReplicas: 5", "maxReplicas: 6")
    assert repository.preview("--fail-on", level).returncode == status


def test_another_project_of_google_cloud_is_danger(repository):
    """It forces a new network, cluster and node pool, and with the cluster all that runs in it."""
    repository.edit("stacks/Pulumi.production.yaml", "gcp:project: acme-production", "gcp:project: acme-other")
    assert repository.preview("--fail-on", "danger").returncode == 3
    review = repository.review()
    replaced = {change["type"] for change in review["changes"] if change["operation"] == "replace"}
    assert {
        "gcp:container/cluster:Cluster",
        "gcp:container/nodePool:NodePool",
        "gcp:compute/network:Network",
        "gcp:compute/subnetwork:Subnetwork",
        "kubernetes:apps/v1:Deployment",
    } <= replaced
    assert {"P-01", "P-02"} <= {risk["rule"] for risk in review["risks"] if risk["level"] == "danger"}


def test_a_reference_that_is_no_commit_is_one_line(repository):
    done = repository.preview(base="no-such-branch")
    assert done.returncode == 1
    assert "is no commit here (got 'no-such-branch')" in done.stderr
    assert "Traceback" not in done.stderr


def test_in_a_shallow_clone_the_message_says_how_to_get_the_rest(repository, tmp_path_factory):
    repository.commit()
    clone = tmp_path_factory.mktemp("shallow") / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{repository.root}", str(clone)], check=True)
    done = Repository(clone).preview(base="HEAD~1")
    assert done.returncode == 1
    assert "git fetch --unshallow" in done.stderr.replace("\n", " ")


def test_a_branch_behind_its_base_reports_its_own_changes_only(repository):
    """What main got since then is not taken back by a branch that does not have it yet."""
    repository.git("checkout", "--quiet", "-b", "work")
    repository.git("checkout", "--quiet", "main")
    repository.edit("Pulumi.yaml", "longestMessage: 200s", "longestMessage: 600s")
    repository.commit()
    repository.git("checkout", "--quiet", "work")
    (repository.root / "README.md").write_text("Only words.\n")
    repository.commit()
    review = repository.review(base="main")
    assert review["verdict"] == "production: nothing changes"
    assert review["source"].startswith("the work tree compared with where it left main")


def test_a_base_with_no_commit_in_common_is_one_line(repository):
    repository.git("checkout", "--quiet", "--orphan", "elsewhere")
    (repository.root / "README.md").write_text("Another beginning.\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    done = repository.preview(base="elsewhere")
    assert done.returncode == 1
    assert "has no commit in common" in done.stderr.replace("\n", " ")


def test_a_base_that_looks_like_an_option_is_no_option(repository):
    assert "is no commit here" in repository.preview(base="--output=/tmp/x").stderr


@pytest.mark.slow
def test_a_base_that_printed_the_bare_list_of_resources_can_be_compared(clone):
    versioned = "_print_resources(stack_resources(settings))"
    bare = "typer.echo(to_json([resource_json(one) for one in stack_resources(settings)]))"
    clone.edit("infra/ebbtide/cli/render.py", versioned, bare)
    clone.commit()
    clone.edit("infra/ebbtide/cli/render.py", bare, versioned)
    assert clone.review()["verdict"] == "production: nothing changes"


@pytest.mark.slow
def test_a_base_without_ebbtide_makes_everything_new(clone):
    shutil.move(clone.root / "infra", clone.root.parent / "aside")
    clone.commit()
    shutil.move(clone.root.parent / "aside", clone.root / "infra")
    review = clone.review()
    assert review["notes"] == ["HEAD has no ebbtide yet: everything is new"]
    assert {change["operation"] for change in review["changes"]} == {"create"}


def test_a_base_without_the_stack_makes_it_new(repository):
    file = repository.root / "stacks" / "Pulumi.production.yaml"
    text = file.read_text()
    file.unlink()
    repository.commit()
    file.write_text(text)
    assert repository.review()["notes"] == ["HEAD has no stack production: everything is new"]


def test_a_base_with_invalid_settings_says_why(repository):
    repository.edit("Pulumi.yaml", "messageLimit: 100", "messageLimit: none")
    repository.commit()
    repository.edit("Pulumi.yaml", "messageLimit: none", "messageLimit: 100")
    review = repository.review()
    assert review["level"] == "notJudged"
    (risk,) = (risk for risk in review["risks"] if risk["rule"] == "P-40a")
    assert risk["sentence"].startswith("what runs now is not known, and all is shown as new: stack production is not")
    assert "messageLimit" in risk["sentence"]


def test_a_refusal_is_a_document_too(repository, tmp_path):
    repository.edit("stacks/Pulumi.production.yaml", "ports: [6379]", "ports: [99999]")
    file = tmp_path / "preview.json"
    assert repository.preview("--format", "json", "--out", str(file)).returncode == 1
    document = json.loads(file.read_text())
    jsonschema.validate(document, schema("preview"))
    assert (document["kind"], document["stack"]) == ("refusal", "production")
    assert any("99999" in finding["message"] for finding in document["findings"])


def test_a_head_with_invalid_settings_takes_the_place_of_the_earlier_comment(repository, tmp_path):
    """A comment that stays from the commit before says that all is well."""
    repository.edit("stacks/Pulumi.production.yaml", "ports: [6379]", "ports: [99999]")
    comment = tmp_path / "comment.md"
    done = repository.preview("--format", "markdown", "--out", str(comment))
    assert done.returncode == 1
    lines = comment.read_text().splitlines()
    assert lines[0] == "<!-- ebbtide-preview ebbtide/production -->"
    assert lines[1] == "### ❌ Stack production cannot be previewed: its settings are refused"
    assert any("egress" in line and "99999" in line for line in lines)


def test_a_base_with_other_dependencies_is_said(repository):
    (repository.root / "requirements.lock").write_text("# other\n")
    assert "locks other dependencies" in repository.review()["notes"][0]


@pytest.fixture
def applications_repository(repository):
    """The repository of an application, by its own name and with a project's file of its own."""
    file = repository.root / "Pulumi.yaml"
    project = yaml.safe_load(file.read_text())
    # Pulumi's types and defaults are for the project's own keys, and these are ebbtide's.
    values = {f"ebbtide:{key}": {"value": entry["default"]} for key, entry in project["config"].items()}
    file.write_text(yaml.safe_dump({**project, "name": "shop", "config": values}))
    repository.commit()
    return repository


def test_where_ebbtide_is_installed_it_renders_both_sides(applications_repository):
    applications_repository.edit("Pulumi.yaml", "longestMessage: 200s", "longestMessage: 100s")
    review = applications_repository.review()
    assert {risk["rule"] for risk in review["risks"]} == {"P-03", "P-10"}
    assert review["notes"] == []


def test_where_another_version_may_have_been_installed_it_is_said(applications_repository):
    (applications_repository.root / "requirements.txt").write_text("ebbtide==0.2\n")
    review = applications_repository.review()
    assert review["verdict"] == "production: nothing changes"
    assert "locks other dependencies" in review["notes"][0]


def test_a_commit_before_the_project_makes_everything_new(applications_repository):
    file = applications_repository.root / "Pulumi.yaml"
    text = file.read_text()
    file.unlink()
    applications_repository.commit()
    file.write_text(text)
    assert applications_repository.review()["notes"] == ["HEAD has no ebbtide yet: everything is new"]


def test_a_comment_names_the_project(applications_repository):
    assert applications_repository.preview("--format", "markdown").stdout.startswith(
        "<!-- ebbtide-preview shop/production -->"
    )


@pytest.mark.slow
def test_no_worktree_is_left_behind(clone):
    clone.review()
    listed = subprocess.run(
        ["git", "-C", str(clone.root), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1


def test_images_that_ci_has_just_built_belong_to_the_head(repository, monkeypatch):
    monkeypatch.setenv("EBBTIDE_IMAGES", "githubevents=acme.example/new:2")
    assert "P-11" in {risk["rule"] for risk in repository.review()["risks"]}


def test_an_image_of_a_consumer_that_is_new_keeps_nobody_from_reading_the_base(repository, monkeypatch):
    new = """
    mails:
      image: acme.example/mails:1
      worker: {kind: symfonyMessenger, receivers: [mails], processes: 2}
      autoscaling: {kind: fixed, replicas: 1}
"""
    repository.edit("stacks/Pulumi.production.yaml", "  ebbtide:consumers:\n", f"  ebbtide:consumers:{new}")
    repository.edit("Pulumi.yaml", "          accept:\n", "          accept:\n            V-34c: it may be late\n")
    monkeypatch.setenv("EBBTIDE_IMAGES", "mails=acme.example/mails:2")
    accepted = {risk["sentence"] for risk in repository.review()["risks"] if risk["rule"] == "P-41"}
    assert accepted == {"githubevents accepts V-34c: it may be late"}, "what the base accepts is not known"


def test_outside_a_repository_the_message_says_so(tmp_path):
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    done = Repository(tmp_path).preview(base="main")
    assert done.returncode == 1
    assert "needs a git repository" in done.stderr


@pytest.mark.parametrize("other", [["--plan", "x.json"], ["--engine", "pulumi"]])
def test_two_sources_of_one_change_are_wrong_usage(repository, other):
    done = repository.preview(*other)
    assert done.returncode == 2
    assert "two sources of one change" in done.stderr.replace("\n", " ")
