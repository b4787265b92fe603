"""Time the simulation as whole processes: medians of alternating runs, and ratios taken in the same run.

    .venv/bin/python benchmarks/simulator/run.py [--repeats 5] [--messages 10000000]

Writes results.json beside this file. SimPy goes into an environment of its own in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from random import Random

import yaml

from ebbtide.capacity.trace import CHUNK_MESSAGES, write_trace

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EBBTIDE = str(Path(sys.executable).with_name("ebbtide"))
ERLANGS = 58
"""Workers that are busy on average, of 70 in a pod: the same for every number of messages."""
DAY_SECONDS = 86_400
SYNC = """
import sys, time
from ebbtide.capacity.hpa import Controller, History, HpaSpec, Metric, PodCounts, PodSamples, Scale
pods, syncs = int(sys.argv[1]), 200_000
controller = Controller(HpaSpec(1, 2 * pods, (Metric("Resource", "Utilization", 60, "cpu"),)))
history, request = History(), 490
begun = time.perf_counter()
for number in range(syncs):
    usage = pods * (290 + number % 7)
    samples = PodSamples(pods, usage, pods * request)
    controller.sync(history, number * 15_000_000, Scale(pods, pods), PodCounts(pods, pods), [samples])
print((time.perf_counter() - begun) / syncs * 1e6)
"""


def drawn(count: int):
    """A day of Poisson arrivals with exponential durations."""
    random = Random(1)
    gap = DAY_SECONDS * 1e6 / count
    mean = ERLANGS * DAY_SECONDS / count
    now, left = 0.0, count
    while left:
        size = min(CHUNK_MESSAGES, left)
        arrivals, durations = array("q"), array("q")
        for _ in range(size):
            now += random.expovariate(1 / gap)
            arrivals.append(int(now))
            durations.append(int(random.expovariate(1 / mean) * 1e6))
        left -= size
        yield arrivals, durations


def measure(command: list[str], **environment: str) -> tuple[float, float, float, str]:
    """Wall and CPU seconds and peak MiB of one whole process, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    script = (
        "import resource, subprocess, sys;"
        "done = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024); print(done.stdout, end='')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak, _, output = done.stdout.partition("\n")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, float(peak), output


def median_of(runs: list[tuple[float, float, float, str]]) -> dict[str, float]:
    """Medians of what was measured."""
    wall, cpu, peak = (statistics.median(run[place] for run in runs) for place in range(3))
    return {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "mebibytes": round(peak)}


def simulation(trace: Path) -> list[str]:
    """The command that is timed: stack production, scaled on the backlog."""
    return [
        EBBTIDE,
        "simulate",
        "-s",
        "production",
        "--load",
        str(trace),
        "--signal",
        "queue=backlog",
        "--format",
        "json",
    ]


def project(directory: Path) -> list[str]:
    """A copy of the project whose consumer scales on the backlog, so that one case is simulated and not two."""
    shutil.copytree(ROOT / "stacks", directory / "stacks")
    document = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    document["config"]["defaults"]["default"]["consumers"]["githubevents"]["autoscaling"]["metrics"] = [
        {"kind": "external", "metric": "queue", "targetAverageValue": 70}
    ]
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(document))
    return ["--project", str(directory)]


def with_simpy() -> str:
    """The interpreter of an environment that has SimPy beside this one's packages."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ebbtide" / "benchmark-simpy"
    python = cache / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "simpy==4.1.1", "pydantic", "PyYAML"], check=True
        )
    return str(python)


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000_000)
    arguments = parser.parse_args()
    results: dict[str, object] = {
        "machine": (
            f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
        ),
        "repeats": arguments.repeats,
    }
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        options = project(directory)
        large, small = directory / "large.trace", directory / "small.trace"
        write_trace(large, drawn(arguments.messages))
        write_trace(small, drawn(arguments.messages // 10))
        simpy = [with_simpy(), str(HERE / "simpy_model.py"), str(small), "70", "1", "5", "70"]
        path = {"PYTHONPATH": str(ROOT / "infra")}
        interpreter = measure([sys.executable, "-c", "pass"])[2]
        measure([*simulation(large), *options], EBBTIDE_KERNEL="accelerated")  # compiled once a machine
        runs: dict[str, list[tuple[float, float, float, str]]] = {}
        for _ in range(arguments.repeats):
            for name, command, environment in (
                (f"{arguments.messages:,}, pure", [*simulation(large), *options], {"EBBTIDE_KERNEL": "pure"}),
                (
                    f"{arguments.messages:,}, accelerated",
                    [*simulation(large), *options],
                    {"EBBTIDE_KERNEL": "accelerated"},
                ),
                (f"{arguments.messages // 10:,}, pure", [*simulation(small), *options], {"EBBTIDE_KERNEL": "pure"}),
                (f"{arguments.messages // 10:,}, SimPy", simpy, path),
            ):
                runs.setdefault(name, []).append(measure(command, **environment))
        results["interpreter_mebibytes"] = round(interpreter)
        results["whole processes"] = {name: median_of(found) for name, found in runs.items()}
        pure, accelerated, few, other = (median_of(found)["cpu_seconds"] for found in runs.values())
        results["same bytes"] = len({run[3] for found in list(runs.values())[:2] for run in found}) == 1
        # SimPy's time grows with the messages, so ten times as many take ten times as long.
        results["SimPy / pure, by CPU"] = {"1 of 10": round(other / few, 1), "all": round(10 * other / pure, 1)}
        results["SimPy / accelerated, by CPU"] = {"all": round(10 * other / accelerated, 1)}
        results["SimPy says"] = runs[list(runs)[3]][0][3].strip()
        sweep = [*simulation(small), *options, "--sweep", "maxReplicas=1..100", "--goal", "p95 < 60s"]
        results["sweep of 100 settings"] = median_of([measure(sweep)])
    for pods in (10, 5000):
        times = [float(measure([sys.executable, "-c", SYNC, str(pods)])[3]) for _ in range(arguments.repeats)]
        results[f"one sync at {pods} pods, us"] = round(statistics.median(times), 2)
    text = json.dumps(results, indent=2) + "\n"
    (HERE / "results.json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
