"""A set-up that broke is finished by the next one, and says in one line what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Stands in for Python and its pip, which take half a minute: it fails at the step that $BREAK names, or waits there.
_STAND_IN = """#!/bin/sh
case "$*" in
  *"-m venv"*) step=venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *"import pip"*) step=look; [ -e .venv/pip ] || exit 1 ;;
  *--require-hashes*) step=packages ;;
  *"-e ."*) step=editable ;;
  *compileall*.venv/lib*) step=libraries ;;
  *compileall*) step=compile ;;
  *-c*) exec "$REAL" "$@" ;;
esac
echo "$step" >>steps
if [ "$BREAK" = "$step" ]; then echo "$SAYS" >&2; $THEN; fi
if [ $step = venv ]; then touch .venv/pip; fi
if [ $step = look ]; then exec "$REAL" -c "${2#import pip; }"; fi
"""


class Checkout:
    """A directory with the script, locks and a Python that can be broken."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen = 0
        (directory / "scripts").mkdir()
        (directory / "infra" / "ebbtide").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup", directory / "scripts" / "setup")
        for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
            (directory / name).write_text(f"{name}\n")
        self.python = directory / "stand-in"
        self.python.write_text(_STAND_IN)
        self.python.chmod(0o755)

    def start(self, *arguments: str, broken: str = "", says: str = "", then: str = "exit 1") -> subprocess.Popen[str]:
        fault = {"BREAK": broken, "SAYS": says, "THEN": then}
        return subprocess.Popen(
            ["scripts/setup", *arguments],
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "REAL": sys.executable, "PYTHON": str(self.python), **fault},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **fault: str) -> tuple[int, list[str]]:
        """Its status, and the lines it wrote after the one that says what it begins."""
        process = self.start(*arguments, **fault)
        lines = process.communicate(timeout=600)[1].splitlines()
        return process.returncode, [line for line in lines if not line.startswith("Setting up")]

    def steps(self) -> list[str]:
        """What was done since this was asked the last time."""
        file = self.directory / "steps"
        # Only ever longer: a step that is written while this is asked is seen the next time.
        done = file.read_text().split() if file.exists() else []
        before, self._seen = self._seen, len(done)
        return done[before:]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


WHOLE = ["venv", "packages", "editable", "compile", "libraries"]


def test_a_second_run_has_nothing_to_do(checkout):
    assert checkout.run() == (0, [])
    assert checkout.steps() == WHOLE
    assert checkout.run() == (0, [])
    assert checkout.steps() == []


def test_who_has_the_longer_lock_needs_no_set_up_for_the_shorter(checkout):
    checkout.run("--dev")
    checkout.steps()
    assert checkout.run() == (0, [])
    assert checkout.steps() == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_another_lock_is_installed_into_what_is_there(checkout, name):
    checkout.run()
    checkout.steps()
    (checkout.directory / name).write_text("another\n")
    assert checkout.run() == (0, [])
    assert checkout.steps() == ["look", "packages", "editable", "compile", "libraries"]


@pytest.mark.parametrize("step", [step for step in WHOLE if step != "libraries"])
def test_what_broke_is_begun_anew_by_the_next_run(checkout, step):
    status, lines = checkout.run(broken=step, says="ERROR: Could not install: [Errno 28] No space left on device")
    assert status == 1
    (line,) = lines
    assert (
        "ERROR: Could not install: [Errno 28] No space left on device; once that is put right, the same command" in line
    )
    checkout.steps()
    assert checkout.run() == (0, [])
    assert checkout.steps() == WHOLE
    assert checkout.run() == (0, [])
    assert checkout.steps() == [], "the third has something left to do"


@pytest.mark.parametrize("step", ["packages", "editable", "compile"])
def test_a_change_that_broke_leaves_nothing_that_looks_whole(checkout, step):
    checkout.run("--dev")
    (checkout.directory / "requirements.lock").write_text("another\n")
    (checkout.directory / "requirements-dev.lock").write_text("another\n")
    assert checkout.run(broken=step)[0] == 1
    checkout.steps()
    assert checkout.run("--dev") == (0, [])
    assert checkout.steps() == WHOLE


def test_a_file_of_a_package_that_is_no_python_keeps_nobody_back(checkout):
    assert checkout.run(broken="libraries", says="SyntaxError: invalid syntax") == (0, [])
    assert checkout.run() == (0, [])
    assert checkout.steps() == WHOLE


@pytest.mark.parametrize("step", WHOLE)
def test_ctrl_c_is_one_line_and_the_next_run_finishes(checkout, step):
    process = checkout.start(broken=step, then="exec sleep 60")
    while step not in checkout.steps():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=600)[1].splitlines()[1:]
    assert said == ["scripts/setup: stopped; the same command again makes .venv anew"]
    assert process.returncode == -signal.SIGINT, "whoever called it must see that it was stopped"
    checkout.steps()
    assert checkout.run() == (0, [])
    assert checkout.steps() == WHOLE


def test_a_set_up_that_was_killed_is_begun_anew(checkout):
    process = checkout.start(broken="packages", then="exec sleep 60")
    while "packages" not in checkout.steps():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert checkout.run() == (0, [])
    assert checkout.steps() == WHOLE


def test_what_an_earlier_release_left_half_made_is_begun_anew(checkout):
    """Without python3-venv `python3 -m venv` leaves a Python without pip."""
    (checkout.directory / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(checkout.python, checkout.directory / ".venv" / "bin" / "python")
    assert checkout.run() == (0, [])
    assert checkout.steps() == WHOLE


def test_two_at_once_make_it_once(checkout):
    first = checkout.start(broken="packages", then="sleep 1")
    while "packages" not in checkout.steps():
        time.sleep(0.01)
    assert checkout.run() == (0, [])
    first.communicate()
    assert first.returncode == 0
    assert checkout.steps() == ["editable", "compile", "libraries"]


def test_no_answer_from_the_index_is_said_beside_what_pip_makes_of_it(checkout):
    said = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a "
        "new connection: [Errno -3] Temporary failure in name resolution')': /simple/rich/\n"
        "ERROR: Could not find a version that satisfies the requirement rich==14 (from versions: none)\n"
        "ERROR: No matching distribution found for rich==14"
    )
    (line,) = checkout.run(broken="packages", says=said)[1]
    assert "No matching distribution found for rich==14 ([Errno -3] Temporary failure in name resolution)" in line


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError", "has no venv; on Debian and Ubuntu type: apt install python3.{minor}-venv"),
        ("import sys; sys.version_info = (3, 10, 2)", "ebbtide needs Python 3.11 or newer"),
    ],
)
def test_a_python_that_will_not_do_is_one_line_and_leaves_nothing(checkout, tmp_path, code, said):
    name = "ensurepip" if "Import" in code else "sitecustomize"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{name}.py").write_text(code)
    checkout.python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/broken exec "$REAL" "$@"\n')
    status, (line,) = checkout.run()
    assert status == 1
    assert said.format(minor=sys.version_info.minor) in line
    assert not (tmp_path / ".venv").exists()


def test_no_python_is_one_line(checkout):
    checkout.python.unlink()
    status, (line,) = checkout.run()
    assert status == 1
    assert "type: apt install python3 python3-venv" in line


def test_the_longer_lock_holds_all_of_the_shorter():
    """scripts/setup relies on it."""
    short, long = (
        {line for line in (ROOT / name).read_text().splitlines() if "==" in line}
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert short <= long
