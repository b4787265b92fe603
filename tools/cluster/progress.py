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

Note = Callable[[str], None]
"""Takes what is being done now, in a few words."""

_TERMINAL_SECONDS, _PIPE_SECONDS = 1.0, 60.0
_KEPT_LINES = 40


def say(line: str) -> None:
    """One line on stderr: stdout is for what a script reads."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def showing(what: str) -> Iterator[Note]:
    """Show `what`, how long it has taken so far, and the last note, until the block ends."""
    began, ended = time.monotonic(), threading.Event()
    notes = deque([""], maxlen=1)
    terminal = sys.stderr.isatty()

    def show() -> None:
        while not ended.wait(_TERMINAL_SECONDS if terminal else _PIPE_SECONDS):
            line = progress_line(what, time.monotonic() - began, notes[0])
            if terminal:
                columns = shutil.get_terminal_size().columns
                sys.stderr.write(f"\r\033[K{line[: columns - 1]}")
                sys.stderr.flush()
            else:
                say(line)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield notes.append
    finally:
        ended.set()
        thread.join()
        if terminal:
            sys.stderr.write("\r\033[K")


def progress_line(what: str, seconds: float, note: str) -> str:
    """`kubernetes: 4 min 10 s, 812 packages, k8s.io/kubernetes/pkg/kubelet`."""
    return f"{what}: {duration(seconds)}{f', {note}' if note else ''}"


def duration(seconds: float) -> str:
    """`50 s`, `4 min 10 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def follow(command: Sequence[str], note: Note, directory: Path) -> None:
    """Run a program and note each line it writes. Raises Problem with the last lines where it fails."""
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
            note(line.strip())
    if process.returncode:
        raise Problem("".join(last).strip() or f"ended with status {process.returncode}")
