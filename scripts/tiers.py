"""Run tiers of tests and say at the end what each of them ran.

They run one after the other, but for the one that only computes: it has the processor time that others leave. So has
what the later tiers build from source. A tier that ran no test has failed: nothing may be skipped without being
counted.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from xml.etree import ElementTree as ET

from builds import PARTS, Builds, unbroken

TIERS = {
    "default": "not runtime and not engine and not cluster and not slow",
    "slow": "slow and not long",
    "runtime": "runtime and not long",
    "engine": "engine and not long",
    "cluster": "cluster and not long",
    "long": "long",
}
# Its cases repeat a proof, on a third broker or with more settings: before an issue is called resolved, not each run.
NOT_IN_ALL = {"long"}

# What passes in a tier with something else in the place of the real part: each line says what may still be wrong, and
# then why. Said after every run of it, so that nobody takes the one for the other.
NOT_PROVEN: dict[str, tuple[str, ...]] = {
    "engine": (
        "that Google Cloud accepts any of it: a stand-in answers, by Google's own descriptions of its APIs",
        "which fields exclude each other, where those do not say it: only what tests/engine/google_api/rules.py has",
        "how Google's provider for Pulumi asks, waits and tries again: one written after its documents runs here",
        (
            "that a cluster's legacyAbac, masterAuth, networkConfig, nodePoolAutoConfig and nodePoolDefaults, and a "
            "pool's config and networkConfig, change in place: none is tried"
        ),
        "that the names which Google's provider makes up for node pools fit: they get names of another form here",
        "how long Google takes: operations and late answers end after a number of questions, not of seconds",
        "that a granted role lets anybody do anything, and what two changes of one cluster at a time do: none is asked",
        "the passwords that Pulumi's provider `random` makes: a stand-in makes them here, of the same length",
        "that Secret Manager's filter of names finds a secret that is taken: a stand-in does as its page says",
        "that GKE writes the broker's Secret, and that pods can log in with it: pods here run nothing",
        "what GKE refuses of PodMonitoring, SecretProviderClass and SecretSync: any content of them is taken here",
        "that KEDA's chart takes its values: a chart with KEDA's kinds and nothing else is installed",
    ),
}

# Tests mostly wait, each in a directory or in containers of its own, also on two cores. Each process of the engine's
# tests has a control plane; those of the cluster share a node, a file of tests each, in namespaces of their own.
ARGUMENTS = {
    # Each process collects all tests, 4 s of a processor, and few of these wait.
    "default": ["-n", "4", "--dist", "worksteal"],
    "slow": ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"],
    # These wait for seven tenths of their time, and hold under a load of 20.
    "runtime": ["-n", "6", "--dist", "worksteal"],
    "engine": ["-n", "3", "--dist", "loadfile"],
    "cluster": ["-n", "3", "--dist", "loadfile"],
    # Those of the cluster stay with one process (tests/cluster/conftest.py).
    "long": ["-n", "3", "--dist", "loadgroup"],
}

# Where a tier's tests are: each process of it would otherwise import and collect all files, 4 s of a processor, and
# 9.5 s where their asserts are still to be rewritten. Used where no path is given; tests/ci/test_tiers.py holds it.
PLACES = {
    "runtime": "tests/runtime tests/consumer tests/observability",
    "engine": "tests/engine",
    "cluster": "tests/cluster",
}

# Every other tier waits at times, two processors idle for seven tenths of `runtime`, and nothing in this one looks at a
# clock. So it begins with the first of them and has what they leave. Its output is shown when it has ended.
COMPUTES = "slow"

# Whether the machine was slow on a day on which something failed is seen by what always takes the longest.
_SLOWEST = ("--durations=5", "--durations-min=5")
_WHY_CHARACTERS = 160
_POLL_SECONDS, _SAY_SECONDS = 1.0, 60.0
# From SIGTERM to SIGKILL: whoever ends a run of CI does not wait much longer.
_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How many tests of a tier passed, failed and were skipped, and the seconds they took."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    failures: tuple[str, ...] = ()
    """Each test that failed, with the first words of why."""


@dataclass(frozen=True, slots=True)
class NotRun:
    """Why a tier did not begin, or did not come to its end."""

    reason: str


Result = Ran | NotRun


def all_tiers() -> list[str]:
    """What `--all` means."""
    return [tier for tier in TIERS if tier not in NOT_IN_ALL]


def too_late(missing: Sequence[str], seconds: float, waited: float, budget: float) -> str | None:
    """Why a tier may no longer begin, or None: only what is built may keep it from running.

    `missing` is still being built, `seconds` have gone by, of which every tier together has `waited` for builds.
    """
    if seconds <= budget:
        return None
    if missing:
        verb = "was" if len(missing) == 1 else "were"
        return f"{' and '.join(missing)} {verb} still being built after {budget / 60:.0f} min"
    if seconds - waited <= budget:
        return f"earlier tiers had waited {waited / 60:.0f} min for what is built, and {budget / 60:.0f} min were over"
    return None


def counted(report: str, status: int, seconds: float) -> Ran:
    """The result of a tier, by pytest's report (JUnit XML) and its exit status."""
    suite = ET.fromstring(report).find("testsuite")  # noqa: S314 - pytest's own report
    assert suite is not None
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    # pytest's own word counts as well: 5 is no test, 2 to 4 are runs that broke off.
    return Ran(total - skipped - failed, failed or int(status not in {0, 5}), skipped, seconds, tuple(_failures(suite)))


