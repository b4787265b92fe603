"""Runs of the simulation side by side: what goes to another process, and what comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ebbtide.capacity.from_settings import Assumption, build_scenario, list_assumptions
from ebbtide.capacity.hpa import Metric
from ebbtide.capacity.kernel import Kernel, PureKernel
from ebbtide.capacity.load import read_load
from ebbtide.capacity.measured import NOTHING, Measured
from ebbtide.capacity.model import Result, Scenario, Signal
from ebbtide.capacity.patterns import draw_load
from ebbtide.capacity.profile import DurationSource, LoadProfile
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.summary import Summary, summarize
from ebbtide.capacity.trace import Chunk, IsSound
from ebbtide.judgement.findings import Finding, SettingsError, refused
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.units import plural

_Key = TypeVar("_Key")
# A million messages of a binary trace: a second in Python.
_ACCELERATED_FROM_BYTES = 16_000_000


@dataclass(frozen=True)
class LoadSource:
    """Where a load comes from: small enough to hand to another process, with the profile if that was read already."""

    file: Path
    durations: DurationSource | None = None
    signals: tuple[tuple[str, Signal], ...] = ()
    measured: Measured = NOTHING

    @cached_property
    def profile(self) -> LoadProfile | None:
        """What the file says where it is a profile. Raises SettingsError where it is no load at all."""
        return read_load(self.file, self.durations).profile

    @property
    def all_measured(self) -> Measured:
        """What was measured: by the profile, and over that by what was given."""
        return self.measured.over(self.profile.measured) if self.profile else self.measured

    @property
    def all_signals(self) -> Mapping[str, Signal]:
        """What each external metric measures: by the profile, and over that by what was given."""
        return {**(self.profile.signals if self.profile else {}), **dict(self.signals)}

    def open(self, seed: int, is_sound: IsSound) -> Iterable[Chunk]:
        """The messages. Raises SettingsError, also later, for a load that cannot be used."""
        if self.profile is not None:
            return draw_load(self.profile, seed, self.durations)
        return read_load(self.file, self.durations, is_sound).open(seed)


@dataclass(frozen=True)
class Run:
    """One consumer under one load with one seed."""

    stack: StackSettings
    consumer: str
    load: LoadSource
    seed: int = 1

    @cached_property
    def scenario(self) -> Scenario:
        """Raises SettingsError for an autoscaler that the load cannot drive."""
        load = self.load
        return build_scenario(
            self.stack, self.stack.consumers[self.consumer], load.all_signals, self.seed, load.all_measured
        )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the autoscaler looks at: KEDA's triggers, or the metrics of an HPA."""
        hpa, keda = self.scenario.hpa, self.scenario.keda
        return tuple(trigger.metric for trigger in keda.triggers) if keda else hpa.metrics if hpa else ()

    def assumptions(self) -> tuple[Assumption, ...]:
        """What a result of this run stands on. Raises SettingsError as `scenario` does."""
        consumer = self.stack.consumers[self.consumer]
        return list_assumptions(self.stack, consumer, self.scenario, self.load.all_measured)

    def result(self, progress: Callable[[int], None] | None = None) -> Result:
        """Run it. Raises SettingsError for an autoscaler, a load or a consumer that cannot be simulated."""
        kernel = choose_kernel(self.load.file)
        load, scenario = self.load.open(self.seed, kernel.is_sound), self.scenario
        try:
            return simulate(scenario, load, kernel, progress)
        except SettingsError:
            raise
        except ValueError as error:
            raise refused("simulate", str(error), "", ("consumers", self.consumer)) from None

    @cached_property
    def outcome(self) -> Result:
        """The result, run once however often it is asked for. Raises as `result` does."""
        return self.result()

    def summarize(self, result: Result) -> Summary:
        """The figures of a result of this run."""
        connections = self.stack.consumers[self.consumer].worker.broker_connections
        return summarize(result, self.scenario, connections)


def choose_kernel(load: Path) -> Kernel:
    """The compiled one for a large binary trace where there is a C compiler, else Python: same results to the byte.

    `EBBTIDE_KERNEL=pure` or `accelerated` decides otherwise. Raises SettingsError where what it asks for is impossible.
    """
    return _choose_kernel(load)[0]


def why_not_compiled(load: Path) -> str:
    """Why Python runs a load that the compiled kernel would run; empty where it does, or where Python is fast enough.

    Raises SettingsError as `choose_kernel` does.
    """
    return _choose_kernel(load)[1]


