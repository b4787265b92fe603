"""Time the simulation as whole processes: medians of alternating runs, and ratios taken in the same run.

    .venv/bin/python -m benchmarks.simulator.run [--repeats 5] [--messages 10000000]
    .venv/bin/python -m benchmarks.simulator.run --keda
    .venv/bin/python -m benchmarks.simulator.run --table

Writes results.json beside this file and from it the tables of README.md; the latter alone with --table. With --keda it
measures only what KEDA costs, and keeps the other results. SimPy goes into an environment of its own in the cache.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from textwrap import fill
from typing import Any

import yaml
from benchmarks.harness import EBBTIDE, ROOT, Process, cache, fill_readme, measure, this_machine
from pydantic.alias_generators import to_camel

from ebbtide.capacity.measured import Measured
from ebbtide.capacity.runs import LoadSource, Run
from ebbtide.capacity.trace import CHUNK_MESSAGES, write_trace
from ebbtide.settings.loading.loader import read_stack

HERE = Path(__file__).parent
DAY_SECONDS = 86_400
MEAN_SECONDS, VARIATION = 2.0, 1.3
"""Lognormal durations: their mean, and their deviation over their mean."""
PEAK_OVER_TROUGH = 3.0
PROCESSES, MOST_PODS, WAITING_PER_POD = 4, 200, 20
METRIC = {"kind": "external", "metric": "queue", "targetAverageValue": WAITING_PER_POD}
HPA = {"kind": "hpa", "minReplicas": 1, "maxReplicas": MOST_PODS, "metrics": [METRIC]}
KEDA = {"kind": "keda", "maxReplicas": MOST_PODS, "messagesPerWorker": WAITING_PER_POD // PROCESSES}
"""As many messages a pod, those in flight among them; down to zero, and a poll every 10 s."""
KEDA_AND_ITS_LIKE = {
    "HPA": ("HPA", "--signal=queue=backlog"),
    "HPA alike": ("HPA", "--signal=queue=backlogAndInFlight", "--measured", "metricLagSeconds={queue: 0}"),
    "KEDA": ("KEDA",),
}
"""The benchmark's consumer; the same where the HPA counts what KEDA counts, as soon; and with KEDA. The first makes
twice the pods of the others: more work around the queue, which says nothing of what an autoscaler costs."""
KERNELS = {"Python": "pure", "C": "accelerated"}
COLD = Measured(warm_up_seconds=0)
"""SimPy's model knows no warm-up."""
FIGURES = {
    "wait_mean_seconds": "mean wait, s",
    "wait_p50_seconds": "half of the messages wait at most, s",
    "wait_p95_seconds": "95 %, s",
    "wait_p99_seconds": "99 %, s",
    "wait_max_seconds": "longest wait, s",
    "peak_waiting": "largest backlog at a sync",
    "peak_replicas": "most pods",
    "cut_off": "cut off by the grace period",
    "pod_hours": "pod-hours",
}
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


def median_of(runs: list[Process]) -> dict[str, float]:
    """Medians of what was measured."""
    wall, cpu, peak = (statistics.median(run[place] for run in runs) for place in range(3))
    return {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "mebibytes": round(peak)}


def simulation(trace: Path, project: Path, *options: str) -> list[str]:
    """The command that is timed. `options` say what an HPA's metrics count; KEDA's triggers say it themselves."""
    given = ["--load", str(trace), "--format", "json", "--project", str(project), *options]
    return [EBBTIDE, "simulate", "-s", "production", *given, "--measured", "warmUpSeconds=0"]


def write_project(directory: Path, autoscaling: dict[str, Any]) -> None:
    """This project with a consumer that queues: few workers a pod, and at most 200 pods."""
    shutil.copytree(ROOT / "stacks", directory / "stacks")
    document = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    consumer = document["config"]["defaults"]["default"]["consumers"]["githubevents"]
    consumer["worker"].update(processes=PROCESSES, messageLimit=10_000)
    consumer["shutdown"] = {"longestMessage": "60s"}
    consumer["transport"].update(redeliverTimeout="100s", address="redis.brokers:6379")
    consumer["resources"] = {"cpu": {"request": "100m"}, "memory": {"request": "700Mi"}}
    consumer["autoscaling"] = autoscaling
    document["config"]["defaults"]["default"]["cluster"]["keda"] = "existing"
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(document))


