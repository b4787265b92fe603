"""Time the command line as whole processes: medians of alternating runs, and ratios taken in the same run.

    .venv/bin/python benchmarks/cli/run.py [--repeats 5]

Writes results.json beside this file. Needs Node.js and npm for the comparison with cdk8s-plus; without them that row
says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EBBTIDE = str(Path(sys.executable).with_name("ebbtide"))
COUNTS = (1, 10, 100, 500)
# The SDK modules whose classes a program of this kind would import.
SDK_CLASSES = (
    "import pulumi, pulumi_kubernetes as k, pulumi_gcp as g;"
    "k.apps.v1.Deployment, k.core.v1.Namespace, k.core.v1.ServiceAccount, k.autoscaling.v2.HorizontalPodAutoscaler,"
    "k.policy.v1.PodDisruptionBudget, k.networking.v1.NetworkPolicy, g.container.Cluster, g.container.NodePool,"
    "g.compute.Network, g.compute.Subnetwork, g.compute.Router, g.compute.RouterNat, g.serviceaccount.Account,"
    "g.projects.IAMMember, g.artifactregistry.Repository"
)


def seconds(command: list[str], cwd: Path = ROOT) -> float:
    """The wall time of one whole process, in seconds. Raises CalledProcessError if it fails."""
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def compare(command: list[str], reference: list[str], repeats: int) -> dict[str, float]:
    """Medians of both in seconds, run in turn after one warm-up each, and the median of the ratios pair by pair."""
    seconds(command)
    seconds(reference)
    pairs = [(seconds(command), seconds(reference)) for _ in range(repeats)]
    return {
        "seconds": round(statistics.median(own for own, _ in pairs), 3),
        "reference_seconds": round(statistics.median(other for _, other in pairs), 3),
        "ratio": round(statistics.median(own / other for own, other in pairs), 2),
    }


def cdk8s() -> list[str] | None:
    """The cdk8s-plus program, installed into a cache; None where there is no npm."""
    if shutil.which("npm") is None:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ebbtide" / "benchmark-cdk8s"
    if not (cache / "node_modules").is_dir():
        shutil.copytree(HERE / "cdk8s", cache, dirs_exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-package-lock"], cwd=cache, check=True)
    shutil.copy(HERE / "cdk8s" / "main.js", cache)
    return ["node", str(cache / "main.js"), str(cache / "dist")]


def many_consumers(directory: Path, count: int) -> None:
    """A copy of this project in which stack `many` has `count` consumers."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    defaults = project["config"]["defaults"]["default"]
    consumer = defaults["consumers"]["githubevents"]
    defaults["consumers"] = {f"consumer-{number}": consumer for number in range(count)}
    (directory / "stacks").mkdir(parents=True)
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    shutil.copy(ROOT / "stacks" / "Pulumi.dev.yaml", directory / "stacks" / "Pulumi.many.yaml")
    text = (directory / "stacks" / "Pulumi.many.yaml").read_text().partition("  ebbtide:consumers:")[0]
    (directory / "stacks" / "Pulumi.many.yaml").write_text(text)


def peak_mebibytes(command: list[str]) -> float:
    """Peak resident memory of one process, in MiB, as the kernel accounts a finished child."""
    script = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def scaling(repeats: int) -> dict[str, list[dict[str, float]]]:
    """Time and memory of each command against the number of consumers."""
    commands = {
        "check": ["check", "--stack", "many"],
        "render json": ["render", "--stack", "many", "--format", "json"],
        "preview": ["preview", "--stack", "many"],
    }
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as temporary:
        for count in COUNTS:
            directory = Path(temporary) / str(count)
            many_consumers(directory, count)
            for name, arguments in commands.items():
                command = [EBBTIDE, *arguments, "--project", str(directory)]
                times = [seconds(command) for _ in range(repeats)]
                row = {"consumers": count, "seconds": round(statistics.median(times), 3)}
                rows[name].append({**row, "mebibytes": round(peak_mebibytes(command), 1)})
    return rows


def main() -> None:
    """Run every comparison and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    pydantic = [sys.executable, "-c", "import pydantic, yaml"]
    system = f"{platform.system()} {platform.release()}"
    results: dict[str, object] = {
        "machine": f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}",
        "repeats": repeats,
        "--help / bare typer": compare(
            [EBBTIDE, "--help"], [sys.executable, str(HERE / "bare_typer.py"), "--help"], repeats
        ),
        "check / import pydantic, yaml": compare([EBBTIDE, "check"], pydantic, repeats),
        "render / import pydantic, yaml": compare([EBBTIDE, "render", "--stack", "production"], pydantic, repeats),
        "preview / import of the SDK classes": compare(
            [EBBTIDE, "preview", "--stack", "production"], [sys.executable, "-c", SDK_CLASSES], repeats
        ),
    }
    program = cdk8s()
    results["cdk8s-plus / render"] = (
        compare(program, [EBBTIDE, "render", "--stack", "production"], repeats) if program else "no npm here"
    )
    results["by consumers"] = scaling(repeats)
    text = json.dumps(results, indent=2) + "\n"
    (HERE / "results.json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
