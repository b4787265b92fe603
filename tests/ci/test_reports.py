"""A test that fails once in CI, and never again here, has said what there is to know of the machine."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.engine import diagnosis
from tests.engine.diagnosis import COMMANDS, Command

ROOT = Path(__file__).parents[2]


def test_a_failure_says_when_it_was_how_busy_the_machine_was_and_what_ran_before(tmp_path: Path) -> None:
    (tmp_path / "test_before.py").write_text("def test_passes():\n    pass\n")
    (tmp_path / "test_fails.py").write_text("def test_fails():\n    assert False\n")
    options = ["-q", "-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    command = [sys.executable, "-m", "pytest", *options, "test_before.py", "test_fails.py"]
    python_path = f"{ROOT}:{ROOT / 'infra'}"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": python_path}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert re.search(
        r"^call began at \d\d:\d\d:\d\d UTC and took \d+\.\d s; load [\d. ]+; process the only one, in which "
        r"test_before\.py ran before$",
        done.stdout,
        re.MULTILINE,
    ), done.stdout


class Cluster:
    """A cluster with one pod that waits for its image."""

    def request(self, method: str, path: str) -> dict[str, Any]:
        metadata = {"namespace": "consumers", "name": "mail-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        waiting = {"waiting": {"reason": "ErrImagePull"}}
        ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
        status = {"phase": "Pending", "conditions": [ready], "containerStatuses": [{"state": waiting}]}
        return {"items": [{"metadata": metadata, "status": status}] if path.endswith("/pods") else []}


def test_a_failure_of_the_engine_says_what_the_cli_said_and_how_the_pods_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "COMMANDS", type(COMMANDS)(maxlen=1))
    for number, words in enumerate(("preview", "up --yes")):
        began = datetime(2026, 1, 1, 12, 0, number, tzinfo=UTC)
        diagnosis.COMMANDS.append(Command(began, 5.04, words, 255, "error: 1 error occurred\n"))
    (tmp_path / "hollow-node.log").write_text("12:00:01 the server is going away\n")
    told = diagnosis.report(Cluster(), tmp_path)  # type: ignore[arg-type] - it answers the same
    assert "-- 12:00:01, 5.0 s, status 255: pulumi up --yes\nerror: 1 error occurred" in told
    assert "pulumi preview" not in told, "only the last ones are kept"
    assert "consumers/mail-1" in told
    assert "ErrImagePull" in told
    assert '"Ready": "ContainersNotReady"' in told
    assert told.endswith("-- the end of hollow-node.log\n12:00:01 the server is going away")
