"""A bare root has what a newcomer's machine has, and nothing of it is left when its command has ended."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a Debian root")


def start(*arguments, **options):
    command = [ROOT / "scripts" / "bare-root", "run", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_who_is_not_root_is_told_in_a_line_and_has_the_command_run_here(tmp_path):
    for name in ("scripts/bare-root", "tools/bare_root.py", "tools/cluster"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == tmp_path.owner() and directory != Path("/"):
            directory.chmod(0o755)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen(
        [tmp_path / "scripts" / "bare-root", "run", "--", "sh", "-c", "pwd; exit 3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        **nobody,
    )
    said = process.communicate(timeout=600)
    assert process.returncode == 3
    assert said[0] == f"{tmp_path}\n"
    (line,) = said[1].splitlines()
    assert "root only; running on this machine as it is: sh -c" in line


@needs_root
@pytest.mark.slow
def test_it_has_what_a_newcomer_has_and_no_more(tmp_path):
    asked = (
        "python3 --version; pwd; git log --oneline | wc -l; which cc gcc go curl pip3 make php; ls -A /mnt; "
        f"unshare --mount --pid --fork --mount-proc true && echo seen >{tmp_path}/file; exit 7"
    )
    with start("--share", tmp_path, "--", "sh", "-c", asked) as process:
        said = process.communicate(timeout=600)[0].split()
    assert process.returncode == 7, "the status is not the command's"
    assert said[:3] == ["Python", "3.11.2", "/srv/ebbtide"]
    assert int(said[3]) > 0
    assert said[4:] == [], "a newcomer's machine does not have these"
    assert (tmp_path / "file").read_text() == "seen\n", "the tests that make namespaces could not"


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_it_nothing_runs_or_is_mounted_and_the_copy_goes(number):
    mark = f"sleep 9{os.getpid()}"
    with start("--", "sh", "-c", f'trap "" INT TERM HUP; {mark} & echo $PPID; {mark}') as process:
        assert process.stdout.readline() == "1\n", "it is not in a PID namespace of its own"
        process.send_signal(number)
        process.stdout.read()  # until nothing has it open any more
    if number == signal.SIGKILL:
        with start("--", "true") as following:  # it takes away what this one could not
            following.communicate(timeout=600)
    assert "bare-run" not in Path("/proc/self/mounts").read_text()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert mark not in running.splitlines()
    deadline = time.monotonic() + 300
    while left := _left_over():
        assert time.monotonic() < deadline, f"nobody takes {left} away"
        time.sleep(0.5)


def _left_over() -> list[Path]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"
    with (cache / "bare-runs.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # nobody else's run is between making a copy and holding it
        return [copy for copy in cache.glob("bare-run.*") if not _is_held(copy)]


def _is_held(copy: Path) -> bool:
    """Whether a run of somebody else uses it, or it is being removed, or gone."""
    return subprocess.run(["flock", "--nonblock", copy, "true"], check=False).returncode != 0