def scenario_of(trace: Path, project: Path) -> bytes:
    """What the simulation makes of the project, for SimPy."""
    stack = read_stack("production", project).settings
    run = Run(stack, next(iter(stack.consumers)), LoadSource(trace, None, (("queue", "backlog"),), COLD))
    return pickle.dumps(run.scenario)


def figures_of(output: str) -> dict[str, float]:
    """What the simulation says of the figures that SimPy's model has too."""
    figures = json.loads(output)["cases"][0]["figures"]
    return {name: figures[to_camel(name)]["middle"] for name in FIGURES}


def drains_of(output: str) -> int:
    """How many pods a simulation ended."""
    drains: int = json.loads(output)["cases"][0]["figures"]["drains"]["middle"]
    return drains


def with_simpy() -> str:
    """The interpreter of an environment that has SimPy beside this one's packages."""
    home = cache("simpy")
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "simpy==4.1.1", "pydantic", "PyYAML"], check=True
        )
    return str(python)


def compare_keda(repeats: int, messages: int) -> dict[str, Any]:
    """The same consumer with both HPAs and with KEDA, in turns: medians of CPU seconds, for both sizes and kernels, and
    how many pods each made."""
    before, sizes = os.getloadavg()[0], (messages, messages // 10)
    runs: dict[str, list[Process]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        write_project(directory / "HPA", HPA)
        write_project(directory / "KEDA", KEDA)
        for size in sizes:
            write_trace(directory / f"{size}.trace", drawn(size))
        for number, size, (kernel, name) in product(range(repeats), sizes, KERNELS.items()):
            for kind, (project, *options) in KEDA_AND_ITS_LIKE.items():
                command = simulation(directory / f"{size}.trace", directory / project, *options)
                runs.setdefault(f"{size:,}, {kernel}, {kind}", []).append(measure(command, EBBTIDE_KERNEL=name))
            print(f"{number + 1}/{repeats} {size:,}, {kernel}: {', '.join(KEDA_AND_ITS_LIKE)}", file=sys.stderr)
    outputs = [{run.output for kernel in KERNELS for run in runs[f"{size:,}, {kernel}, KEDA"]} for size in sizes]
    return {
        "machine": this_machine(),
        "repeats": repeats,
        "load average before and after": [round(load, 1) for load in (before, os.getloadavg()[0])],
        "CPU seconds": {name: median_of(found)["cpu_seconds"] for name, found in runs.items()},
        "pods that drained": {name: drains_of(found[0].output) for name, found in runs.items()},
        "same bytes with Python and with C": all(len(found) == 1 for found in outputs),
    }


def keda_table(results: dict[str, Any]) -> list[str]:
    """What KEDA costs, as lines of a table."""
    found, (before, after) = results["CPU seconds"], results["load average before and after"]
    busy = f"Load average {before} before and {after} after: only what stands in one row can be compared."
    lines = [
        fill(f"{results['machine']}; medians of {results['repeats']} runs in turns. {busy}", 120),
        "",
        "| whole processes: CPU | HPA | HPA alike | KEDA | bar | KEDA over HPA | over the HPA alike |",
        "|---|---|---|---|---|---|---|",
    ]
    names = list(dict.fromkeys(name.rpartition(", ")[0] for name in found))
    largest = names[0].partition(", ")[0]
    for name in names:
        hpa, alike, keda = (found.get(f"{name}, {kind}") for kind in KEDA_AND_ITS_LIKE)
        bar = "1.1x" if name.startswith(largest) else ""
        ratios = [f"{keda / other:.2f}x" if other else "not yet measured" for other in (hpa, alike)]
        taken = [f"{one:.2f} s" if one else "" for one in (hpa, alike, keda)]
        lines.append(f"| {' | '.join([name.replace(', ', ' messages, '), *taken, bar, *ratios])} |")
    for name, of_kind in _pods(results).items():
        lines.append(f"| pods that drained, {name} messages | {' | '.join(of_kind)} | | | |")
    same = "yes" if results["same bytes with Python and with C"] else "**no**"
    return [*lines, f"| the same bytes with Python and with C | | | | yes | {same} | |"]


def _pods(results: dict[str, Any]) -> dict[str, list[str]]:
    """Of each size, how many pods drained with each autoscaler."""
    found = results.get("pods that drained", {})
    sizes = dict.fromkeys(name.partition(", ")[0] for name in found)
    return {size: [f"{found[f'{size}, C, {kind}']:,}" for kind in KEDA_AND_ITS_LIKE] for size in sizes}


def run_all(repeats: int, messages: int) -> dict[str, object]:
    """Every measurement. Runs that are compared take turns."""
    large, tenth = f"{messages:,}", f"{messages // 10:,}"
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        write_project(directory, HPA)
        traces = {large: directory / "large.trace", tenth: directory / "small.trace"}
        write_trace(traces[large], drawn(messages))
        write_trace(traces[tenth], drawn(messages // 10))
        (directory / "scenario").write_bytes(scenario_of(traces[tenth], directory))
        ebbtide = {name: simulation(trace, directory, "--signal=queue=backlog") for name, trace in traces.items()}
        pure, compiled = ({"EBBTIDE_KERNEL": name} for name in KERNELS.values())
        measure(ebbtide[tenth], **compiled)  # compiled once a machine
        cases = {
            f"{large}, Python": (ebbtide[large], pure),
            f"{large}, C": (ebbtide[large], compiled),
            f"{tenth}, Python": (ebbtide[tenth], pure),
            f"{tenth}, C": (ebbtide[tenth], compiled),
        }
        runs: dict[str, list[Process]] = {}
        for number in range(repeats):
            for name, (command, environment) in cases.items():
                runs.setdefault(name, []).append(measure(command, **environment))
                print(f"{number + 1}/{repeats} {name}: {runs[name][-1].seconds:.2f} s", file=sys.stderr)
        simpy, path = [with_simpy(), str(HERE / "simpy_model.py")], {"PYTHONPATH": str(ROOT / "infra")}
        for idiom in ("interrupts", "events"):
            command = [*simpy, idiom, str(directory / "scenario"), str(traces[large])]
            runs[f"{large}, SimPy, {idiom}"] = [measure(command, **path)]
            print(f"{large}, SimPy, {idiom}: {runs[f'{large}, SimPy, {idiom}'][-1].seconds:.2f} s", file=sys.stderr)
        sweep = [*ebbtide[tenth], "--sweep", "maxReplicas=1..100", "--goal", "p95 < 60s"]
        sweeps = {"Python": median_of([measure(sweep, **pure)]), "C": median_of([measure(sweep, **compiled)])}
    medians = {name: median_of(found) for name, found in runs.items()}
    cpu = {name: found["cpu_seconds"] for name, found in medians.items()}
    return {
        "whole processes": medians,
        "interpreter, MiB": round(measure([sys.executable, "-c", "pass"]).mebibytes),
        "same bytes with Python and with C": len(
            {run.output for kernel in KERNELS for run in runs[f"{large}, {kernel}"]}
        )
        == 1,
        "SimPy's CPU over ours": {
            f"{idiom}, {kernel}": round(cpu[f"{large}, SimPy, {idiom}"] / cpu[f"{large}, {kernel}"], 1)
            for idiom in ("interrupts", "events")
            for kernel in KERNELS
        },
        "figures": {
            "ebbtide": figures_of(runs[f"{large}, Python"][0].output),
            **{
                f"SimPy, {idiom}": json.loads(runs[f"{large}, SimPy, {idiom}"][0].output)
                for idiom in ("interrupts", "events")
            },
        },
        "sweep of 100 settings": sweeps,
        "one sync, us": {pods: sync_cost(pods, repeats) for pods in ("10", "5000")},
    }


def sync_cost(pods: str, repeats: int) -> float:
    """Median microseconds of one decision of the controller."""
    return round(
        statistics.median(float(measure([sys.executable, "-c", SYNC, pods]).output) for _ in range(repeats)), 2
    )


def tables(results: dict[str, Any]) -> str:
    """The README's tables."""
    runs, ratios = results["whole processes"], results["SimPy's CPU over ours"]
    large, tenth = (next(iter(runs)).partition(", ")[0], list(runs)[2].partition(", ")[0])
    spare = results["interpreter, MiB"]

    def seconds(name: str) -> str:
        return f"{runs[name]['seconds']:.2f} s ({runs[name]['cpu_seconds']:.2f})"

    def memory(name: str) -> str:
        return f"{runs[name]['mebibytes'] - spare:.0f} MiB"

    sweep = {
        name: f"{found['seconds']:.1f} s ({found['cpu_seconds']:.1f})"
        for name, found in results["sweep of 100 settings"].items()
    }
    few, many = results["one sync, us"].values()
    rows = [
        (f"{large} messages, Python", "8 s", seconds(f"{large}, Python")),
        (f"{large} messages, C", "2 s", seconds(f"{large}, C")),
        (
            "memory above the interpreter: Python, C",
            "256 MiB",
            f"{memory(f'{large}, Python')}, {memory(f'{large}, C')}",
        ),
        (f"{tenth} messages, Python", "1 s", seconds(f"{tenth}, Python")),
        (f"{tenth} messages, C", "", seconds(f"{tenth}, C")),
        (
            "the same bytes with Python and with C",
            "yes",
            "yes" if results["same bytes with Python and with C"] else "**no**",
        ),
        ("a sweep of 100 settings, " + tenth + " messages each: Python, C", "60 s", f"{sweep['Python']}, {sweep['C']}"),
        ("one decision of the controller at 10 and at 5,000 pods", "within 2x", f"{few} us, {many} us"),
        (f"{large} messages, SimPy with interrupts", "", seconds(f"{large}, SimPy, interrupts")),
        (f"{large} messages, SimPy with events", "", seconds(f"{large}, SimPy, events")),
        (
            "CPU of SimPy over Python's: interrupts, events",
            "20x",
            f"{ratios['interrupts, Python']}x, {ratios['events, Python']}x",
        ),
        ("CPU of SimPy over C's: interrupts, events", "80x", f"{ratios['interrupts, C']}x, {ratios['events, C']}x"),
    ]
    before, after = results["load average before and after"]
    busy = f"Load average {before} before and {after} after."
    lines = [
        fill(f"{results['machine']}; medians of {results['repeats']} runs, SimPy and sweeps once. {busy}", 120),
        "",
    ]
    lines += ["| whole processes: wall clock (CPU) | bar | measured |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    columns = results["figures"]
    lines += ["", f"| what {large} messages meet | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, words in FIGURES.items():
        numbers = (found[name] for found in columns.values())
        shown = (f"{number:,}" if isinstance(number, int) else f"{number:,.2f}" for number in numbers)
        lines.append(f"| {words} | {' | '.join(shown)} |")
    lines += ["", *keda_table(results["with KEDA"])]
    return "\n".join(lines)


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--keda", action="store_true", help="measure only what KEDA costs")
    parser.add_argument("--table", action="store_true", help="only write the tables of README.md anew")
    arguments = parser.parse_args()
    file = HERE / "results.json"
    if arguments.table:
        results = json.loads(file.read_text())
    elif arguments.keda:
        results = {**json.loads(file.read_text()), "with KEDA": compare_keda(arguments.repeats, arguments.messages)}
    else:
        before = os.getloadavg()[0]
        found = run_all(arguments.repeats, arguments.messages)
        found["load average before and after"] = [round(load, 1) for load in (before, os.getloadavg()[0])]
        found["with KEDA"] = compare_keda(arguments.repeats, arguments.messages)
        results = {"machine": this_machine(), "repeats": arguments.repeats, **found}
    file.write_text(json.dumps(results, indent=2) + "\n")
    figures = tables(results)
    fill_readme(HERE, figures)
    print(figures)


if __name__ == "__main__":
    main()
