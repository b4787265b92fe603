"""What a run of several tiers begins, waits for, leaves out, and says at the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
# Programs, not a package.
sys.path.append(str(ROOT / "scripts"))

from builds import PARTS, SET_UP, Builds, Part  # noqa: E402
from tiers import (  # noqa: E402
    NOT_IN_ALL,
    PLACES,
    TIERS,
    Commands,
    NotRun,
    Ran,
    Schedule,
    all_tiers,
    closing,
    counted,
    exit_status,
    too_late,
)

import ci  # noqa: E402

GOOD, BAD, IDLE = Ran(3, 0, 1, 60.0), Ran(2, 1, 0, 60.0), Ran(0, 0, 4, 1.0)
LATE = NotRun("Pulumi's CLI was still being built after 75 min")
BUDGET = 75 * 60.0


@pytest.mark.parametrize(
    ("missing", "minutes", "waited", "reason"),
    [
        ([], 10, 0, None),
        (["the CLI"], 74, 30, None),
        (["the CLI"], 76, 30, "the CLI was still being built after 75 min"),
        (["the CLI", "the node"], 76, 0, "the CLI and the node were still being built after 75 min"),
        # Nothing was waited for: a slow test is no excuse for one that does not run.
        ([], 80, 0, None),
        ([], 80, 4, None),
        ([], 80, 6, "earlier tiers had waited 6 min for what is built, and 75 min were over"),
    ],
)
def test_only_what_is_still_being_built_keeps_a_tier_from_beginning(
    missing: list[str], minutes: int, waited: int, reason: str | None
) -> None:
    assert too_late(missing, minutes * 60, waited * 60, BUDGET) == reason


def test_without_a_budget_a_tier_waits_for_as_long_as_it_takes() -> None:
    assert too_late(["the CLI"], 1e9, 0, float("inf")) is None


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ({"default": GOOD, "engine": GOOD}, 0),
        ({"default": GOOD, "engine": LATE}, 0),
        ({"default": GOOD, "engine": BAD}, 1),
        ({"default": BAD, "engine": LATE}, 1),
        ({"default": GOOD, "engine": IDLE}, 1),
        ({"default": LATE, "engine": LATE}, 1),
        ({}, 1),
    ],
    ids=["all pass", "one late", "one fails", "one fails and one late", "one skips all", "all late", "none"],
)
def test_a_run_succeeds_if_something_ran_and_all_that_ran_passed(results: dict[str, Ran | NotRun], status: int) -> None:
    assert exit_status(results) == status


def test_the_last_lines_name_what_did_not_run_and_why() -> None:
    lines = closing({"default": GOOD, "slow": IDLE, "engine": LATE})
    assert lines[0].split() == ["tier", "passed", "failed", "skipped", "seconds"]
    assert lines[1].split() == ["default", "3", "0", "1", "60"]
    assert lines[-2] == "no test passed in: slow"
    assert lines[-1] == f"NOT RUN: engine: {LATE.reason}"


def test_what_a_tier_ran_with_something_in_the_place_of_the_real_part_is_said_after_it() -> None:
    said = [line for line in closing({"default": GOOD, "engine": GOOD}) if line.startswith("NOT PROVEN: engine: ")]
    assert any("Google Cloud" in line for line in said)
    assert not [line for line in closing({"default": GOOD, "engine": LATE}) if line.startswith("NOT PROVEN")]


@pytest.mark.parametrize(
    ("suite", "status", "expected"),
    [
        ('tests="9" skipped="2" failures="1" errors="1"', 1, (5, 2, 2)),
        ('tests="9" skipped="2" failures="0" errors="0"', 0, (7, 0, 2)),
        ('tests="0" skipped="0" failures="0" errors="0"', 5, (0, 0, 0)),
        # Interrupted: what ran has passed, and the rest is not known.
        ('tests="9" skipped="0" failures="0" errors="0"', 2, (9, 1, 0)),
    ],
)
def test_a_tier_is_counted_by_its_report_and_by_its_exit_status(
    suite: str, status: int, expected: tuple[int, int, int]
) -> None:
    result = counted(f"<testsuites><testsuite {suite}/></testsuites>", status, 1.0)
    assert (result.passed, result.failed, result.skipped) == expected


def test_the_last_lines_name_each_test_that_failed_and_why() -> None:
    failed = '<testcase classname="tests.a" name="test_b[1]"><failure message="assert 1 == 2&#10;more"/></testcase>'
    error = '<testcase classname="tests.c" name="test_d"><error message="no broker"/></testcase>'
    suite = f'<testsuite tests="3" skipped="0" failures="1" errors="1">{failed}{error}<testcase name="e"/></testsuite>'
    lines = closing({"default": GOOD, "engine": counted(f"<testsuites>{suite}</testsuites>", 1, 1.0)})
    assert [line for line in lines if line.startswith("FAILED")] == [
        "FAILED: engine: tests.a::test_b[1]: assert 1 == 2",
        "FAILED: engine: tests.c::test_d: no broker",
    ]


def test_every_tier_but_the_long_one_is_in_all() -> None:
    assert {*all_tiers(), *NOT_IN_ALL} == set(TIERS)
    assert {"long"} == NOT_IN_ALL


@pytest.mark.slow
def test_a_long_test_is_one_of_the_runtime_tier() -> None:
    """Otherwise the default tier would run it: its expression does not know `long`."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/runtime"]
    collected = [
        subprocess.run([*command, "-m", expression], cwd=ROOT, capture_output=True, text=True, check=False).stdout
        for expression in ("long and runtime", "long and not runtime")
    ]
    assert ["::" in text for text in collected] == [True, False], collected


