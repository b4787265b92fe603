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
from tests.capacity.hpa.scenarios import decide, random_scenario, upstream_form

import ebbtide.capacity.hpa as api

HERE = Path(__file__).parent / "upstream"
MINOR = 34  # the minor release that upstream/go.mod pins
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The built Go test. Building takes about 3 minutes on 2 cores and is kept until its sources change."""
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
            subprocess.run(["go", "test", "-c", "-vet=off", "-o", partial, "."], cwd=HERE, check=True)
            partial.rename(binary)
    return binary


@pytest.mark.parametrize(
    ("gates", "configurable_tolerance", "seeds"),
    [("", None, range(1500)), ("HPAConfigurableTolerance=true", True, range(10_000, 10_500))],
    ids=["default gates", "HPAConfigurableTolerance"],
)
def test_every_sync_decides_what_the_real_controller_decides(upstream, tmp_path, gates, configurable_tolerance, seeds):
    release = api.Release.of(MINOR, configurable_tolerance=configurable_tolerance)
    scenarios = [random_scenario(api, seed, release) for seed in seeds]
    asked, answered = tmp_path / "scenarios", tmp_path / "outcomes"
    asked.write_text("".join(json.dumps(each) + "\n" for each in scenarios))
    environment = {**os.environ, "SCENARIOS": str(asked), "OUTCOMES": str(answered), "GATES": gates}
    ran = subprocess.run(
        [upstream, "-test.run", "TestDecide"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr

    writes = 0
    for seed, scenario, line in zip(seeds, scenarios, answered.read_text().splitlines(), strict=True):
        theirs = [upstream_form(each) for each in json.loads(line)]
        writes += sum(each["desired"] is not None for each in theirs)
        for number, (we, they) in enumerate(zip(decide(api, scenario, release), theirs, strict=True)):
            assert we == they, f"seed {seed}, sync {number}: whoever plans with this decision is misled"
    assert writes > len(seeds), "the scenarios never scaled, so they proved nothing"
