"""Measures drains, boots, idling and outages of the consumer image against the simplest correct set-up.

    python -m benchmarks.draining drains --broker redis --seeds 20
    python -m benchmarks.draining boot --rounds 5
    python -m benchmarks.draining wake --rounds 10 --workers 24 --subject ebbtide --subject forked
    python -m benchmarks.draining idle --rounds 3
    python -m benchmarks.draining outage --broker redis --seconds 60
    python -m benchmarks.draining redelivery --broker redis --suite trixie --rounds 1 --subject ebbtide

Needs root on Debian with what tests/runtime needs. Each command adds one file to benchmarks/draining/results/;
`report` prints all of them as the tables of the README.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.draining import measure
from benchmarks.draining.large import large
from tests.runtime.lab import debian, machine
from tests.runtime.lab.application import Application
from tests.runtime.lab.brokers import BROKERS
from tests.runtime.lab.scene import Scene

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
SUBJECTS = ("ebbtide", "auto", "everything", "forked", "simplest")


def main() -> int:
    arguments = parse()
    if arguments.command == "report":
        print_report()
        return 0
    revision = git("rev-parse", "--short", "HEAD")
    # The results of the runs before this one are no change of what is measured.
    revision += (
        "-dirty" if git("status", "--porcelain", "--", ":/", f":(exclude,top){RESULTS.relative_to(ROOT)}") else ""
    )
    machine.prepare((*machine.application_packages(), *machine.ALL))
    with tempfile.TemporaryDirectory(prefix="ebbtide-benchmark-") as directory:
        Path(directory).chmod(0o755)
        source = large(Path(directory)) if arguments.large else machine.EXAMPLE
        application = Application(source, Path(directory), root_of(arguments.suite)).build()
        broker = BROKERS[arguments.broker]()
        try:
            broker.start()
            numbers = range(arguments.first, arguments.first + arguments.times)
            if arguments.command == "idle":
                runs = [one for _ in numbers for one in idle(arguments, application, broker)]
            else:
                runs = [
                    run(arguments, application, broker, subject, number)
                    for number in numbers
                    for subject in arguments.subject or SUBJECTS
                ]
        finally:
            broker.destroy()
    save(arguments, runs, revision)
    return 0


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.draining", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("report")
    for name in ("drains", "boot", "wake", "idle", "outage", "redelivery"):
        command = commands.add_parser(name)
        command.add_argument("--broker", choices=BROKERS, default="redis")
        command.add_argument("--subject", action="append", choices=SUBJECTS, help="all, in turn, if left out")
        command.add_argument("--suite", choices=debian.SYMFONY_LINES, help="another Debian's Symfony")
        command.add_argument("--workers", type=int, default=8 if name == "redelivery" else 70)
        command.add_argument("--seeds", "--rounds", dest="times", type=int, default=5)
        command.add_argument("--first", type=int, default=1, help="the first seed")
        command.add_argument("--most", type=float, default=10, help="the longest message, seconds")
        command.add_argument("--recover", action="store_true", help="redelivery with the image's own recovery")
        command.add_argument("--cpus", type=float, help="boot or wake with a limit on the pod's CPU")
        command.add_argument("--large", action="store_true", help="with 1,500 files of code in each worker")
        command.add_argument("--seconds", type=int, default=60, help="how long an outage lasts")
    return parser.parse_args()


def run(
    arguments: argparse.Namespace,
    application: Application,
    broker: Any,
    subject: str,
    number: int,
) -> dict[str, Any]:
    load = measure.Load(arguments.workers, most=arguments.most, cpus=arguments.cpus)
    with Scene(application, broker) as scene:
        if arguments.command == "drains":
            result: dict[str, Any] = measure.drain(scene, subject, load, number)
        elif arguments.command == "boot":
            result = measure.boot_and_idle(scene, subject, load)
        elif arguments.command == "wake":
            result = measure.wake(scene, subject, load)
        elif arguments.command == "redelivery":
            result = measure.redelivery(scene, load, recover=arguments.recover)
        else:
            result = measure.outage(scene, subject, load, arguments.seconds)
    return told({"subject": subject, **result})


def idle(arguments: argparse.Namespace, application: Application, broker: Any) -> list[dict[str, Any]]:
    with Scene(application, broker) as scene:
        return [told(one) for one in measure.idle_together(scene, measure.Load(arguments.workers))]


def told(result: dict[str, Any]) -> dict[str, Any]:
    one = {"subject": result["subject"], "load_average": round(os.getloadavg()[0], 1), **result}
    print(json.dumps(one), file=sys.stderr, flush=True)
    return one


def root_of(suite: str | None) -> Path | None:
    return debian.file_system(suite, (*machine.application_packages(), "python3")) if suite else None


def save(arguments: argparse.Namespace, runs: list[dict[str, Any]], revision: str) -> None:
    suite = ((arguments.suite,) if arguments.suite else ()) + (("recover",) if arguments.recover else ())
    suite += (("large",) if arguments.large else ()) + ((f"{arguments.cpus:g}-cpu",) if arguments.cpus else ())
    words = (arguments.command, arguments.broker, *suite, *(arguments.subject or ()))
    name = "-".join(words) + (f"-from-{arguments.first}" if arguments.first > 1 else "")
    record = {
        "command": "python -m benchmarks.draining " + " ".join(sys.argv[1:]),
        "revision": revision,
        "measured": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "packages": versions(),
        "broker": arguments.broker,
        "suite": arguments.suite or "this machine's",
        "kind": arguments.command,
        "workers": arguments.workers,
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def versions() -> dict[str, str]:
    asked = ("php-cli", "php-symfony-messenger", "supervisor", "redis-server", "rabbitmq-server", "postgresql", "runc")
    return {
        package: subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
        ).stdout
        for package in asked
    }


def print_report() -> None:
    """Median and extremes of every figure, per file and subject."""
    for path in sorted(RESULTS.glob("*.json")):
        record = json.loads(path.read_text())
        for subject in SUBJECTS:
            runs = [one for one in record["runs"] if one["subject"] == subject]
            if not runs:
                continue
            print(f"\n{path.stem}, {subject}: {len(runs)} runs, {record['workers']} workers")
            for figure in runs[0]:
                values = [one[figure] for one in runs if isinstance(one[figure], int | float)]
                if figure not in ("subject", "seed") and values:
                    missing = f" (none in {len(runs) - len(values)} runs)" if len(values) < len(runs) else ""
                    print(
                        f"  {figure:34} median {statistics.median(values):9.3f}"
                        f"   least {min(values):9.3f}   most {max(values):9.3f}{missing}"
                    )


if __name__ == "__main__":
    raise SystemExit(main())
