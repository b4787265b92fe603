"""Our decisions against the code of kube-controller-manager itself, linked into a Go test under a fake clock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.capacity.hpa.checks_syncs import RECORDED
from tests.capacity.hpa.scenarios import decide, random_scenario, upstream_form

import ebbtide.capacity.hpa as api

HERE = Path(__file__).parent / "upstream"
RUNS = [("", None, range(1500)), ("HPAConfigurableTolerance=true", True, range(10_000, 10_500))]
MINOR = 34  # the minor release that upstream/go.mod pins
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The built Go test. Building takes about 3 minutes on 2 cores, which a Kubernetes node built
    before or after does not spend again (the same modules, the same flags), and is kept until its sources change."""
    if shutil.which("go") is None:
        pytest.fail("go is not on PATH: the comparison with the real controller needs Go 1.25 or later (synctest)")
    sources = sorted(each for each in HERE.iterdir() if each.suffix in {".go", ".mod", ".sum", ".s"})
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ebbtide"
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"hpa-upstream-{digest}"
    with (cache / "hpa-upstream.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            partial = binary.with_suffix(".partial")
            subprocess.run(["go", "test", "-c", "-vet=off", "-trimpath", "-o", partial, "."], cwd=HERE, check=True)
            partial.rename(binary)
    return binary


def ask(upstream: Path, directory: Path, scenarios: list[dict], gates: str) -> list[list[dict]]:
    """What the real controller decides, sync by sync, in the form of `decide`."""
    asked, answered = directory / "scenarios", directory / "outcomes"
    asked.write_text("".join(json.dumps(each) + "\n" for each in scenarios))
    environment = {**os.environ, "SCENARIOS": str(asked), "OUTCOMES": str(answered), "GATES": gates}
    command = [upstream, "-test.run", "TestDecide"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [[upstream_form(each) for each in json.loads(line)] for line in answered.read_text().splitlines()]


@pytest.mark.parametrize(("gates", "tolerance", "seeds"), RUNS, ids=["default gates", "HPAConfigurableTolerance"])
def test_every_sync_decides_what_the_real_controller_decides(upstream, tmp_path, gates, tolerance, seeds):
    release = api.Release.of(MINOR, configurable_tolerance=tolerance)
    scenarios = [random_scenario(api, seed, release) for seed in seeds]
    writes = 0
    for seed, scenario, theirs in zip(seeds, scenarios, ask(upstream, tmp_path, scenarios, gates), strict=True):
        writes += sum(each["desired"] is not None for each in theirs)
        for number, (we, they) in enumerate(zip(decide(api, scenario, release), theirs, strict=True)):
            assert we == they, f"seed {seed}, sync {number}: whoever plans with this decision is misled"
    assert writes > len(seeds), "the scenarios never scaled, so they proved nothing"


def test_the_recorded_outcomes_are_the_real_controllers(upstream, tmp_path):
    """The table of the default tier. ACCEPT=1 writes it anew, from the shortest scenarios of each run."""
    if os.environ.get("ACCEPT") == "1":
        _record(_chosen())
    rows = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    for gates, tolerance, _ in RUNS:
        ours = [row for row in rows if row["configurable_tolerance"] is tolerance]
        answers = ask(upstream, tmp_path, [row["scenario"] for row in ours], gates)
        if os.environ.get("ACCEPT") == "1":
            for row, answer in zip(ours, answers, strict=True):
                row["outcomes"] = answer
        assert [row["outcomes"] for row in ours] == answers, "the recorded table no longer says what upstream decides"
    if os.environ.get("ACCEPT") == "1":
        _record(rows)


def _record(rows: list[dict]) -> None:
    RECORDED.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))


def _chosen() -> list[dict]:
    rows = []
    for _, tolerance, seeds in RUNS:
        release = api.Release.of(MINOR, configurable_tolerance=tolerance)
        scenarios = [random_scenario(api, seed, release) for seed in seeds]
        short = [each for each in scenarios if len(each["steps"]) > 1 and len(json.dumps(each)) < 4000]
        rows += [{"configurable_tolerance": tolerance, "scenario": each, "outcomes": []} for each in short[:90]]
    return rows
