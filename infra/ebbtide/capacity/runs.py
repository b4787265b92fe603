"""Runs of the simulation side by side: what goes to another process, and what comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ebbtide.capacity.from_settings import build_scenario
from ebbtide.capacity.kernel import Kernel, PureKernel
from ebbtide.capacity.load import read_load
from ebbtide.capacity.model import Result, Scenario, Signal
from ebbtide.capacity.profile import Durations
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.summary import Summary, summarize
from ebbtide.settings.stack import StackSettings

_Key = TypeVar("_Key")
# Two million messages of a binary trace: from there on loading numba pays.
_ACCELERATED_FROM_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class LoadSource:
    """Where a load comes from: small enough to hand to another process, which reads it again."""

    file: Path
    durations: Durations | None = None
    signals: tuple[tuple[str, Signal], ...] = ()

    def signals_of(self) -> Mapping[str, Signal]:
        """What each external metric measures: by the profile, and over that by what was given."""
        profile = read_load(self.file, self.durations).profile
        return {**(profile.signals if profile else {}), **dict(self.signals)}


@dataclass(frozen=True, slots=True)
class Run:
    """One consumer under one load with one seed."""

    stack: StackSettings
    consumer: str
    load: LoadSource
    seed: int = 1

    def scenario(self) -> Scenario:
        """Raises SettingsError for an autoscaler that the load cannot drive."""
        return build_scenario(self.stack, self.stack.consumers[self.consumer], self.load.signals_of(), self.seed)

    def result(self, progress: Callable[[int], None] | None = None) -> Result:
        """Run it. Raises SettingsError, TraceError for the load and ValueError for a consumer without a worker."""
        load = read_load(self.load.file, self.load.durations)
        return simulate(self.scenario(), load.open(self.seed), choose_kernel(self.load.file), progress)

    def summarize(self, result: Result) -> Summary:
        """The figures of a result of this run."""
        connections = self.stack.consumers[self.consumer].worker.connections.broker
        return summarize(result, self.scenario(), connections)


def choose_kernel(load: Path) -> Kernel:
    """The compiled one for a large binary trace where numba is installed, else Python: same results to the byte.

    `EBBTIDE_KERNEL=pure` or `accelerated` decides otherwise.
    """
    wish = os.environ.get("EBBTIDE_KERNEL", "")
    if wish == "pure" or (wish != "accelerated" and load.stat().st_size < _ACCELERATED_FROM_BYTES):
        return PureKernel()
    try:
        from ebbtide.capacity.accelerator import AcceleratedKernel  # noqa: PLC0415 - numba takes half a second to load
    except ModuleNotFoundError:
        return PureKernel()
    return AcceleratedKernel()


def run_all(runs: Mapping[_Key, Run], processes: int | None = None) -> Iterator[tuple[_Key, Summary]]:
    """The figures of every run, as each ends. On Ctrl-C what has not begun does not begin."""
    pool = ProcessPoolExecutor(processes or os.cpu_count(), initializer=_leave_interrupts_to_the_parent)
    try:
        waiting = {pool.submit(_summary, run): key for key, run in runs.items()}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _summary(run: Run) -> Summary:
    return run.summarize(run.result())


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def explain_minute(result: Result, seconds: int) -> Sequence[str]:
    """What the autoscaler saw and decided in the minute that begins at `seconds`, a line for each sync."""
    lines = []
    for row in result.rows:
        if seconds <= row.seconds < seconds + 60:
            hours, rest = divmod(row.seconds, 3600)
            clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
            pods = f"{row.replicas} pod{'' if row.replicas == 1 else 's'}, {row.draining} draining"
            state = f"{pods}, {row.waiting} messages waiting, {row.in_flight} in hand"
            lines.append(f"{clock}  {state}: {row.reason}")
    return lines
