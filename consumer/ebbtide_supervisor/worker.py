"""One worker: supervisor's own Subprocess with what it lacks for draining."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor.process import Subprocess
from supervisor.states import ProcessStates, SupervisorStates

if TYPE_CHECKING:
    from collections.abc import Callable


class Process(Subprocess):  # type: ignore[misc]
    """A process that writes to the container's stdout and stderr directly.

    No pipes that PID 1 has to pump, and its last words are out even when PID 1 is busy.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        config.make_dispatchers = lambda _process: ({}, {})

    @property
    def alive(self) -> bool:
        return bool(self.pid)

    def begin(self) -> str | None:
        """Fork and exec it. None, or why the system did not allow it."""
        self.spawn()
        if self.pid:
            return None
        if self.state == ProcessStates.BACKOFF:
            self.give_up()  # Out of stock's own retries: who calls this decides when to try again.
        return str(self.spawnerr)

    def _prepare_child_fds(self) -> None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, self.config.options.minfds)


class Worker(Process):
    """A worker process.

    Differs from stock in four ways: it tells its end with the raw wait status (stock keeps only -1 for a signal),
    stock neither restarts nor kills it, and nothing of a failed start is left behind.
    """

    def __init__(self, config: Any, number: int) -> None:
        super().__init__(config)
        self.number = number
        self.on_end: Callable[[Worker, int], None] = lambda _worker, _status: None
        self.on_kill: Callable[[Worker], None] = lambda _worker: None
        self.started_at = 0.0  # monotonic seconds
        self.ready = False
        self.killed = False
        self.left_others = False
        """Whether processes it has started outlived it: it was a wrapper, or they are somebody's background job."""
        self._cpu_ticks = -1

    # Stock compares processes by priority, so that all workers would be one key of a dict.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def lived_seconds(self, now: float) -> float:
        return round(now - self.started_at, 3)

    def start(self) -> str | None:
        """Let it boot by itself. None, or why the system did not allow it."""
        self._is_new()
        return self.begin()

    def adopt(self, pid: int) -> None:
        """Take on a process that the parent has forked: what `spawn` does after a fork of its own."""
        self._is_new()
        self.killing = self.system_stop = self.administrative_stop = False
        self.exitstatus = None
        self.laststart = time.time()
        self.change_state(ProcessStates.STARTING)
        self.dispatchers, self.pipes = self.config.make_dispatchers(self)
        self._spawn_as_parent(pid)

    def _is_new(self) -> None:
        self.started_at = time.monotonic()
        self.ready = self.killed = False
        self._cpu_ticks = -1

    def ask(self) -> None:
        """Ask it to finish."""
        if self.alive:
            self.stop()

    def ask_again(self) -> None:
        """The same signal once more, to the worker only: stock takes a second one for its kill, and hits the group."""
        if self.alive and not self.killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, self.config.stopsignal)

    def kill(self, sig: int) -> Any:
        if sig == signal.SIGKILL and not self.killed:
            self.killed = True
            self.on_kill(self)
        return super().kill(sig)

    def kill_group(self) -> None:
        """SIGKILL to it and to what it started."""
        if self.alive and not self.killed:
            self.kill(signal.SIGKILL)
            self.kill(signal.SIGKILL)  # Stock signals the group only when it already waits for a process to stop.

    def transition(self) -> None:
        # Stock kills by the wall clock, which may jump; the drain kills by the monotonic one. Stock's is left for the
        # case that a fault of ours has handed the end over to it.
        if self.state != ProcessStates.STOPPING or self.config.options.mood < SupervisorStates.RUNNING:
            super().transition()

    def finish(self, pid: int, sts: int) -> None:
        self.left_others = _is_group(pid)
        super().finish(pid, sts)
        self.on_end(self, sts)

    def asleep(self) -> bool:
        """Whether it has used no CPU since the last look and is not waiting for any: its boot is over.

        A boot in a crowd of 70 on two cores takes seconds, so age alone proves nothing.
        """
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return False
        fields = stat.rpartition(")")[2].split()
        ticks, before = int(fields[11]) + int(fields[12]), self._cpu_ticks
        self._cpu_ticks = ticks
        return fields[0] == "S" and ticks == before


class Parent(Process):
    """The process that workers are forked from. It has no message, so that it may be killed at any moment."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.started_at = 0.0  # monotonic seconds
        self.on_end: Callable[[int], None] = lambda _status: None

    def begin(self) -> str | None:
        self.started_at = time.monotonic()
        return super().begin()

    def end(self) -> None:
        if self.alive:
            self.kill(signal.SIGKILL)

    def finish(self, pid: int, sts: int) -> None:
        super().finish(pid, sts)
        self.on_end(sts)

    def own_mebibytes(self) -> float:
        """What of it is in memory now and neither a file nor shared memory; 0 for one that has ended."""
        try:
            _, resident, shared, *_ = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return 0.0
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 1048576


def _is_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
