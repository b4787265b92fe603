"""The probes read one line; a drain fails none of them, and the broker never fails liveness."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ebbtide_supervisor.status import StatusFile, uptime_seconds

HEALTHY, SICK = 0, 1


def probe(image: Path, directory: Path, kind: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "EBBTIDE_STATE_DIRECTORY": str(directory)}
    argv = [str(image / "healthcheck"), kind]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


# phase, ever ready, running, ready, waiting, seconds since the last heartbeat -> startup, readiness, liveness
STATES = [
    ("starting", 0, 70, 0, 0, 0, SICK, SICK, HEALTHY),
    ("running", 1, 70, 1, 0, 0, HEALTHY, HEALTHY, HEALTHY),
    ("running", 1, 70, 70, 0, 20, HEALTHY, HEALTHY, HEALTHY),
    ("running", 1, 70, 70, 0, 60, SICK, SICK, SICK),
    ("waiting", 1, 0, 0, 70, 0, HEALTHY, SICK, HEALTHY),
    ("waiting", 0, 1, 0, 69, 0, SICK, SICK, HEALTHY),
    ("draining", 1, 3, 3, 0, 0, HEALTHY, HEALTHY, HEALTHY),
    ("draining", 0, 0, 0, 0, 0, HEALTHY, HEALTHY, HEALTHY),
    ("draining", 1, 0, 0, 0, 60, HEALTHY, HEALTHY, SICK),
]


@pytest.mark.parametrize("state", STATES)
def test_the_probes_say_of_each_state(image: Path, tmp_path: Path, state: tuple[str | int, ...]) -> None:
    phase, ever_ready, running, ready, waiting, age, *expected = state
    found = []
    for kind in ("startup", "readiness", "liveness"):
        # So old for each: the first ones may take their time.
        fields = (uptime_seconds() - int(age), phase, ever_ready, running, ready, waiting)
        (tmp_path / "status").write_text(" ".join(map(str, fields)).ljust(StatusFile.LENGTH - 1) + "\n")
        found.append(probe(image, tmp_path, kind).returncode)
    assert found == expected


@pytest.mark.parametrize("kind", ["startup", "readiness", "liveness"])
def test_without_a_status_the_probe_says_that_nothing_has_started(image: Path, tmp_path: Path, kind: str) -> None:
    done = probe(image, tmp_path, kind)
    assert done.returncode == SICK
    assert "supervisord has not started" in done.stderr


@pytest.mark.parametrize("kind", ["", "health", "--help"])
def test_an_unknown_probe_is_refused(image: Path, tmp_path: Path, kind: str) -> None:
    done = probe(image, tmp_path, kind)
    assert done.returncode == 2
    assert "startup, readiness or liveness" in done.stderr


def test_the_status_is_what_the_probe_reads(image: Path, tmp_path: Path) -> None:
    status = StatusFile(tmp_path / "status")
    status.write("running", ever_ready=True, counts={"running": 1000, "ready": 999, "waiting": 0})
    assert probe(image, tmp_path, "readiness").returncode == HEALTHY
    status.write("waiting", ever_ready=True, counts={"running": 0, "ready": 0, "waiting": 5})
    assert "(0 running, 5 waiting)" in probe(image, tmp_path, "readiness").stderr


def test_a_full_volume_does_not_stop_the_heartbeat() -> None:
    directory = Path("/dev/shm")  # a memory file system, as in the pod
    path = directory / f"ebbtide-test-{os.getpid()}"
    try:
        status = StatusFile(path)
        status.write("running", ever_ready=True, counts={"running": 1, "ready": 1, "waiting": 0})
        blocks = path.stat().st_blocks
        for running in (1, 1000):
            status.write("draining", ever_ready=True, counts={"running": running, "ready": 1, "waiting": 0})
        assert path.stat().st_blocks == blocks, "a write that needs a new block fails on a full volume"
        assert path.stat().st_size == StatusFile.LENGTH
    finally:
        path.unlink(missing_ok=True)
