"""A build says what it does, for how long, and what it took; whoever waits for another's build is told so."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "cluster"
sys.path.append(str(TOOLS))

from problem import Problem  # noqa: E402
from progress import duration, follow, progress_line  # noqa: E402

BUILD = """
import os, sys, time, progress
from cache import build_once
progress._TERMINAL_SECONDS = progress._PIPE_SECONDS = 0.05
def build(target):
    progress.note("12 packages compiled, k8s.io/api")
    (target / "program").touch()
    for _ in range(12_000):  # should the test fail, it does not go on for ever
        if os.path.exists(sys.argv[1]):
            break
        time.sleep(0.01)
print(build_once("kubernetes", b"pins", build, "about twelve"))
"""


def start(tmp_path: Path, stderr: int) -> subprocess.Popen[str]:
    """A build that goes on until `let_go`."""
    environment = {**os.environ, "PYTHONPATH": str(TOOLS), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", BUILD, str(tmp_path / "goes-on")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)


def let_go(tmp_path: Path) -> None:
    (tmp_path / "goes-on").touch()


def said_until(words: str, process: subprocess.Popen[str]) -> list[str]:
    """The lines up to the one that has these words."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} was never said: {lines}")


def test_in_a_pipe_a_build_says_plain_lines(tmp_path: Path) -> None:
    process = start(tmp_path, subprocess.PIPE)
    begun = said_until("12 packages", process)
    let_go(tmp_path)
    printed, rest = process.communicate()
    said = "".join(begun) + rest
    assert Path(printed.strip(), "program").exists()
    first, *between, last = said.splitlines()
    assert first.startswith(f"Building kubernetes into {printed.strip()}, once: about twelve minutes of processor time")
    assert all(re.fullmatch(r"kubernetes: \d+ s(, 12 packages compiled, k8s\.io/api)?", line) for line in between)
    assert between, "half an hour goes by without a word"
    assert re.fullmatch(r"Built kubernetes in .*, with .* of processor time\.", last)
    assert "\033" not in said
    assert "\r" not in said


def test_on_a_terminal_one_line_changes_and_is_gone_afterwards(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = start(tmp_path, theirs)
    os.close(theirs)
    shown = ""
    while "12 packages" not in shown:
        shown += os.read(ours, 65536).decode()
    let_go(tmp_path)
    # At the end of its last process a terminal is an error to read.
    with suppress(OSError):
        while rest := os.read(ours, 65536):
            shown += rest.decode()
    process.communicate()
    os.close(ours)
    assert re.search(r"\r\033\[Kkubernetes: \d+ s, 12 packages compiled, k8s\.io/api", shown)
    assert "\r\033[KBuilt kubernetes in" in shown, "half a line stays behind"
    assert shown.count("\n") == 2, "the line scrolls instead of changing"


def test_who_waits_for_another_build_is_told_and_builds_nothing_again(tmp_path: Path) -> None:
    first = start(tmp_path, subprocess.PIPE)
    while not list(tmp_path.glob("ebbtide/kubernetes-*.*/program")):
        assert first.poll() is None
        time.sleep(0.02)
    second = start(tmp_path, subprocess.PIPE)
    begun = said_until("waiting for kubernetes: ", second)
    let_go(tmp_path)
    printed, rest = second.communicate()
    said = "".join(begun) + rest
    assert said.startswith("Another command builds kubernetes; waiting for it ...\n")
    assert "waiting for kubernetes: " in said
    assert "Building" not in said
    assert first.communicate()[0] == printed


def test_what_is_built_is_returned_without_a_word(tmp_path: Path) -> None:
    let_go(tmp_path)
    start(tmp_path, subprocess.PIPE).communicate()
    assert start(tmp_path, subprocess.PIPE).communicate()[1] == ""


def test_a_program_that_fails_is_told_by_its_last_lines(tmp_path: Path) -> None:
    notes: list[str] = []
    with pytest.raises(Problem, match=r"undefined: x"):
        follow(["sh", "-c", "echo k8s.io/api; echo 'main.go:3: undefined: x' >&2; exit 1"], notes.append, tmp_path)
    assert notes == ["k8s.io/api", "main.go:3: undefined: x"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (250, "4 min 10 s"), (3661, "61 min 1 s")]
)
def test_a_duration_is_told_in_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_build_that_has_nothing_to_tell_shows_its_name_and_time() -> None:
    assert progress_line("kubernetes", 61, "") == "kubernetes: 1 min 1 s"
