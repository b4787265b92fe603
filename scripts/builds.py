"""What tiers of tests need that is built from source, beside everything else.

On a new machine that is one to two hours of processor time. Each of these keeps what it has built in the cache, and
its own lock makes whoever needs it meanwhile wait for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is built once."""

    name: str
    command: tuple[str, ...]
    tiers: frozenset[str]
    """Which tiers cannot begin without it."""
    niceness: int = 0
    """Added to the 10 that a build has by itself, where the last tier alone needs it."""


# Before a command that needs `.venv`: many may ask for it at once, and the first makes it.
SET_UP = ("sh", "-c", 'scripts/setup --dev && exec "$@"', "sh")

_CLUSTERS = frozenset({"engine", "cluster", "long"})
PARTS = (
    Part("Kubernetes", ("scripts/cluster", "build", "--control-plane"), _CLUSTERS),
    Part("metrics-server", ("scripts/cluster", "build"), _CLUSTERS - {"engine"}, niceness=9),
    Part("KEDA", ("scripts/cluster", "build", "--keda"), _CLUSTERS - {"engine"}, niceness=9),
    Part("Pulumi's CLI", ("scripts/pulumi-engine",), _CLUSTERS),
    Part("Pulumi's language host for YAML", ("scripts/pulumi-engine", "--yaml"), frozenset({"engine"})),
    Part(
        "Pulumi's Kubernetes plugin",
        (*SET_UP, ".venv/bin/python", "tools/pulumi/kubernetes_plugin.py"),
        _CLUSTERS,
    ),
)
BARE_ROOT = Part("the bare Debian root", ("scripts/bare-root", "run", "--", "true"), frozenset({"default"}))


def unbroken(start: Callable[[], T]) -> T:
    """Start something and write it down, also where a signal comes in between: whatever it ends would go on otherwise.

    Python handles signals in the main thread, and another one does it meanwhile.
    """
    with ThreadPoolExecutor(1) as starter:
        return starter.submit(start).result()


class Builds:
    """Builds that run, at the low priority that each of them has, until they are left, also by SIGTERM."""

    def __init__(self, parts: Iterable[Part], tiers: Collection[str]) -> None:
        self._parts = [part for part in parts if part.tiers & set(tiers)]
        self._running: dict[Part, subprocess.Popen[bytes]] = {}
        self._logs = tempfile.TemporaryDirectory(prefix="ebbtide-builds-")

    def __enter__(self) -> Self:
        # As CI ends what takes too long; without it nobody would leave the block.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        return self

    def start(self) -> None:
        """Start all of them."""
        for part in self._parts:
            unbroken(partial(self._start, part))

    def _log(self, part: Part) -> Path:
        return Path(self._logs.name, f"{self._parts.index(part)}.log")

    def _start(self, part: Part) -> None:
        with self._log(part).open("wb") as log:
            # No session of its own: Linux shares processors between sessions, and heeds `nice` inside one.
            self._running[part] = subprocess.Popen(
                ["nice", "-n", str(part.niceness), *part.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def missing(self, tier: str) -> list[str]:
        """What the tier needs and is still being built; what could not be built is not: the tier will say so."""
        return [part.name for part in self._parts if tier in part.tiers and self._is_building(part)]

    def ended(self, part: Part) -> tuple[int, str]:
        """The status of a part and all that it printed, once it has ended."""
        process = self._running[part]
        return process.wait(), self._log(part).read_text(errors="replace")

    def say_failures(self, tier: str) -> None:
        """Show the last lines of what the tier needs and could not be built."""
        for part in self._parts:
            process = self._running.get(part)
            if tier in part.tiers and process is not None and process.poll():
                log = self._log(part).read_text(errors="replace")
                sys.stdout.write(f"{part.name} could not be built (status {process.returncode}):\n{log[-2000:]}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._running.values():
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait()
        self._logs.cleanup()

    def _is_building(self, part: Part) -> bool:
        process = self._running.get(part)
        return process is None or process.poll() is None
