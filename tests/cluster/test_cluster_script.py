"""`scripts/cluster` starts once, repairs what is broken, keeps off other clusters, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cluster.conftest import ROOT

pytestmark = pytest.mark.cluster


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would."""
    surroundings = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return subprocess.run(
        [ROOT / "scripts" / "cluster", *arguments],
        env={**surroundings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def kubeconfig_of(tmp_path: Path, context: str) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": context}))
    return str(path)


def test_a_node_that_lost_a_process_is_made_again(kubeconfig: Path) -> None:
    """Runs first: what was loaded into the node is gone afterwards."""
    entries = json.loads((kubeconfig.parent / "processes.json").read_text())
    os.kill(entries["etcd"]["pid"], signal.SIGKILL)
    status = run("status")
    assert (status.returncode, "half there; `scripts/cluster up` repairs it" in status.stdout) == (1, True)
    up = run("up")
    assert up.returncode == 0, up.stderr
    assert "taking it away first" in up.stderr
    again = json.loads((kubeconfig.parent / "processes.json").read_text())
    assert all(again[name]["pid"] != entries[name]["pid"] for name in entries), "an old process serves a new node"


def test_up_of_a_running_node_starts_nothing(kubeconfig: Path) -> None:
    before = (kubeconfig.parent / "processes.json").read_text()
    up = run("up")
    assert (up.returncode, up.stdout, up.stderr) == (0, f"export KUBECONFIG={kubeconfig}\n", "")
    assert (kubeconfig.parent / "processes.json").read_text() == before


@pytest.mark.parametrize("tool", ["kind", "minikube", "k3d"])
def test_a_cluster_of_another_tool_is_used_and_not_touched(tool: str, kubeconfig: Path, tmp_path: Path) -> None:
    theirs = kubeconfig_of(tmp_path, tool if tool == "minikube" else f"{tool}-dev")
    up, down = run("up", KUBECONFIG=theirs), run("down", KUBECONFIG=theirs)
    assert (up.returncode, up.stdout) == (0, ""), "a shell that evaluates this would leave the user's own cluster"
    assert f"Using the {tool} cluster" in up.stderr
    assert (down.returncode, "left alone" in down.stderr) == (0, True)
    assert run("status").returncode == 0, "our own node was taken away in its place"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--context", "gke_acme_production", "up"], 1, "--context gke_acme_production: is neither our own cluster"),
        (["load-image", "nowhere"], 2, "invalid choice: 'nowhere'"),
        (["start"], 2, "invalid choice: 'start'"),
        ([], 2, "arguments are required: COMMAND"),
    ],
)
def test_a_mistake_is_a_line_and_not_a_traceback(arguments: list[str], status: int, words: str) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_kubeconfig_is_named(tmp_path: Path) -> None:
    done = run("up", KUBECONFIG=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


def test_images_cannot_be_loaded_without_a_node(tmp_path: Path) -> None:
    done = run("load-image", "broker", EBBTIDE_CLUSTER_DIRECTORY=str(tmp_path / "cluster"))
    assert done.returncode == 1
    assert "`scripts/cluster up` starts one" in done.stderr
