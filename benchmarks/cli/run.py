"""Time the command line as whole processes: medians of runs in turn, and ratios taken in the same run.

    .venv/bin/python -m benchmarks.cli.run [--repeats 5]
    .venv/bin/python -m benchmarks.cli.figures              only fill README.md in from results.json again

Writes results.json beside this file and the table in README.md. The comparisons with cdk8s-plus need Node.js, npm and
the network once; without them those rows say so.
"""

from __future__ import annotations

import argparse
import compileall
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import yaml
from benchmarks.cli.figures import write_readme
from benchmarks.harness import EBBTIDE, ROOT, cache, cpu_between, measure, this_machine

HERE = Path(__file__).parent
PYDANTIC = [sys.executable, "-c", "import pydantic, yaml"]
# As the programs beside it: with an HPA.
RENDER = [EBBTIDE, "render", "--stack", "dev"]
COUNTS = (1, 10, 100, 500)
# The SDK modules whose classes a program of this kind would import.
SDK_CLASSES = (
    "import pulumi, pulumi_kubernetes as k, pulumi_gcp as g;"
    "k.apps.v1.Deployment, k.core.v1.Namespace, k.core.v1.ServiceAccount, k.autoscaling.v2.HorizontalPodAutoscaler,"
    "k.policy.v1.PodDisruptionBudget, k.networking.v1.NetworkPolicy, g.container.Cluster, g.container.NodePool,"
    "g.compute.Network, g.compute.Subnetwork, g.compute.Router, g.compute.RouterNat, g.serviceaccount.Account,"
    "g.projects.IAMMember, g.artifactregistry.Repository"
)


@dataclass(frozen=True)
class Comparison:
    """Two commands run in turn, and what their ratio shall be."""

    what: str
    command: list[str]
    reference: str
    reference_command: list[str]
    bound: Literal["at most", "at least"]
    bar: float


@dataclass(frozen=True)
class Cost:
    """What one whole process took: on the clock, and on the processors with its children."""

    seconds: float
    cpu_seconds: float


