"""The seam with supervisord: `[rpcinterface:ebbtide]`, made in PID 1 before the first worker is started.

Why a plugin and not stock supervisord with scripts around it, measured with 4.3.0: stock ends up to 2 s after its
last worker, always with status 0; a worker whose broker is away is restarted 28 times a second in a pod of 70, or
ends as FATAL with PID 1 idling on; a listener process for the events alone costs 17.6 MB.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from supervisor import events
from supervisor.http import NOT_DONE_YET
from supervisor.states import RUNNING_STATES, SupervisorStates

from ebbtide_supervisor.environment import read_environment
from ebbtide_supervisor.events import emit
from ebbtide_supervisor.fork_proof import read_proof
from ebbtide_supervisor.forks import Forks
from ebbtide_supervisor.memory import Memory
from ebbtide_supervisor.outcome import ExitStatus
from ebbtide_supervisor.pool import Pool
from ebbtide_supervisor.status import ENDED, SnapshotFile, StatusFile
from ebbtide_supervisor.wakeup import Wakeup
from ebbtide_supervisor.worker import Parent, Process, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ebbtide_supervisor.environment import Environment

PROGRAM: Final = "worker"
HELPER: Final = "helper"
PARENT: Final = "parent"
ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# prctl(2); Python has no name for it.
PR_SET_CHILD_SUBREAPER: Final = 36
# How often medusa may look whether a deferred answer is there, and how long a last answer may hold up the end.
DEFERRED_SECONDS: Final = 0.01
LAST_ANSWER_SECONDS: Final = 0.1
# How long the pod waits for its helper, which is killed.
LAST_HELPER_SECONDS: Final = 0.3
# How long after a SIGTERM a hook is looked for.
HOOK_LOOK_SECONDS: Final = 0.2


class Plugin:
    """The RPC interface `ebbtide`, and what ties the pool to supervisord's loop."""

    exit_status: int = ExitStatus.REFUSED
    """What the process ends with; read after supervisord's main has returned."""

    def __init__(self, supervisord: Any) -> None:
        environment, problems = read_environment(os.environ)
        if environment is None:
            raise ValueError("; ".join(problems))
        self._supervisord = supervisord
        self._environment = environment
        self._signal_name: str | None = None
        self._look_for_hook_at: float | None = None
        self._tick_is_due = False
        self._forks = self._make_forks()
        self._pool = Pool(environment, _adopt_workers(supervisord, environment), emit, self._forks)
        self._memory = Memory(emit)
        self._status = StatusFile(environment.status_file)
        self._snapshot = SnapshotFile(environment.snapshot_file) if environment.metrics_port else None
        self._wakeup = Wakeup(self._step, self._survive)
        self._pool.wake = self._wakeup.soon
        self._pool.wake_at = lambda at: self._wakeup.after(at - time.monotonic())
        self._unanswered = 0
        self._asked_for_at = 0.0  # when a hook was last seen to wait, monotonic seconds
        self._finished_at: float | None = None
        events.subscribe(events.SupervisorRunningEvent, self._begin)
        events.subscribe(events.Tick5Event, self._tick)

    def _make_forks(self) -> Forks | None:
        if (start := self._environment.worker_start) == "exec":
            return None
        proof = read_proof()
        reasons = proof.against(start) or _orphans_go_elsewhere()
        if reasons:
            emit("forkOff", reason="; ".join(reasons))
            return None
        group = self._supervisord.process_groups[PARENT]
        ((name, process),) = group.processes.items()
        parent = Parent(process.config)
        parent.group = group
        group.processes[name] = parent
        mebibytes = self._environment.parent_mebibytes(proof.opcache_mebibytes)
        return Forks(self._environment, parent, mebibytes, emit, self._survive)

    # The remote calls.

    def drain(self, deadline_seconds: int) -> Callable[[], Any]:
        """Ask every worker to finish; the answer comes with the last one's end or at the deadline."""
        drain = self._pool.begin_drain("hook")
        deadline = time.monotonic() + deadline_seconds
        self._unanswered += 1

        def answer() -> Any:
            self._asked_for_at = time.monotonic()
            if not drain.ended and time.monotonic() < deadline:
                return NOT_DONE_YET
            self._unanswered -= 1
            self._wakeup.soon()
            return json.dumps({"ended": drain.ended, "exitStatus": int(drain.exit_status), **drain.summary()})

        answer.delay = DEFERRED_SECONDS  # type: ignore[attr-defined]
        return answer

    def status(self) -> str:
        """The pool's counts, as JSON."""
        return json.dumps({"phase": self._pool.phase, **self._pool.counts()})

    # The loop.

    def _begin(self, _event: object) -> None:
        for number in ENDING_SIGNALS:
            signal.signal(number, self._end_by_signal)
        # Rereading the configuration would restart the workers: a container is replaced instead.
        signal.signal(signal.SIGHUP, lambda _signal, _frame: None)
        # The entrypoint blocked them, so that one that came while Python was starting is delivered now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
        self._pool.begin()

    def _tick(self, _event: object) -> None:
        self._tick_is_due = True  # Done in a step, where a fault of ours does not end PID 1.
        self._wakeup.soon()

    def _end_by_signal(self, number: int, _frame: object) -> None:
        self._signal_name = signal.Signals(number).name

    def _step(self) -> None:
        self._hear_signal()
        self._pool.step()
        self._on_tick()
        self._publish()
        self._wind_down()

    def _hear_signal(self) -> None:
        if self._signal_name is not None and not self._pool.terminating:
            self._pool.terminate(self._signal_name)
            self._look_for_hook_at = time.monotonic() + HOOK_LOOK_SECONDS if self._unanswered else None

    def _on_tick(self) -> None:
        if self._tick_is_due:
            self._tick_is_due = False
            self._pool.report_overdue()
            if self._forks is not None:
                self._forks.look_at_parent()
            self._look_at_memory()

    def _publish(self) -> None:
        self._status.write(self._pool.phase, ever_ready=self._pool.ever_ready, counts=self._pool.counts())
        if self._snapshot is not None:
            self._snapshot.write({**self._pool.snapshot(), "memory": self._memory.seen})

    def _wind_down(self) -> None:
        if self._pool.drain is not None and self._pool.drain.ended:
            self._end_helper()  # While the hook is on its way back: under load its end takes 0.1 s.
            if self._unanswered:
                self._wakeup.after(2 * DEFERRED_SECONDS)
        if self._pool.finished:
            self._finish()
        elif self._look_for_hook_at is not None:
            self._look_for_hook(self._look_for_hook_at)

    def _look_for_hook(self, at: float) -> None:
        """A hook that still asks after the SIGTERM was not waited for: the kubelet's grace period is over. One that was
        killed asks no more, and then the kubelet gives the rest of it.
        """
        if (left := at - time.monotonic()) > 0:
            # A request that waits is looked at in each step, so there must be some until then.
            self._wakeup.after(min(left, HOOK_LOOK_SECONDS / 4))
            return
        self._look_for_hook_at = None
        # Not right after the SIGTERM: PID 1 may look at the hook's request once more before it sees that it has gone.
        if self._pool.drain is not None and self._asked_for_at > at - HOOK_LOOK_SECONDS / 2:
            self._pool.drain.cut_short()

    def _look_at_memory(self) -> None:
        pool = self._pool
        workers = [worker.pid for worker in pool.workers if worker.alive]
        parents = [
            process.pid for process in self._supervisord.process_groups[PARENT].processes.values() if process.pid
        ]
        self._memory.look(time.monotonic(), workers, parents, ready=pool.counts()["ready"] == len(pool.workers))

    def _finish(self) -> None:
        now = time.monotonic()
        self._finished_at = self._finished_at or now
        if self._unanswered and now < self._finished_at + LAST_ANSWER_SECONDS:
            return
        if self._end_helper() and now < self._finished_at + LAST_HELPER_SECONDS:
            self._wakeup.after(DEFERRED_SECONDS)
            return
        if self._supervisord.options.mood != SupervisorStates.SHUTDOWN:
            Plugin.exit_status = int(self._pool.exit_status or 0)
            emit("containerEnding", exitStatus=Plugin.exit_status)
            # What the next container in this pod knows this one by: it was not killed.
            self._status.write(ENDED, ever_ready=self._pool.ever_ready, counts=self._pool.counts())
            self._wakeup.cancel()
            self._supervisord.options.mood = SupervisorStates.SHUTDOWN
            self._wakeup.soon()

    def _end_helper(self) -> bool:
        """Tell it to end, once. Whether it still runs: stock would look for that after a second."""
        alive = [process for process in self._supervisord.process_groups[HELPER].processes.values() if process.pid]
        for process in alive:
            if process.state in RUNNING_STATES:
                process.stop()
        return bool(alive)

    def _survive(self) -> None:
        """A fault of ours: say so and go on, for PID 1's end would kill every message in flight.

        A termination is then left to stock supervisord, which loses nothing either.
        """
        emit("internalError", trace=traceback.format_exc(limit=-4))
        if self._signal_name is not None:
            Plugin.exit_status = ExitStatus.UNCLEAN
            self._supervisord.options.mood = SupervisorStates.SHUTDOWN


