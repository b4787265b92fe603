"""Whether a shell becomes the last command of `-c` is told as the shells themselves do it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ebbtide.doctor.shells import depends_on_sh, sh_replaces_itself, with_implicit_exec

# Prints the process that it is: the shell's own where that has become it.
_LAST = f'{sys.executable} -c "import os; print(os.getpid())"'
TEXTS = [
    "{}",
    "cd / && {}",
    "cd /; {}",
    "cd /\n{}",
    "cd / || exit; export A=1; {}",
    "exec {}",
    "{} >/dev/stdout",
    "{}; true",
    "{} || true",
    "trap : TERM; {}",
    "{} | cat",
    "if true; then {}; fi",
    "for x in 1; do {}; done",
    "! {}",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_shell_is_believed_to_become_what_it_becomes(shell, text):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not on this machine")
    script = text.format(_LAST)
    with subprocess.Popen([program, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        becomes = process.stdout.read().strip() == str(process.pid)
    said = with_implicit_exec((shell, "-c", script), sh_replaces=False)[2]
    is_believed = f"exec {_LAST}" in said
    assert not is_believed or becomes, "a signal that is lost would be called right"
    if text in TEXTS[:6]:
        assert is_believed == becomes, "a set-up that is right would be called wrong"


@pytest.mark.parametrize(
    ("image", "replaces"),
    [
        ("alpine:3.22", True),
        ("php:8.3-fpm-alpine", True),
        ("python:3.13-alpine3.22", True),
        ("registry.access.redhat.com/ubi9/php-82", True),
        ("registry.access.redhat.com/ubi9-minimal:9.6", True),
        ("amazonlinux:2023", True),
        ("php:8.3-cli", False),
        ("debian:12", False),
        ("registry.example/jobs:1-bookworm", False),
        ("docker.io/library/python:3.13", False),
        ("registry.example/alpine-jobs:7", None),
        ("registry.example/jobs:7", None),
    ],
)
def test_which_shell_sh_is_follows_from_the_name_of_the_image_or_is_not_known(image, replaces):
    assert sh_replaces_itself(image) is replaces


def test_a_verdict_that_another_sh_would_change_is_known_to_be_one():
    assert depends_on_sh(("sh", "-c", "php worker.php"))
    assert not depends_on_sh(("sh", "-c", "php worker.php; true"))
    assert not depends_on_sh(("bash", "-c", "php worker.php"))
    assert not depends_on_sh(("php", "worker.php"))


# It takes SIGTERM as an order to finish, and finishes when its parent closes this pipe.
_FINISHES = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); "
    "sys.stdin.read(); print('finished', flush=True)"
)


@pytest.mark.parametrize(("waits", "is_awaited"), [("wait $pid", False), ("wait $pid; wait $pid", True)])
@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_script_that_waits_once_ends_before_its_worker(shell, waits, is_awaited):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not on this machine")
    script = f"exec 3<&0; trap 'kill -TERM $pid' TERM; {sys.executable} -c \"{_FINISHES}\" <&3 & pid=$!; {waits}"
    with subprocess.Popen([program, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        until_asleep(process.pid)  # a signal before its `wait` would be one that no `wait` ends by
        process.send_signal(signal.SIGTERM)
        if not is_awaited:
            process.wait(240)  # although its worker has not finished, and could not
        process.stdin.close()
        assert process.stdout.read() == "finished\n"
        process.wait(240)


def until_asleep(pid):
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.01)
