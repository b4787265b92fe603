"""Run the command as a process, in this repository or in a project of the test's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.simulated import InProcess, Shop

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "ebbtide"]


@pytest.fixture
def ebbtide() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`ebbtide(*arguments)` run to its end, with its output as text."""

    def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        import os

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
def simulate(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcess:
    """`simulate(*arguments)`: `ebbtide simulate --stack dev` in the shop."""
    return InProcess(shop, monkeypatch, capsys)
