"""checkov and kube-score find nothing in our manifests but what skipped-checks.yaml names and justifies."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.lint import tools

from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names

ROOT = Path(__file__).parents[2]
SKIPS_FILE = Path(__file__).parent / "skipped-checks.yaml"
KUBERNETES_VERSION = "v1.34"
KUBE_SCORE_OK = 10
# It knows nothing of a Namespace or a ServiceAccount.
KUBE_SCORE_KINDS = {"Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget"}

Found = set[tuple[str, str]]
"""(check, stack) of every check that does not pass."""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of manifests for each stack."""
    directory = tmp_path_factory.mktemp("manifests")
    files = {name: directory / f"{name}.yaml" for name in stack_names(ROOT)}
    for name, file in files.items():
        file.write_text(yaml.safe_dump_all(stack_manifests(load_stack(name, ROOT))))
    return files


# More than a minute each on a machine that has nothing yet: kube-score is built with half of Kubernetes, checkov brings
# 90 packages.
@pytest.fixture(scope="module", params=["kube-score", "checkov"])
def findings(request: pytest.FixtureRequest, manifests: dict[str, Path]) -> tuple[str, Found]:
    """One linter's name and what it finds in all stacks, nothing skipped."""
    run = {"kube-score": run_kube_score, "checkov": run_checkov}[request.param]
    return request.param, set(run(manifests))


def run_kube_score(manifests: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Stack by stack: it matches Deployments with policies over everything it is given."""
    for stack, file in manifests.items():
        options = ["--kubernetes-version", KUBERNETES_VERSION, "--output-format", "json"]
        optional = ["--enable-optional-test", "container-seccomp-profile"]
        command = [str(tools.kube_score()), "score", *options, *optional, str(file)]
        objects = json.loads(_output(command))
        kinds = {scored["type_meta"]["kind"] for scored in objects}
        ours = {manifest["kind"] for manifest in yaml.safe_load_all(file.read_text())}
        assert kinds == KUBE_SCORE_KINDS & ours, "kube-score has not read what it knows of our objects"
        for scored in objects:
            for check in scored["checks"]:
                if not check["skipped"] and check["grade"] < KUBE_SCORE_OK:
                    yield check["check"]["id"], stack


def run_checkov(manifests: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """All stacks in one run: it takes 4 s to start."""
    directory = next(iter(manifests.values())).parent
    # Without --skip-download it asks its vendor's server for more checks first.
    options = ["--framework", "kubernetes", "--skip-download", "--output", "json"]
    report = json.loads(_output([str(tools.checkov()), "--directory", str(directory), *options]))
    assert report["summary"]["parsing_errors"] == 0, "checkov could not read our manifests"
    assert report["summary"]["passed"] > 50 * len(manifests), "checkov has hardly checked anything"
    for check in report["results"]["failed_checks"]:
        yield check["check_id"], Path(check["file_path"]).stem


def _output(command: list[str]) -> str:
    # Both exit with 1 when they find something; their report is what counts.
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def skips_of(linter: str) -> Found:
    """What skipped-checks.yaml allows."""
    entries = yaml.safe_load(SKIPS_FILE.read_text())[linter]
    return {(check, stack) for check, entry in entries.items() for stack in entry["stacks"]}


@pytest.mark.slow
def test_a_linter_finds_nothing_that_is_not_justified(findings: tuple[str, Found]) -> None:
    linter, found = findings
    unjustified = sorted(found - skips_of(linter))
    assert not unjustified, f"{linter} objects to what we deploy: fix it, or justify it in {SKIPS_FILE.name}"


@pytest.mark.slow
def test_a_skip_that_is_no_longer_needed_is_removed(findings: tuple[str, Found]) -> None:
    linter, found = findings
    unneeded = sorted(skips_of(linter) - found)
    assert not unneeded, f"these pass {linter}: a skip left in {SKIPS_FILE.name} would hide the day they fail again"


def test_every_skip_says_why() -> None:
    for linter, entries in yaml.safe_load(SKIPS_FILE.read_text()).items():
        for check, entry in entries.items():
            assert len(entry["reason"].split()) >= 6, f"{linter} {check}: nobody can judge a skip without its reason"
