"""A reviewer sees a finding at the line that causes it: in code scanning, in a workflow, before a commit."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from tests import quick_yaml
from tests.cli.conftest import ROOT

from ebbtide.documents.annotation import Annotation
from ebbtide.documents.sarif import to_sarif
from ebbtide.documents.workflow_commands import to_workflow_commands
from ebbtide.settings.loading.positions import line_of

PROJECT = """\
name: shop
runtime: python
stackConfigDir: stacks
config:
  ebbtide:defaults:
    value:
      consumer:
        worker: {kind: symfonyMessenger, receivers: [mail], processes: 4}
      consumers:
        mail:
          image: registry.example/mail:1
"""
STACK = """\
config:
  ebbtide:cluster: {kind: existing, platform: gkeStandard, kubernetesVersion: "1.34"}
  ebbtide:consumers:
    mail:
      autoscaling:
        kind: hpa
        minReplicas: 9
        maxReplicas: 2
        metrics:
          - {kind: cpu, targetUtilization: 60}
          - {kind: memory, targetUtilization: 60}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(STACK)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "path", "line"),
    [
        ("stacks/Pulumi.dev.yaml", ("consumers", "mail", "autoscaling", "minReplicas"), 7),
        ("stacks/Pulumi.dev.yaml", ("consumers", "mail", "autoscaling", "metrics", 1), 11),
        ("stacks/Pulumi.dev.yaml", ("consumers", "mail", "autoscaling", "metrics", 7), 9),
        ("stacks/Pulumi.dev.yaml", ("consumers", "mail", "shutdown", "longestMessage"), 4),
        ("stacks/Pulumi.dev.yaml", ("ebbtide:cluster",), 2),
        ("stacks/Pulumi.dev.yaml", ("namespace",), None),
        ("Pulumi.yaml", ("consumers", "mail", "image"), 11),
        ("Pulumi.yaml", ("consumers", "mail", "worker", "processes"), 8),
        ("Pulumi.yaml", ("consumers", "other", "worker", "processes"), 8),
        ("missing.yaml", ("cluster",), None),
    ],
)
def test_a_setting_is_found_where_it_stands_or_would_stand(project, file, path, line):
    assert line_of(project / file, path) == line


@pytest.mark.parametrize("text", ["a: [", "\t", "- a\n- b\n", "config: text\n", "config: {? [a]: b}\n", "a: &a [*a]\n"])
def test_a_file_that_is_no_stack_has_no_line_for_a_setting(tmp_path, text):
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    assert line_of(tmp_path / "Pulumi.dev.yaml", ("consumers", "mail")) is None


def test_check_names_the_line_as_editors_open_it_and_from_where_it_was_called(ebbtide, project):
    assert "\nerror: stacks/Pulumi.dev.yaml:7: consumers.mail.autoscaling.minReplicas: " in _text(ebbtide, cwd=project)
    outside = _text(ebbtide, "--project", project.name, cwd=project.parent)
    assert f"error: {project.name}/stacks/Pulumi.dev.yaml:7: " in outside


def test_check_names_no_line_of_what_is_no_file(ebbtide, project):
    done = ebbtide("check", cwd=project, EBBTIDE_IMAGES="mail=Bad Name")
    assert "\nerror: environment EBBTIDE_IMAGES: consumers.mail.image: " in done.stdout
    marks = ebbtide("check", "--format", "github", cwd=project, EBBTIDE_IMAGES="mail=Bad Name").stdout
    assert "file=environment" not in marks
    assert "::environment EBBTIDE_IMAGES: consumers.mail.image: " in marks


TWICE = """\
name: shop
config:
  ebbtide:defaults:
    value:
      consumers:
        mail:
          autoscaling: {kind: keda, maxReplicas: 0}
      consumer:
        autoscaling: {maxReplicas: 5}
  kubernetes:namespace: x
  ebbtide:namespace: {value: y}
"""
MERGED = """\
x: &shared
  maxReplicas: 0
config:
  ebbtide:consumers:
    mail:
      autoscaling:
        <<: *shared
    default:
      image: a
  other:defaults: {consumer: {autoscaling: {maxReplicas: 5}}}
environment: [a]
"""


@pytest.mark.parametrize(
    ("name", "text", "path", "line"),
    [
        ("Pulumi.yaml", TWICE, ("consumers", "mail", "autoscaling", "maxReplicas"), 7),
        ("Pulumi.yaml", TWICE, ("consumers", "mail", "image"), 6),
        ("Pulumi.yaml", TWICE, ("consumers", "other", "image"), 8),
        ("Pulumi.yaml", TWICE, ("namespace", "name"), 11),
        ("Pulumi.yaml", TWICE, ("config", "kubernetes:namespace"), 10),
        ("Pulumi.dev.yaml", MERGED, ("consumers", "mail", "autoscaling", "maxReplicas"), 2),
        ("Pulumi.dev.yaml", MERGED, ("consumers", "mail", "autoscaling", "minReplicas"), 6),
        ("Pulumi.dev.yaml", MERGED, ("environment",), 11),
    ],
)
def test_of_several_places_the_one_in_force_is_named_and_no_other_namespace_is_ours(tmp_path, name, text, path, line):
    (tmp_path / name).write_text(text)
    assert line_of(tmp_path / name, path) == line