@pytest.mark.parametrize("tier", PLACES)
def test_every_file_with_a_test_of_a_tier_is_where_that_tier_looks(tier: str) -> None:
    files = [file for file in (ROOT / "tests").rglob("*.py") if f"pytest.mark.{tier}" in file.read_text()]
    places = [ROOT / place for place in PLACES[tier].split()]
    assert files
    assert [str(file) for file in files if not any(file.is_relative_to(place) for place in places)] == []
    assert [place for place in places if not any(file.is_relative_to(place) for file in files)] == []


def test_one_report_is_of_one_tier(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/tiers.py", "--all", f"--junit-xml={tmp_path / 'report.xml'}"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--junit-xml is of one tier; name one with --tier" in refused.stderr


def test_the_report_of_a_tier_is_left_where_it_was_asked_for(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    chosen = ["tests/ci/test_tiers.py", "-k", "without_a_budget", "-n", "0"]
    command = [sys.executable, "scripts/tiers.py", "--junit-xml", str(report), *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].split()[:3] == ["default", "1", "0"]
    assert counted(report.read_text(), 0, 0.0) == Ran(1, 0, 0, 0.0)


def _part(command: str, *tiers: str) -> Part:
    return Part(command, ("sh", "-c", command), frozenset(tiers))


class Recorded:
    """Plays pytest: notes the order in which tiers begin."""

    def __init__(self) -> None:
        self.began: list[str] = []

    def __call__(self, tier: str, prefix: Sequence[str], output: IO[str] | None) -> Ran:
        self.began.append(tier)
        return GOOD


def test_a_tier_begins_when_what_it_needs_is_built_and_not_before(tmp_path: Path) -> None:
    asked, built, run = tmp_path / "asked", tmp_path / "built", Recorded()

    class Asked(Builds):
        """The build ends only once it has been asked for."""

        def missing(self, tier: str) -> list[str]:
            found = super().missing(tier)
            asked.touch()
            return found

    part = _part(f"until [ -e {asked} ]; do sleep 0.05; done; touch {built}", "engine")
    with Asked([part], ["engine"]) as builds:
        builds.start()
        Schedule(builds, Commands(), run, time.monotonic()).run_all(["engine"])
        assert built.exists()
    assert run.began == ["engine"]


@pytest.mark.slow
def test_a_tier_whose_parts_take_too_long_is_left_out_and_the_others_run() -> None:
    run = Recorded()
    with Builds([_part("sleep 60", "engine")], TIERS) as builds:
        builds.start()
        results = Schedule(builds, Commands(), run, time.monotonic() - 10, budget=12).run_all(
            ["default", "engine", "cluster"]
        )
    assert run.began == ["default", "cluster"], "what is built waits for what is not"
    assert isinstance(results["engine"], NotRun)
    assert "sleep 60 was still being built" in results["engine"].reason


def test_a_build_that_fails_excuses_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    run = Recorded()
    with Builds([_part("echo no compiler; exit 3", "engine")], ["engine"]) as builds:
        builds.start()
        results = Schedule(builds, Commands(), run, time.monotonic(), budget=60).run_all(["engine"])
    assert results == {"engine": GOOD}, "what cannot be built has to fail where it is needed"
    assert "no compiler" in capfd.readouterr().out


# As where a process is held up between the start of another one and its writing that down.
HELD_UP = """
import subprocess, time
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        time.sleep(1)
subprocess.Popen = Popen
"""
LEFT = f"""
{HELD_UP}
import sys, time
sys.path.append("scripts")
from builds import Builds, Part
command = f"sh -c 'echo $$ > {{sys.argv[1]}}; exec sleep 600' & wait"
with Builds([Part("a part", ("sh", "-c", command), frozenset({{"engine"}}))], ["engine"]) as builds:
    builds.start()
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_ends_its_builds_with_all_that_they_started(tmp_path: Path, number: signal.Signals) -> None:
    child = tmp_path / "child"
    run = subprocess.Popen([sys.executable, "-c", LEFT, child], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not child.exists() or not child.read_text().strip():
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(number)
    assert run.wait(60) != 0
    _must_end(int(child.read_text()), "a build goes on after the run has ended")


def _must_end(pid: int, otherwise: str) -> None:
    stat, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + 60
    with suppress(FileNotFoundError, ProcessLookupError):
        while stat.read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.05)


ENDED = f"""
{HELD_UP}
import sys, time
from pathlib import Path
sys.path.append("scripts")
from builds import Builds
from tiers import Commands, Ran, Schedule
commands, places = Commands(), Path(sys.argv[1])
def run(tier, prefix, output):
    if tier == "default":
        return Ran(3, 0, 0, 1.0)
    command = f"sh -c 'echo $$ > {{places / tier}}; exec sleep 600' & wait"
    return commands.run(["sh", "-c", command], places / "report", output)
with Builds([], []) as builds:
    Schedule(builds, commands, run, time.monotonic()).run_all(["default", "slow", "runtime", "cluster"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_ends_its_tiers_at_once_and_says_what_it_has_not_shown(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The one in the background as well, with all that both have started: CI is killed soon after it was asked."""
    command = [sys.executable, "-c", ENDED, tmp_path]
    run = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    children = [tmp_path / "slow", tmp_path / "runtime"]
    while not all(child.exists() and child.read_text().strip() for child in children):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(number)
    said, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    lines = said.splitlines()
    assert [line for line in lines if line.startswith("default ")], "what has passed is not forgotten"
    not_run = [line.split(": ")[1] for line in lines if line.startswith("NOT RUN: ")]
    assert not_run == ["slow", "runtime", "cluster"]
    for child in children:
        _must_end(int(child.read_text()), "a tier goes on after the run has ended")


class Overlapping(Recorded):
    """Plays pytest: `slow` ends only when the last of the tiers beside which it runs has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.slow_began, self.last_began = threading.Event(), threading.Event()

    def __call__(self, tier: str, prefix: Sequence[str], output: IO[str] | None) -> Ran:
        if tier == "slow":
            assert prefix[0] == "nice", "what only computes takes time from what looks at a clock"
            self.slow_began.set()
            assert self.last_began.wait(60), "slow keeps the next tier waiting"
        elif tier == "default":
            assert self.slow_began.wait(60), "a processor that waits beside the first tier is not used"
        elif tier == "cluster":
            self.last_began.set()
        return super().__call__(tier, prefix, output)


def test_what_only_computes_runs_beside_all_that_waits() -> None:
    run = Overlapping()
    with Builds([], TIERS) as builds:
        results = Schedule(builds, Commands(), run, time.monotonic()).run_all(all_tiers())
    assert list(results) == all_tiers(), "the table has another order than the documentation"
    assert sorted(run.began) == sorted(all_tiers())


@pytest.mark.slow
def test_what_only_computes_runs_although_every_tier_beside_it_is_too_late() -> None:
    run = Recorded()
    with Builds([_part("sleep 60", "runtime")], TIERS) as builds:
        builds.start()
        results = Schedule(builds, Commands(), run, time.monotonic() - 10, budget=12).run_all(["slow", "runtime"])
    assert results["slow"] == GOOD
    assert isinstance(results["runtime"], NotRun)


def test_what_runs_beside_a_tier_is_waited_for_and_shown_whole() -> None:
    part = _part("echo formatted; sleep 0.2; echo unknown word; exit 3", "runtime")
    with Builds([part], TIERS) as builds:
        builds.start()
        assert builds.ended(part) == (3, "formatted\nunknown word\n")


def _play_ci(monkeypatch: pytest.MonkeyPatch, root: str, budget: float) -> None:
    """A run of CI whose checks fail and whose tiers pass; `root` is how the bare root is built."""
    monkeypatch.setattr(ci, "CHECKS", _part("echo unknown word; exit 3", "runtime"))
    monkeypatch.setattr(ci, "PARTS", ())
    monkeypatch.setattr(ci, "BARE_ROOT", _part(root, "default"))
    monkeypatch.setattr(ci, "BUDGET_SECONDS", budget)
    monkeypatch.setattr(ci, "all_tiers", lambda: ["default", "runtime", "engine"])
    monkeypatch.setattr(ci, "_run_as_a_newcomer", lambda *_: GOOD)
    monkeypatch.setattr(Commands, "run_tier", lambda *_: GOOD)


def test_checks_that_fail_fail_the_run_although_the_default_tier_is_too_late(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _play_ci(monkeypatch, "sleep 600", budget=0.0)
    assert ci.main() == 3
    said = capfd.readouterr().out
    assert "NOT RUN: default: sleep 600 was still being built" in said
    assert said.count("== scripts/check ==\nunknown word\n") == 1


def test_checks_that_fail_are_shown_behind_the_default_tier_and_fail_the_run_with_its_results(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _play_ci(monkeypatch, "true", budget=600.0)
    assert ci.main() == 3
    said = capfd.readouterr().out
    checks = said.index("== scripts/check ==\nunknown word\n")
    assert said.index("== default ==") < checks < said.index("default         3")
    assert said.endswith("FAILED: scripts/check\n")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_part_is_for_tiers_that_exist_and_its_program_is_there(part: Part) -> None:
    assert part.tiers <= set(TIERS)
    command = part.command[len(SET_UP) + 1 :] if part.command[: len(SET_UP)] == SET_UP else part.command
    assert (ROOT / command[0]).is_file()