def run(command: list[str]) -> Cost:
    """Run one process to its end. Raises CalledProcessError if it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(seconds, cpu_between(before, after))


def compare(comparison: Comparison, repeats: int) -> dict[str, object]:
    """Medians of both commands, run in turn after one warm-up each, and the medians of the ratios pair by pair."""
    run(comparison.command)
    run(comparison.reference_command)
    pairs = [(run(comparison.command), run(comparison.reference_command)) for _ in range(repeats)]

    def median(figure: Callable[[Cost, Cost], float], digits: int) -> float:
        return round(statistics.median(figure(own, other) for own, other in pairs), digits)

    return {
        "what": comparison.what,
        "reference": comparison.reference,
        "bound": comparison.bound,
        "bar": comparison.bar,
        "seconds": median(lambda own, _: own.seconds, 3),
        "reference_seconds": median(lambda _, other: other.seconds, 3),
        "ratio": median(lambda own, other: own.seconds / other.seconds, 2),
        "cpu_seconds": median(lambda own, _: own.cpu_seconds, 3),
        "reference_cpu_seconds": median(lambda _, other: other.cpu_seconds, 3),
        "cpu_ratio": median(lambda own, other: own.cpu_seconds / other.cpu_seconds, 2),
    }


def comparisons() -> list[Comparison]:
    """Every pair that can be run here."""
    typer_program = [sys.executable, str(HERE / "bare_typer.py"), "--help"]
    imports, classes = "import pydantic, yaml", "import of the SDK classes"
    found = [
        Comparison("ebbtide --help", [EBBTIDE, "--help"], "a bare typer program", typer_program, "at most", 1.3),
        Comparison("ebbtide check", [EBBTIDE, "check"], imports, PYDANTIC, "at most", 3.5),
        Comparison("ebbtide render", RENDER, imports, PYDANTIC, "at most", 3.5),
        Comparison(
            "ebbtide preview",
            [EBBTIDE, "preview", "--stack", "production"],
            classes,
            [sys.executable, "-c", SDK_CLASSES],
            "at most",
            1.2,
        ),
    ]
    for what, program in (("cdk8s-plus in Python", cdk8s_python()), ("cdk8s-plus in JavaScript", cdk8s_node())):
        if program is not None:
            found.append(Comparison(what, program, "ebbtide render", RENDER, "at least", 3))
    return found


def cdk8s_python() -> list[str] | None:
    """The cdk8s-plus program in Python, installed into a cache; None where there is no Node.js, which jsii runs."""
    if shutil.which("node") is None:
        return None
    home = cache("cdk8s-python")
    python = home / "venv" / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
        requirements = str(HERE / "cdk8s-python" / "requirements.txt")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return [str(python), str(HERE / "cdk8s-python" / "main.py"), str(home / "dist")]


def cdk8s_node() -> list[str] | None:
    """The cdk8s-plus program in JavaScript, installed into a cache; None where there is no npm."""
    if shutil.which("npm") is None:
        return None
    home = cache("cdk8s-node")
    shutil.copytree(HERE / "cdk8s-node", home, dirs_exist_ok=True)
    if not (home / "node_modules").is_dir():
        subprocess.run(["npm", "install", "--silent", "--no-package-lock"], cwd=home, check=True)
    return ["node", str(home / "main.js"), str(home / "dist")]


def many_consumers(directory: Path, count: int) -> None:
    """A copy of this project in which stack `many` has `count` consumers."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    stack = yaml.safe_load((ROOT / "stacks" / "Pulumi.dev.yaml").read_text())
    for config in (project["config"]["defaults"]["default"], stack["config"]):
        key = next(key for key in config if key.removeprefix("ebbtide:") == "consumers")
        consumer = config[key]["githubevents"]
        config[key] = {f"consumer-{number}": consumer for number in range(count)}
    (directory / "stacks").mkdir(parents=True)
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (directory / "stacks" / "Pulumi.many.yaml").write_text(yaml.safe_dump(stack))


def by_consumers(repeats: int) -> list[dict[str, object]]:
    """Time and memory of each command against the number of consumers, and what a consumer adds."""
    commands = [
        ("ebbtide check", ["check", "--stack", "many"], 5),
        ("ebbtide render --format json", ["render", "--stack", "many", "--format", "json"], 5),
        ("ebbtide preview", ["preview", "--stack", "many"], 30),
    ]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in COUNTS:
            many_consumers(Path(temporary) / str(count), count)
        for what, arguments, bar in commands:
            steps = []
            for count in COUNTS:
                command = [EBBTIDE, *arguments, "--project", str(Path(temporary) / str(count))]
                costs = [asdict(run(command)) for _ in range(repeats)]
                medians = {name: round(statistics.median(cost[name] for cost in costs), 3) for name in costs[0]}
                steps.append({"consumers": count, **medians, "mebibytes": round(measure(command).mebibytes, 1)})
            added = (steps[-1]["seconds"] - steps[0]["seconds"]) / (COUNTS[-1] - COUNTS[0]) * 1000
            rows.append({"what": what, "bar_milliseconds": bar, "added_milliseconds": round(added, 2), "steps": steps})
    return rows


def main() -> None:
    """Run every comparison, write the results and fill in the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    # As pip leaves a package. Where PYTHONDONTWRITEBYTECODE is set, an edited module would be compiled at each start.
    compileall.compile_dir(str(ROOT / "infra" / "ebbtide"), quiet=1)
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    results = {
        "machine": this_machine(),
        "revision": revision,
        "repeats": repeats,
        "comparisons": [compare(comparison, repeats) for comparison in comparisons()],
        "by_consumers": by_consumers(repeats),
    }
    text = json.dumps(results, indent=2) + "\n"
    (HERE / "results.json").write_text(text)
    write_readme()
    print(text, end="")


if __name__ == "__main__":
    main()
