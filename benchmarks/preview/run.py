"""Time the review of a large plan as whole processes: 500 changed Deployments, one of them dangerous.

    .venv/bin/python -m benchmarks.preview.run [--repeats 5] [--resources 500]

The plan is a recorded one of the real engine (tests/engine/plans) with its Deployment repeated under other names.
Writes results.json beside this file, and the table in README.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import EBBTIDE, ROOT, fill_readme, this_machine

HERE = Path(__file__).parent
RECORDED = ROOT / "tests" / "engine" / "plans" / "local-new-image.json"
GITHUB_LIMIT = 65_536
BAR_SECONDS = 1.0


def renamed(step: dict[str, Any], number: int) -> dict[str, Any]:
    """The step for a Deployment of another name."""
    text = json.dumps(step).replace("githubevents", f"consumer-{number}")
    again: dict[str, Any] = json.loads(text)
    return again


def write_plan(file: Path, count: int) -> None:
    """A plan of `count` changed Deployments; the last one also loses its grace period."""
    plan = json.loads(RECORDED.read_text())
    update = next(step for step in plan["steps"] if step["op"] == "update")
    steps = [renamed(update, number) for number in range(count)]
    if steps:
        last = copy.deepcopy(steps[-1])
        last["newState"]["inputs"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
        last["detailedDiff"]["spec.template.spec.terminationGracePeriodSeconds"] = {"kind": "update", "inputDiff": True}
        steps[-1] = last
    plan["steps"] = [step for step in plan["steps"] if step["op"] == "same"] + steps
    plan["changeSummary"] = {"same": len(plan["steps"]) - count, "update": count}
    file.write_text(json.dumps(plan))


def review(plan: Path) -> tuple[float, str]:
    """Wall seconds of one whole process, and the comment."""
    began = time.perf_counter()
    done = subprocess.run(
        [EBBTIDE, "preview", "--stack", "local", "--plan", str(plan), "--format", "markdown"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - began, done.stdout


def write_table(results: dict[str, Any], count: int) -> None:
    """Put the figures between the markers of README.md."""
    rows = [
        (f"{count} changes", f"{results[f'{count} changes, seconds']} s", ""),
        ("no change", f"{results['no change, seconds']} s", ""),
        ("after start-up", f"{results['after start-up, seconds']} s", f"under {BAR_SECONDS:g} s"),
        ("the comment", f"{results['characters']:,} characters", f"under {GITHUB_LIMIT:,}"),
        ("danger first", "yes" if results["danger first"] else "no", "yes"),
    ]
    lines = [
        f"{results['machine']}; medians of {results['repeats']} runs.",
        "",
        "| figure | measured | bar |",
        "|---|--:|--:|",
    ]
    lines += [f"| {figure} | {measured} | {bar} |" for figure, measured, bar in rows]
    fill_readme(HERE, "\n".join(lines))


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--resources", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        many, none = Path(temporary) / "many.json", Path(temporary) / "none.json"
        write_plan(many, arguments.resources)
        write_plan(none, 0)
        review(many)
        runs = [(review(many), review(none)) for _ in range(arguments.repeats)]
    comment = runs[0][0][1]
    rows = [line for line in comment.splitlines() if line.startswith("| ") and " danger " in line]
    results = {
        "machine": this_machine(),
        "repeats": arguments.repeats,
        f"{arguments.resources} changes, seconds": round(statistics.median(run[0][0] for run in runs), 3),
        "no change, seconds": round(statistics.median(run[1][0] for run in runs), 3),
        "after start-up, seconds": round(statistics.median(run[0][0] - run[1][0] for run in runs), 3),
        "characters": len(comment),
        "under GitHub's limit": len(comment) < GITHUB_LIMIT,
        "danger first": bool(rows) and f"consumer-{arguments.resources - 1}" in rows[0],
    }
    text = json.dumps(results, indent=2) + "\n"
    (HERE / "results.json").write_text(text)
    write_table(results, arguments.resources)
    print(text, end="")


if __name__ == "__main__":
    main()
