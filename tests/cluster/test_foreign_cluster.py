"""A kind, minikube or k3d cluster gets our images from the tool that made it. The tools are stand-ins here: they need
Docker, and write down how they were called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "cluster"
LOAD = """
import sys, pathlib, foreign
foreign.foreign_cluster(sys.argv[1], pathlib.Path("ours")).load(pathlib.Path("a.tar"), "app:1")
"""


def load(tmp_path: Path, context: str, tool: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    program = tmp_path / tool
    program.write_text(f'#!/bin/sh\necho "$0 $*"\nexit {status}\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(TOOLS)}
    command = [sys.executable, "-c", LOAD, context]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("context", "tool", "called"),
    [
        ("kind-test", "kind", "load image-archive a.tar --name test"),
        ("minikube", "minikube", "image load a.tar --profile minikube"),
        ("k3d-test", "k3d", "image import a.tar --cluster test"),
    ],
)
def test_an_image_is_given_to_the_cluster_that_the_context_names(
    tmp_path: Path, context: str, tool: str, called: str
) -> None:
    done = load(tmp_path, context, tool)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / tool} {called}\n"), done.stderr


def test_an_image_that_the_tool_does_not_take_stops_the_command(tmp_path: Path) -> None:
    done = load(tmp_path, "kind-test", "kind", status=1)
    assert "app:1 could not be given to kind-test" in done.stderr
