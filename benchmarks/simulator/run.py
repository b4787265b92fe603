"""Time the simulation as whole processes: medians of alternating runs, and ratios taken in the same run.

    .venv/bin/python benchmarks/simulator/run.py [--repeats 5] [--messages 10000000]

Writes results.json beside this file. SimPy goes into an environment of its own in the cache.
"""

from __future__ import annotations

import argparse
import json
import math
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
from collections.abc import Iterator
from pathlib import Path
from random import Random

import yaml

from ebbtide.capacity.trace import CHUNK_MESSAGES, write_trace

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EBBTIDE = str(Path(sys.executable).with_name("ebbtide"))
DAY_SECONDS = 86_400
MEAN_SECONDS, VARIATION = 2.0, 1.3
"""Lognormal durations: their mean, and their deviation over their mean."""
PEAK_OVER_TROUGH = 3.0
PROCESSES, MOST_PODS, WAITING_PER_POD = 4, 200, 20
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


def drawn(count: int) -> Iterator[tuple[array[int], array[int]]]:
    """A day of Poisson arrivals whose rate swings once, and lognormal durations, in microseconds."""
    random = Random(1)
    rate = count / DAY_SECONDS
    swing = (PEAK_OVER_TROUGH - 1) / (PEAK_OVER_TROUGH + 1)
    sigma = math.sqrt(math.log(1 + VARIATION**2))
    mu = math.log(MEAN_SECONDS) - sigma**2 / 2
    now, left = 0.0, count
    while left:
        size = min(CHUNK_MESSAGES, left)
        arrivals, durations = array("q"), array("q")
        for _ in range(size):
            now += random.expovariate(rate * (1 - swing * math.cos(2 * math.pi * now / DAY_SECONDS)))
            arrivals.append(int(now * 1e6))
            durations.append(int(random.lognormvariate(mu, sigma) * 1e6))
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


def simulation(trace: Path, project: Path) -> list[str]:
    """The command that is timed."""
    options = ["--load", str(trace), "--signal", "queue=backlog", "--format", "json", "--project", str(project)]
    return [EBBTIDE, "simulate", "-s", "production", *options]


def write_project(directory: Path) -> None:
    """This project with a consumer that queues: few workers a pod, scaled on the backlog between 1 and 200 pods."""
    shutil.copytree(ROOT / "stacks", directory / "stacks")
    document = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    consumer = document["config"]["defaults"]["default"]["consumers"]["githubevents"]
    consumer["worker"].update(processes=PROCESSES, messageLimit=10_000)
    consumer["shutdown"] = {"longestMessage": "60s"}
    consumer["transport"]["redeliverTimeout"] = "100s"
    consumer["resources"] = {"cpu": {"request": "100m"}, "memory": {"request": "700Mi"}}
    metric = {"kind": "external", "metric": "queue", "targetAverageValue": WAITING_PER_POD}
    consumer["autoscaling"] = {"kind": "hpa", "minReplicas": 1, "maxReplicas": MOST_PODS, "metrics": [metric]}
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(document))


def simulated_outcome(output: str) -> str:
    """What the simulation says of the same three figures."""
    figures = json.loads(output)["cases"][0]["figures"]
    names = ("wait_mean_seconds", "wait_max_seconds", "peak_pods")
    return " ".join(f"{figures[name]['middle']:g}" for name in names)


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
        write_project(directory)
        large, small = directory / "large.trace", directory / "small.trace"
        write_trace(large, drawn(arguments.messages))
        write_trace(small, drawn(arguments.messages // 10))
        model = [str(HERE / "simpy_model.py"), *map(str, (PROCESSES, 1, MOST_PODS, WAITING_PER_POD))]
        simpy, path = [with_simpy(), *model], {"PYTHONPATH": str(ROOT / "infra")}
        all_of_them, tenth = simulation(large, directory), simulation(small, directory)
        measure(all_of_them, EBBTIDE_KERNEL="accelerated")  # compiled once a machine
        cases = {
            f"{arguments.messages:,}, pure": (all_of_them, {"EBBTIDE_KERNEL": "pure"}),
            f"{arguments.messages:,}, accelerated": (all_of_them, {"EBBTIDE_KERNEL": "accelerated"}),
            f"{arguments.messages // 10:,}, pure": (tenth, {"EBBTIDE_KERNEL": "pure"}),
            f"{arguments.messages // 10:,}, SimPy": ([*simpy, str(small)], path),
        }
        runs: dict[str, list[tuple[float, float, float, str]]] = {}
        for number in range(arguments.repeats):
            for name, (command, environment) in cases.items():
                runs.setdefault(name, []).append(measure(command, **environment))
                print(f"{number + 1}/{arguments.repeats} {name}: {runs[name][-1][0]:.2f} s", file=sys.stderr)
        slow = measure([*simpy, str(large)], **path)
        medians = {name: median_of(found) for name, found in runs.items()}
        medians[f"{arguments.messages:,}, SimPy, once"] = median_of([slow])
        pure, accelerated, *_ = (found["cpu_seconds"] for found in medians.values())
        results["interpreter_mebibytes"] = round(measure([sys.executable, "-c", "pass"])[2])
        results["whole processes"] = medians
        results["same bytes"] = len({run[3] for found in list(runs.values())[:2] for run in found}) == 1
        results["SimPy / pure, by CPU"] = round(slow[1] / pure, 1)
        results["SimPy / accelerated, by CPU"] = round(slow[1] / accelerated, 1)
        results["SimPy's mean wait, longest wait, most pods"] = slow[3].strip()
        results["ebbtide's"] = simulated_outcome(runs[next(iter(runs))][0][3])
        sweep = [*tenth, "--sweep", "maxReplicas=1..100", "--goal", "p95 < 60s"]
        results["sweep of 100 settings"] = median_of([measure(sweep)])
    for pods in (10, 5000):
        times = [float(measure([sys.executable, "-c", SYNC, str(pods)])[3]) for _ in range(arguments.repeats)]
        results[f"one sync at {pods} pods, us"] = round(statistics.median(times), 2)
    text = json.dumps(results, indent=2) + "\n"
    (HERE / "results.json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