def _failures(suite: ET.Element) -> Iterator[str]:
    for case in suite.iter("testcase"):
        for found in (*case.iter("failure"), *case.iter("error")):
            why = (found.get("message") or "").partition("\n")[0][:_WHY_CHARACTERS]
            yield f"{case.get('classname')}::{case.get('name')}: {why}"


def closing(results: Mapping[str, Result]) -> list[str]:
    """The table that a run ends with, and below it what it does not show."""
    lines = ["tier       passed  failed  skipped  seconds"]
    for tier, result in results.items():
        if isinstance(result, Ran):
            counts = f"{result.passed:>6}  {result.failed:>6}  {result.skipped:>7}  {result.seconds:>7.0f}"
            lines.append(f"{tier:<10} {counts}")
    idle = [tier for tier, result in results.items() if isinstance(result, Ran) and result.passed == 0]
    if idle:
        lines.append(f"no test passed in: {', '.join(idle)}")
    ran = [tier for tier, result in results.items() if isinstance(result, Ran)]
    lines += [
        f"FAILED: {tier}: {what}"
        for tier, result in results.items()
        if isinstance(result, Ran)
        for what in result.failures
    ]
    lines += [f"NOT PROVEN: {tier}: {what}" for tier in ran for what in NOT_PROVEN.get(tier, ())]
    lines += [f"NOT RUN: {tier}: {result.reason}" for tier, result in results.items() if isinstance(result, NotRun)]
    return lines


def exit_status(results: Mapping[str, Result]) -> int:
    """0 where something ran, and in each tier that ran something passed and nothing failed."""
    ran = [result for result in results.values() if isinstance(result, Ran)]
    return 0 if ran and all(result.passed and not result.failed for result in ran) else 1


class Commands:
    """Runs what writes reports of tests, and has ended all of it when the block is left, also by a signal.

    Each command has a process group: what it has started is ended with it. Only on a terminal the one in front has
    none, so that Ctrl-C and a debugger's prompt reach it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[str], bool] = {}
        self._ended = False

    def run(self, command: Sequence[str], report: Path, output: IO[str] | None = None) -> Ran:
        """Run one, with its output in a file or in front."""
        report.unlink(missing_ok=True)
        started = time.monotonic()
        process = unbroken(lambda: self._start(command, output))
        if process is None:
            return Ran(0, 1, 0, 0.0)
        status = process.wait()
        with self._lock:
            self._running.pop(process, None)
        seconds = time.monotonic() - started
        return counted(report.read_text(), status, seconds) if report.is_file() else Ran(0, 1, 0, seconds)

    def _start(self, command: Sequence[str], output: IO[str] | None) -> subprocess.Popen[str] | None:
        # Set in many images: each process of each tier would rewrite the asserts of all tests again.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        in_group = output is not None or not sys.stdin.isatty()
        with self._lock:
            if self._ended:
                return None
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                text=True,
                env=environment,
                process_group=0 if in_group else None,
            )
            self._running[process] = in_group
            return process

    def run_tier(
        self,
        tier: str,
        prefix: Sequence[str] = (),
        output: IO[str] | None = None,
        rest: Sequence[str] = (),
        report: Path | None = None,
    ) -> Ran:
        """Run one tier in this process's own environment; what pytest counted is left in `report`, if one is given."""
        with tempfile.TemporaryDirectory() as directory:
            report = report or Path(directory) / "report.xml"
            places = ["-o", f"testpaths={PLACES[tier]}"] if tier in PLACES else []
            options = ["-m", TIERS[tier], f"--junit-xml={report}", *_SLOWEST, *places, *ARGUMENTS.get(tier, []), *rest]
            return self.run([*prefix, ".venv/bin/python", "-m", "pytest", *options], report, output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended, left = True, dict(self._running)
        for number, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, None)):
            for process, in_group in left.items():
                if not in_group:
                    process.send_signal(number)
                    continue
                # A group outlives its first process where something in it does not listen.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            for process in left:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)