def _choose_kernel(load: Path) -> tuple[Kernel, str]:
    wish = os.environ.get("EBBTIDE_KERNEL", "")
    if wish not in {"", "pure", "accelerated"}:
        raise _refuse_kernel(f"is no kernel (got {wish!r})", "write pure or accelerated, or leave it out")
    large = load.is_file() and load.stat().st_size >= _ACCELERATED_FROM_BYTES
    if wish == "pure" or not (wish or large):
        return PureKernel(), ""
    from ebbtide.capacity.accelerator import AcceleratedKernel, NoCompilerError  # noqa: PLC0415 - few runs need it

    try:
        return AcceleratedKernel(), ""
    except NoCompilerError as error:
        if wish:
            raise _refuse_kernel(f"is not possible: {error}", "install one, or leave it out") from None
        return PureKernel(), str(error)


def _refuse_kernel(message: str, remedy: str) -> SettingsError:
    return refused("simulate", message, remedy, ("EBBTIDE_KERNEL",))


def run_all(runs: Mapping[_Key, Run], processes: int | None = None) -> Iterator[tuple[_Key, Summary]]:
    """The figures of every run, as each ends. On Ctrl-C, or an error, the others are ended too.

    Raises SettingsError as `Run.result` does, and where the system has killed a run.
    """
    # A single run does not wait for these 15 ms. Ctrl-C in their midst was a traceback of Python's own (once, on 3.13).
    with _interrupts_held():
        from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: PLC0415
        from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415
        from multiprocessing import active_children  # noqa: PLC0415

    others = set(active_children())
    pool = ProcessPoolExecutor(processes or os.cpu_count(), initializer=_leave_interrupts_to_the_parent)
    try:
        with _interrupts_held():
            waiting = {pool.submit(_summary, run): key for key, run in runs.items()}
        for done in as_completed(waiting):
            yield waiting[done], _accepted(done.result())
    except BaseException as error:
        # Whoever waits for the present runs to end presses Ctrl-C again, and then the pool waits for ever (seen on
        # 3.11).
        with _interrupts_held():
            for child in set(active_children()) - others:
                child.terminate()
            pool.shutdown(cancel_futures=True)
        if not isinstance(error, BrokenProcessPool):
            raise
        message = "a run was killed by the system, most often for want of memory"
        raise refused("simulate", message, "make room, or shorten the load") from None
    pool.shutdown()


@dataclass(frozen=True, slots=True)
class _Refused:
    """A SettingsError on its way here: as an exception it would lose its findings."""

    findings: list[Finding]
    where: str


def _summary(run: Run) -> Summary | _Refused:
    try:
        return run.summarize(run.result())
    except SettingsError as error:
        return _Refused(error.findings, error.where)


def _accepted(found: Summary | _Refused) -> Summary:
    if isinstance(found, _Refused):
        raise SettingsError(found.findings, found.where)
    return found


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C in here counts from the end on: in the midst of it a process would be left that nobody knows of.

    By a handler and not by a mask, which would only leave the signal to the thread of the progress bar. Processes that
    begin in here inherit it, and the terminal's signal reaches them too.
    """
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The command's own handler would raise in the midst of whatever the pool holds a lock for, and the parent waits.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def explain_minute(result: Result, seconds: int) -> Sequence[str]:
    """What the autoscaler saw and decided in the minute that begins at `seconds`, a line for each sync."""
    lines = []
    for row in result.rows:
        if seconds <= row.seconds < seconds + 60:
            hours, rest = divmod(row.seconds, 3600)
            clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
            pods = f"{plural(row.replicas, 'pod')}, {row.draining} draining"
            state = f"{pods}, {row.waiting} messages waiting, {row.in_flight} in flight"
            lines.append(f"{clock}  {state}: {row.reason}")
    return lines


def simulate_consumer(stack: StackSettings, consumer: str, load: Path, seed: int = 1) -> Summary:
    """The figures of one consumer under one load: a profile, a trace, a .csv or a .jsonl file.

    Raises SettingsError for an autoscaler, a load or a consumer that cannot be simulated.
    """
    if consumer not in stack.consumers:
        message, remedy = f"is not a consumer of stack {stack.name}", f"use one of {', '.join(stack.consumers)}"
        raise refused("simulate", message, remedy, ("consumers", consumer))
    run = Run(stack, consumer, LoadSource(load), seed)
    return run.summarize(run.result())
