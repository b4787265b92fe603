"""The command line: one line for what is in the way, exit status 1, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rehearsal.api_server import METRICS, api_server, kubeconfig

ROOT = Path(__file__).parents[2]


def rehearse(tmp_path, *options, config=None):
    file = tmp_path / "kubeconfig"
    if config is not None:
        file.write_text(config)
    command = [sys.executable, "-m", "ebbtide", "rehearse", *options]
    environment = {**os.environ, "KUBECONFIG": str(file), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "KUBECONFIG: leads to no cluster"),
        (["--stack", "nowhere"], "there is no stack 'nowhere'"),
        (["--set", "processes"], "--set: is no PATH=VALUE (got 'processes')"),
        (["--report", "nowhere/at/all.html"], "is no directory; nothing was made"),
    ],
    ids=["no cluster", "no stack", "no value", "no directory"],
)
def test_what_is_typed_wrong_is_one_line(tmp_path, options, words):
    done = rehearse(tmp_path, *options)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr


def test_a_cluster_without_metrics_is_one_line(tmp_path):
    with api_server(**{METRICS: (503, {"message": "unavailable"})}) as (address, asked):
        done = rehearse(tmp_path, config=kubeconfig(address))
    assert (done.returncode, "serves no metrics.k8s.io (503" in done.stderr) == (1, True), done.stderr
    assert not any(one.startswith("POST /api/v1/namespaces") for one in asked), "something was made"


def test_a_stack_on_gke_is_one_line(tmp_path):
    done = rehearse(tmp_path, "--stack", "production", config=kubeconfig("http://127.0.0.1:1"))
    assert (done.returncode, "get-credentials" in done.stderr) == (1, True), done.stderr
