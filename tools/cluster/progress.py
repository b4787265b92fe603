"""What a long build says while it runs: a line that changes on a terminal, a line a minute in a pipe."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from problem import Problem

_TERMINAL_SECONDS, _PIPE_SECONDS = 1.0, 60.0
_KEPT_LINES = 40

_doing = ""
"""What the build that is shown does now: a process has one at a time."""


def say(line: str) -> None:
    """One line on stderr: stdout is for what a script reads."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def note(doing: str) -> None:
    """Say in a few words what is being done now; shown while `showing` is."""
    global _doing  # noqa: PLW0603 - what is shown is on one terminal
    _doing = doing


@contextmanager
def showing(what: str) -> Iterator[None]:
    """Show `what`, how long it has taken so far, and the last note, until the block ends."""
    note("")
    began, ended = time.monotonic(), threading.Event()
    terminal = sys.stderr.isatty()

    def show() -> None:
        while not ended.wait(_TERMINAL_SECONDS if terminal else _PIPE_SECONDS):
            line = progress_line(what, time.monotonic() - began, _doing)
            if terminal:
                columns = shutil.get_terminal_size().columns
                sys.stderr.write(f"\r\033[K{line[: columns - 1]}")
                sys.stderr.flush()
            else:
                say(line)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if terminal:
            sys.stderr.write("\r\033[K")


def progress_line(what: str, seconds: float, doing: str) -> str:
    """`kubernetes: 4 min 10 s, 812 packages, k8s.io/kubernetes/pkg/kubelet`."""
    return f"{what}: {duration(seconds)}{f', {doing}' if doing else ''}"


def duration(seconds: float) -> str:
    """`50 s`, `4 min 10 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def follow(command: Sequence[str], each: Callable[[str], None], directory: Path) -> None:
    """Run a program and tell `each` line it writes. Raises Problem with the last lines where it fails."""
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        for line in process.stdout:
            last.append(line)
            each(line.strip())
    if process.returncode:
        raise Problem("".join(last).strip() or f"ended with status {process.returncode}")