def _text(ebbtide, *options, cwd):
    return ebbtide("check", *options, cwd=cwd).stdout


def test_check_marks_the_line_for_code_scanning(ebbtide, project):
    done = ebbtide("check", "--format", "sarif", cwd=project)
    [run] = json.loads(done.stdout)["runs"]
    [result] = [one for one in run["results"] if "minReplicas" in one["message"]["text"]]
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "stacks/Pulumi.dev.yaml"},
        "region": {"startLine": 7},
    }
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert done.returncode == 1, "the format changes what is printed, and not what is found"


def test_check_marks_the_line_in_a_workflow(ebbtide, project):
    done = ebbtide("check", "--format", "github", cwd=project)
    marks = [
        re.match(r"::(\w+) file=([^,]+),line=(\d+),title=([^:]+)::", line).groups() for line in done.stdout.splitlines()
    ]
    assert ("error", "stacks/Pulumi.dev.yaml", "7") in [mark[:3] for mark in marks]


def test_what_is_accepted_is_suppressed_with_its_reason_and_marks_no_line(ebbtide):
    [run] = json.loads(ebbtide("check", "--format", "sarif").stdout)["runs"]
    suppressed = [one for one in run["results"] if "suppressions" in one]
    assert {one["ruleId"] for one in suppressed} >= {"V-16", "V-28"}
    assert all(one["suppressions"][0]["justification"] for one in suppressed)
    assert "title=V-28" not in ebbtide("check", "--format", "github").stdout


def test_a_finding_that_four_stacks_share_is_marked_once(ebbtide):
    lines = ebbtide("check", "--format", "github").stdout.splitlines()
    assert len(lines) == len(set(lines))


@pytest.mark.slow
def test_a_risk_stands_at_its_consumer(ebbtide):
    plan = "tests/engine/plans/local-settings.json"
    done = ebbtide("preview", "-s", "production", "--plan", plan, "--format", "sarif")
    [run] = json.loads(done.stdout)["runs"]
    lines = Path(ROOT, "stacks/Pulumi.production.yaml").read_text().splitlines()
    [restart] = [one for one in run["results"] if one["ruleId"] == "P-10"]
    place = restart["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "stacks/Pulumi.production.yaml"
    assert lines[place["region"]["startLine"] - 1].strip() == "githubevents:"


def test_refused_settings_are_a_sarif_file_too(ebbtide, project):
    done = ebbtide("preview", "-s", "dev", "--format", "sarif", "--out", "preview.sarif", cwd=project)
    assert done.returncode == 1
    [run] = json.loads((project / "preview.sarif").read_text())["runs"]
    assert {one["level"] for one in run["results"]} == {"error"}


@pytest.mark.parametrize("text", ["a\nb", "100 %", "::error::x", "a\r\nb", "ünïcode"])
def test_no_text_of_a_stranger_is_a_command_to_the_runner(text):
    printed = to_workflow_commands([Annotation("error", "V-1", text, f"a,b:{text}.yaml", 3)])
    [line] = printed.splitlines()
    properties, _, data = line.removeprefix("::").partition("::")
    command, _, rest = properties.partition(" ")
    assert command == "error"
    given = dict(pair.split("=", 1) for pair in rest.split(","))
    assert set(given) == {"file", "line", "title"}
    undo = [("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]
    for escaped, plain in undo:
        data, given["file"] = data.replace(escaped, plain), given["file"].replace(escaped, plain)
    assert (data, given["file"]) == (text, f"a,b:{text}.yaml")


def test_what_is_not_judged_is_told_of_the_run_and_is_no_result():
    unread = Annotation("note", "", "cannot be read", "a b.yaml", 2)
    [run] = json.loads(to_sarif("doctor", [], [unread]))["runs"]
    [told] = run["invocations"][0]["toolExecutionNotifications"]
    assert run["results"] == []
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b.yaml"


def test_the_pre_commit_hook_runs_on_every_file_of_a_project_and_fails_as_check_does(ebbtide, project):
    [hook] = quick_yaml.load((ROOT / ".pre-commit-hooks.yaml").read_text())
    files = ["Pulumi.yaml", "stacks/Pulumi.dev.yaml", "shop/stacks/Pulumi.a-b.yaml"]
    assert [bool(re.search(hook["files"], file)) for file in [*files, "values.yaml"]] == [True, True, True, False]
    command, *arguments = shlex.split(hook["entry"])
    assert command == "ebbtide"
    done = ebbtide(*arguments, cwd=project)
    assert done.returncode == 1
    assert "minReplicas" in done.stdout
