"""A machine that has nothing yet: the commands of README work there, and finish whatever broke the first time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("**/*.lock") if ".venv" not in file.parts)
pytestmark = pytest.mark.slow

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a Debian root, or mounts a small disk")


@pytest.fixture
def clone(tmp_path):
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


def bare(suite, script):
    return subprocess.run(
        [ROOT / "scripts" / "bare-root", "run", "--suite", suite, "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )


MOMENTS = ["scripts", ".venv/pyvenv.cfg", ".venv/bin/pip", "{site}/pydantic", "{site}/ebbtide-*.dist-info"]


# Each moment is another set-up from its beginning, a minute of a processor.
@pytest.mark.parametrize(
    "moments",
    [pytest.param(MOMENTS[3:4], id="one moment"), pytest.param(MOMENTS, id="five", marks=pytest.mark.long)],
)
def test_after_ctrl_c_at_moments_of_the_first_set_up_the_command_works(clone, moments):
    for moment in moments:
        with subprocess.Popen(
            ["scripts/preview"], cwd=clone, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stderr.readline().startswith(b"Setting up"), f"nothing was left to do before {moment}"
            while not list(clone.glob(moment.format(site=".venv/lib/python3*/site-packages"))):
                assert process.poll() is None, f"it ended before {moment}"
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=600)[1].decode().splitlines()
        assert said == ["scripts/setup: stopped; the same command again makes .venv anew"], moment
    done = subprocess.run(["scripts/preview"], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Stack dev deploys")


def test_without_a_network_it_is_one_line_and_with_one_it_is_finished(clone):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "1"}
    broken = subprocess.run(
        ["scripts/setup"], cwd=clone, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False
    )
    assert broken.returncode == 1
    assert len(broken.stderr.splitlines()) == 2, broken.stderr
    assert "Connection refused" in broken.stderr
    done = subprocess.run(["scripts/setup"], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Two set-ups more; CI has one that no network has broken.
@pytest.mark.long
@needs_root
def test_a_full_disk_is_one_line_and_with_room_it_is_finished(tmp_path):
    script = """
        set -e
        mount -t tmpfs -o size=110m none "$1"
        git clone --quiet "$2" "$1/clone"
        cd "$1/clone"
        set +e
        scripts/setup; echo "status $?" >&2
        mount -o remount,size=2g "$1"
        scripts/setup; echo "status $?" >&2
        scripts/preview
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path, ROOT], capture_output=True, text=True, check=False
    )
    # pip tells of a registry that was slow to answer.
    said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING: Retrying")]
    assert len(said) == 5, done.stderr
    begun, full, first, again, second = said
    assert begun == again
    assert "[Errno 28] No space left on device" in full
    assert (first, second) == ("status 1", "status 0")
    assert done.stdout.startswith("Stack dev deploys")


@needs_root
@pytest.mark.parametrize(("suite", "python"), [("bookworm", "3.11.2"), ("trixie", "3.13.")])
def test_every_lock_installs_on_the_oldest_python_and_on_a_new_one(suite, python):
    installs = (
        f"/tmp/venv/bin/pip install --quiet --dry-run --no-deps --require-hashes -r {lock} || exit" for lock in LOCKS
    )
    done = bare(suite, "\n".join(["python3 --version", "python3 -m venv /tmp/venv", *installs]))
    assert done.returncode == 0, done.stderr
    assert f"Python {python}" in done.stdout, "the root has another Python than the one that this is about"


@needs_root
@pytest.mark.parametrize("suite", ["bookworm", pytest.param("trixie", marks=pytest.mark.long)])
def test_without_pythons_venv_the_line_names_the_package_that_brings_it(suite):
    without = bare(suite, "dpkg --purge python3-venv python3.11-venv python3.13-venv >/dev/null 2>&1; scripts/preview")
    assert without.returncode == 1
    (line,) = [line for line in without.stderr.splitlines() if line.startswith("scripts/setup")]
    command = re.search(r"type: (apt install .*)$", line)[1]
    done = bare(
        suite,
        "dpkg --purge python3-venv python3.11-venv python3.13-venv >/dev/null 2>&1; scripts/preview; "
        f"apt-get -qq update && DEBIAN_FRONTEND=noninteractive {command} -qq -y >/dev/null && scripts/preview",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Stack dev deploys")
