"""Run tiers of tests and say at the end what each of them ran.

They run one after the other, but for the one that only computes: it has the processor time that another one leaves. So
has what the later tiers build from source. A tier that ran no test has failed: nothing may be skipped without being
counted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO
from xml.etree import ElementTree as ET

TIERS = {
    "default": "not runtime and not engine and not cluster and not slow",
    "slow": "slow",
    "runtime": "runtime",
    "engine": "engine",
    "cluster": "cluster",
}

# Tests mostly wait, each in a directory or in containers of its own, also on two cores. Each process of the engine's
# tests has a control plane; a machine has one node, so that the cluster's tests take turns.
ARGUMENTS = {
    "default": ["-n", "4", "--dist", "worksteal"],
    "slow": ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"],
    "runtime": ["-n", "3", "--dist", "worksteal"],
    "engine": ["-n", "3", "--dist", "loadfile"],
}

# Two processors idle for seven tenths of the `runtime` tests, and nothing in `slow` looks at a clock. Its output is
# shown when it has ended.
COMPUTES, WAITS = "slow", "runtime"

# On a new machine about 25 minutes of two cores: Pulumi's CLI and Kubernetes plugin, and a Kubernetes node; both at
# once, since a linker keeps one core busy. Their own locks make a test wait for what it needs.
BUILDS = '"$0" tools/pulumi/installation.py "$1" & scripts/cluster build; wait'
BUILT_FOR = {"engine", "cluster"}

Result = tuple[int, int, int, float]
"""How many tests passed, failed and were skipped, and the seconds they took."""


def main() -> int:
    """Run the tiers that were asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Run the tests of one tier or of all.")
    parser.add_argument("--tier", action="append", choices=TIERS, help="a tier; may be given more than once")
    parser.add_argument("--all", action="store_true", help="every tier")
    arguments, rest = parser.parse_known_args()
    tiers = list(TIERS) if arguments.all else arguments.tier or ["default"]
    with building() if BUILT_FOR & set(tiers) else contextlib.nullcontext():
        results = run_all(tiers, rest)
    print("\ntier       passed  failed  skipped  seconds")
    for tier in tiers:
        passed, failed, skipped, seconds = results[tier]
        print(f"{tier:<10} {passed:>6}  {failed:>6}  {skipped:>7}  {seconds:>7.0f}")
    idle = [tier for tier in tiers if results[tier][0] == 0]
    if idle:
        print(f"no test passed in: {', '.join(idle)}")
    return 1 if idle or any(failed for _, failed, _, _ in results.values()) else 0


@contextlib.contextmanager
def building() -> Iterator[None]:
    """Build beside the tests, at the low priority that builds have. What fails here fails again in its tier."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["sh", "-c", BUILDS, sys.executable, directory]
        # Not a session of its own: Linux shares processors between sessions, and heeds `nice` only inside one.
        builds = subprocess.Popen(command, stdout=subprocess.DEVNULL, process_group=0)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(builds.pid, signal.SIGTERM)
            builds.wait()


def run_all(tiers: list[str], rest: list[str]) -> dict[str, Result]:
    """Run the tiers in their order, but for the one that runs beside another."""
    if not {COMPUTES, WAITS} <= set(tiers):
        return {tier: run(tier, rest) for tier in tiers}
    results = {}
    with ThreadPoolExecutor(1) as background, tempfile.TemporaryFile("w+") as output:
        for tier in tiers:
            if tier == WAITS:
                computing = background.submit(run, COMPUTES, rest, ["nice", "-n", "19"], output)
            if tier != COMPUTES:
                results[tier] = run(tier, rest)
            if tier == WAITS:
                results[COMPUTES] = computing.result()
                output.seek(0)
                print(f"\n== {COMPUTES}, beside {WAITS} ==\n{output.read()}", flush=True)
    return results


def run(tier: str, rest: list[str], prefix: Sequence[str] = (), output: IO[str] | None = None) -> Result:
    """Run one tier."""
    if output is None:
        print(f"\n== {tier} ==", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        started = time.monotonic()
        status = subprocess.run(
            [
                *prefix,
                sys.executable,
                "-m",
                "pytest",
                "-m",
                TIERS[tier],
                f"--junit-xml={report}",
                *ARGUMENTS.get(tier, []),
                *rest,
            ],
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            check=False,
        ).returncode
        seconds = time.monotonic() - started
        if not report.is_file():
            return 0, 1, 0, seconds
        suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest's own report
    assert suite is not None
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    # pytest's own word counts as well: 5 is no test, 2 to 4 are runs that broke off.
    return total - skipped - failed, failed or int(status not in {0, 5}), skipped, seconds


if __name__ == "__main__":
    raise SystemExit(main())
