"""`pulumi new` with the repository's template makes a project that the next commands accept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engine.project import ROOT

pytestmark = pytest.mark.engine


@pytest.fixture
def pulumi(tmp_path: Path, installation: dict[str, str]):
    """The CLI with a backend of its own and no cluster. Its language host installs nothing: this one is there."""
    (tmp_path / "state").mkdir()
    environment = {
        **os.environ,
        **installation,
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "KUBECONFIG": str(tmp_path / "none"),
        "PYTHONPATH": str(ROOT / "infra"),
    }

    def run(*command: str, where: Path = tmp_path) -> str:
        done = subprocess.run(
            command,
            cwd=where,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_a_new_project_is_accepted_by_check_and_previewed(pulumi, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    template = str(ROOT / "templates" / "consumers")
    options = ("--yes", "--offline", "--non-interactive", "--name", "shop", "--stack", "dev", "--dir", str(shop))
    told = pulumi("pulumi", "new", template, *options)
    assert "ebbtide check" in told, "nobody says what comes next"
    assert (shop / "Pulumi.yaml").read_text().startswith("name: shop\n")
    assert "${" not in (shop / "Pulumi.yaml").read_text()
    checked = pulumi(sys.executable, "-m", "ebbtide", "check", where=shop)
    assert "error" not in checked
    preview = pulumi("pulumi", "preview", "--stack", "dev", "--non-interactive", "--color", "never", where=shop)
    assert "kubernetes:apps/v1:Deployment mail-deployment create" in preview
    assert "pulumi:template" not in (shop / "stacks" / "Pulumi.dev.yaml").read_text()