def _orphans_go_elsewhere() -> tuple[str, ...]:
    """A forked worker comes to whoever takes in this container's orphans: PID 1, or who has asked for them."""
    if os.getpid() == 1:
        return ()
    import ctypes  # noqa: PLC0415  # 1 MB, and nobody needs it who is PID 1

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
        return ()
    why = os.strerror(ctypes.get_errno())
    return (f"supervisord is not PID 1 (got {os.getpid()}) and cannot take in orphans ({why})",)


def _adopt_workers(supervisord: Any, environment: Environment) -> list[Worker]:
    """Replace the group's processes, none of them started yet, by ours."""
    group = supervisord.process_groups[PROGRAM]
    workers = []
    for name, process in group.processes.items():
        worker = Worker(process.config, int(name.rpartition("-")[2]))
        limit = environment.time_limit_of(worker.number)
        worker.config.environment["EBBTIDE_PROCESS_TIME_LIMIT_SECONDS"] = str(limit)
        worker.group = group
        group.processes[name] = worker
        workers.append(worker)
    beside = supervisord.process_groups[HELPER]
    for name, process in beside.processes.items():
        beside.processes[name] = Process(process.config)
        beside.processes[name].group = beside
    return sorted(workers, key=lambda worker: worker.number)


def make_plugin(supervisord: Any, **_options: str) -> Plugin:
    """The factory that supervisord.conf names."""
    return Plugin(supervisord)
