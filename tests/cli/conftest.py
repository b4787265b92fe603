"""Run the command, in this repository or in a project of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.simulated import Shop, Simulate
from tests.commands import run_here

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "ebbtide"]

Ebbtide = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ebbtide() -> Ebbtide:
    """`ebbtide(*arguments)` run to its end, with its output as text."""

    def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_here(*arguments, cwd=cwd, env={**os.environ, **environment})

    return run


@pytest.fixture
def ebbtide_process() -> Ebbtide:
    """The same in a process of its own: for what only that can show."""

    def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project with one consumer to simulate."""
    return Shop(tmp_path)


@pytest.fixture
def simulate(shop: Shop) -> Simulate:
    """`simulate(*arguments)`: `ebbtide simulate --stack dev` in the shop."""
    return Simulate(shop)
