"""What the benchmarks share: whole processes, the machine they ran on, and figures in a README."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
EBBTIDE = str(Path(sys.executable).with_name("ebbtide"))
_FIGURES = re.compile(r"(<!-- figures: written by run\.py -->\n).*?(<!-- /figures -->\n)", re.DOTALL)


class Process(NamedTuple):
    """What one whole process took, and what it printed."""

    seconds: float
    cpu_seconds: float
    """User and system, with its children."""
    mebibytes: float
    """The largest of its processes at its peak, as the kernel accounts finished children."""
    output: str


def measure(command: list[str], **environment: str) -> Process:
    """Run one process to its end, below an interpreter without packages (15 ms) that can say its peak memory.

    Raises CalledProcessError if it fails.
    """
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    script = (
        "import resource, subprocess, sys;"
        "done = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024); print(done.stdout, end='')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    peak, _, output = done.stdout.partition("\n")
    return Process(seconds, cpu_between(before, after), float(peak), output)


def cpu_between(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    """User and system seconds of the children that ended in between."""
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def this_machine() -> str:
    """What a figure must be read with."""
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def cache(name: str) -> Path:
    """A directory that is kept, for what a comparison needs installed."""
    directory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ebbtide" / f"benchmark-{name}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def fill_readme(directory: Path, figures: str) -> None:
    """Replace what stands between the marks of a README.md. Raises ValueError where there are none."""
    readme = directory / "README.md"
    text, count = _FIGURES.subn(lambda found: f"{found[1]}\n{figures.strip()}\n\n{found[2]}", readme.read_text())
    if count != 1:
        raise ValueError(f"{readme}: needs <!-- figures: written by run.py --> and <!-- /figures -->, a line each")
    readme.write_text(text)