Run = Callable[[str, Sequence[str], "IO[str] | None"], Ran]
"""Runs one tier: its name, what comes before the command, and where its output goes."""


class Schedule:
    """The order of the tiers, and when each of them begins."""

    def __init__(self, builds: Builds, commands: Commands, run: Run, began: float, budget: float = math.inf) -> None:
        """`began` is when the budget began, by the monotonic clock; without one a tier waits as long as it must."""
        self._builds, self._commands, self._run, self._began, self._budget = builds, commands, run, began, budget
        self._waited = 0.0

    def run_all(self, tiers: Sequence[str]) -> dict[str, Result]:
        """Run the tiers in their order, as far as what they need is built, but for the one that runs beside them.

        A run that is ended, by SIGTERM or Ctrl-C, says before it goes what it has shown and what not.
        """
        results: dict[str, Result] = {}
        try:
            self._run_all(tiers, results)
        except (KeyboardInterrupt, SystemExit):
            ended = NotRun("the run was ended before this tier was")
            print("", *closing({tier: results.get(tier, ended) for tier in tiers}), sep="\n", flush=True)
            raise
        return {tier: results[tier] for tier in tiers}

    def _run_all(self, tiers: Sequence[str], results: dict[str, Result]) -> None:
        waiting = list(tiers)
        # Left from right to left: what runs in the background has ended before it is waited for.
        with ThreadPoolExecutor(1) as background, tempfile.TemporaryFile("w+") as output, self._commands:
            computing: Future[Ran] | None = None
            if COMPUTES in tiers and len(tiers) > 1:
                waiting.remove(COMPUTES)
                computing = background.submit(self._run, COMPUTES, ["nice", "-n", "19"], output)
            while waiting:
                tier, late = self._next(waiting)
                waiting.remove(tier)
                print(f"\n== {tier} ==\n{machine()}", flush=True)
                if late:
                    print(f"NOT RUN: {late}", flush=True)
                    results[tier] = NotRun(late)
                    continue
                self._builds.say_failures(tier)
                results[tier] = self._run(tier, (), None)
            if computing:
                results[COMPUTES] = _finish(computing, output)

    def _next(self, waiting: Sequence[str]) -> tuple[str, str | None]:
        """The first tier of which nothing is missing, once there is one, or one that is too late, and why."""
        since, said = time.monotonic(), -math.inf
        while True:
            missing = {tier: self._builds.missing(tier) for tier in waiting}
            now = time.monotonic()
            for tier in sorted(waiting, key=lambda tier: bool(missing[tier])):
                late = too_late(missing[tier], now - self._began, self._waited, self._budget)
                if late or not missing[tier]:
                    return tier, late
            if now - said >= _SAY_SECONDS:
                said = now
                print(f"waiting for {' and '.join(missing[waiting[0]])}: {(now - since) / 60:.0f} min", flush=True)
            time.sleep(_POLL_SECONDS)
            self._waited += time.monotonic() - now


def machine() -> str:
    """When it is, and how busy the machine is then: two tiers may run side by side, and somebody else's work beside."""
    loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{datetime.now(UTC):%H:%M:%S} UTC, load {loads} on {os.cpu_count()} processors"


def _finish(computing: Future[Ran], output: IO[str]) -> Ran:
    """The result of what ran beside others, and what it printed."""
    result = computing.result()
    output.seek(0)
    print(f"\n== {COMPUTES}, beside the others ==\n{output.read()}", flush=True)
    return result


def main() -> int:
    """Run the tiers that were asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Run the tests of one tier or of several.")
    parser.add_argument("--tier", action="append", choices=TIERS, help="a tier; may be given more than once")
    parser.add_argument("--all", action="store_true", help=f"every tier but {', '.join(sorted(NOT_IN_ALL))}")
    parser.add_argument("--junit-xml", type=Path, help="leave the report of the one tier there")
    arguments, rest = parser.parse_known_args()
    tiers = all_tiers() if arguments.all else arguments.tier or ["default"]
    if arguments.junit_xml and len(tiers) > 1:
        parser.error("--junit-xml is of one tier; name one with --tier")

    commands = Commands()

    def run(tier: str, prefix: Sequence[str], output: IO[str] | None) -> Ran:
        return commands.run_tier(tier, prefix, output, rest, arguments.junit_xml)

    with Builds(PARTS, tiers) as builds:
        builds.start()
        results = Schedule(builds, commands, run, time.monotonic()).run_all(tiers)
    print("", *closing(results), sep="\n")
    return exit_status(results)


if __name__ == "__main__":
    sys.exit(main())
