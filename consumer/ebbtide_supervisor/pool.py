"""The pod's workers: starts, rotates, holds and drains them. Everything happens in `step`, in PID 1's only thread."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ebbtide_supervisor.drain import Drain
from ebbtide_supervisor.gate import PROBE_SECONDS, SETTLE_SECONDS, Gate
from ebbtide_supervisor.outcome import CANNOT_START, ExitStatus, Outcome, describe, judge
from ebbtide_supervisor.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.events import Emit
    from ebbtide_supervisor.forks import Forks
    from ebbtide_supervisor.worker import Worker

# A worker that rotates sooner than this waits for it: --limit=1 must not become a fork loop.
SHORTEST_ROTATION_SECONDS: Final = 1.0
# How often a worker that may be ready is looked at.
LOOK_SECONDS: Final = 0.5
# Starts of one step, some 3 ms each: a SIGTERM must not wait for 70 of them.
STARTS_PER_STEP: Final = 10
# One that is never found asleep is busy, not booting, after this long.
LONGEST_BOOT_SECONDS: Final = 30.0


class Pool:
    """Owns the workers' lives. `wake_at` is told when `step` has to run again, in monotonic seconds."""

    def __init__(
        self, environment: Environment, workers: Sequence[Worker], emit: Emit, forks: Forks | None = None
    ) -> None:
        self.environment = environment
        self.workers = workers
        self.emit = emit
        self.forks = forks
        if forks is not None:
            forks.on_start = self._report_start
            forks.on_refusal = self._take_back
        self.gate = Gate()
        self.progress = Progress(environment.state_directory)
        self.drain: Drain | None = None
        self.exit_status: ExitStatus | None = None
        self.terminating = False
        self.ever_ready = False
        self.wake_at: Callable[[float], None] = lambda _when: None
        self.wake: Callable[[], None] = lambda: None
        self._began_at = self._ready_since = time.monotonic()
        self._ended: list[tuple[Worker, int, float]] = []
        self._due: dict[Worker, float] = {}  # who wants to start, and from when on
        self._ends: dict[Worker, Outcome] = {}  # how the last run of each has ended
        self._restarts: Counter[Outcome] = Counter()
        self._cut_off = 0  # messages whose worker ended with them in flight
        self._held_since: float | None = None
        self._parked: set[Worker] = set()  # who found the stop file
        self._all_parked_at: float | None = None
        self._all_ready = False
        self._overdue: set[Worker] = set()
        for worker in workers:
            worker.on_end = self._note_end
            worker.on_kill = self._report_kill

    # What PID 1 asks.

    def begin(self) -> None:
        """Start every worker."""
        environment = self.environment
        self._began_at = self._ready_since = time.monotonic()
        self.emit(
            "containerStarted",
            processes=len(self.workers),
            start=environment.worker_start,
            drain=environment.drain,
            stopWaitSeconds=environment.stop_wait_seconds,
            graceSeconds=environment.grace_seconds,
        )
        self._due = dict.fromkeys(self.workers, self._began_at)
        self.step()

    def begin_drain(self, by: str, exit_status: ExitStatus | None = None) -> Drain:
        """Stop starting workers and ask those that run to finish. Asking twice changes nothing."""
        if self.drain is None:
            self._due.clear()
            if self.forks is not None:
                self.forks.stop()
            self.drain = Drain(self.environment, self.workers, self.emit, by, in_flight=self.in_flight)
            self.drain.ask_again(self._booting())
            self.exit_status = exit_status
            self.wake()
        return self.drain

    def terminate(self, signal_name: str) -> None:
        """PID 1 was told to end."""
        self.terminating = True
        self.begin_drain(signal_name)
        self.wake()

    @property
    def finished(self) -> bool:
        """Whether PID 1 may end now."""
        return self.drain is not None and self.drain.ended and (self.terminating or self.exit_status is not None)

    def counts(self) -> dict[str, int]:
        return {
            "running": sum(worker.alive for worker in self.workers),
            "ready": sum(worker.ready and worker.alive for worker in self.workers),
            "waiting": 0 if self.gate.is_open else len(self._due),
        }

    def snapshot(self) -> dict[str, Any]:
        """What the helper makes metrics of. Times are monotonic seconds."""
        alive = sum(worker.alive for worker in self.workers)
        ready = self.counts()["ready"]
        stopped = len(self._parked) if self.drain is None else len(self.workers) - alive
        return {
            "workers": {
                "starting": alive - ready,
                "ready": ready,
                "waiting": len(self.workers) - alive - stopped,
                "stopped": stopped,
            },
            "restarts": dict(self._restarts),
            "cutOff": self._cut_off,
            "held": self._held_since is not None,
            "drain": None if self.drain is None else {"beganAt": self.drain.began_at, "seconds": self.drain.seconds},
        }

    def in_flight(self) -> int | None:
        """How many workers have a message in flight; None when the application does not tell."""
        held = [self.progress.in_flight_seconds(worker.number) for worker in self.workers if worker.alive]
        return sum(seconds is not None for seconds in held) if self.progress.is_told else None

    def _booting(self) -> list[Worker]:
        """Whose signal may be lost. Only with Symfony: asked twice, some other programs end inside their message.

        A worker that sleeps is not taken for one that has booted: it may be waiting for a name server. Where the
        application tells nothing, whoever is young is asked again, also inside a message, as Symfony bears.
        """
        if self.environment.worker_kind != "symfonyMessenger":
            return []
        now, told, known = time.monotonic(), self.progress.is_told, self.progress.is_consuming
        return [
            worker
            for worker in self.workers
            if worker.alive and not known(worker.number) and (told or worker.lived_seconds(now) < LONGEST_BOOT_SECONDS)
        ]

    def report_overdue(self) -> None:
        """Say once of each message that it takes longer than any should."""
        longest = self.environment.longest_message_seconds
        for worker in self.workers if self.progress.is_told else ():
            seconds = self.progress.in_flight_seconds(worker.number) if worker.alive else None
            if seconds is None or seconds <= longest:
                self._overdue.discard(worker)
            elif worker not in self._overdue:
                self._overdue.add(worker)
                self.emit("messageOverdue", worker=worker.number, seconds=round(seconds), longestMessageSeconds=longest)

    @property
    def phase(self) -> str:
        """One word for the probes."""
        if self.drain is not None or self.environment.stop_file.exists():
            return "draining"
        if self._held_since is not None:
            return "waiting"
        return "running" if self.ever_ready else "starting"

    # One step.

    def step(self) -> None:
        """Do whatever is due, then say when the next thing will be."""
        now = time.monotonic()
        ended, self._ended = self._ended, []
        for worker, wait_status, at in ended:
            self._end(worker, wait_status, at)
        if self.drain is not None:
            self.drain.step(now)
            if self.drain.ended and not self.finished and now >= self.drain.began_at + self.environment.grace_seconds:
                self.emit("notTerminated", graceSeconds=self.environment.grace_seconds)
                self.exit_status = ExitStatus.NOT_TERMINATED
            if self.finished and self.exit_status is None:
                self.exit_status = self.drain.exit_status
        else:
            self._unpark(now)
            self._check_parked(now)
            self._look(now)
            self._check_start_deadline(now)
            if self.forks is not None:
                self.forks.step(now)
            self._start_due(now)
        upcoming = [at for at in self._appointments(now) if at is not None]
        if upcoming:
            self.wake_at(min(upcoming))

    def _note_end(self, worker: Worker, wait_status: int) -> None:
        # Called in the middle of supervisord's reaping: only take it down.
        self._ended.append((worker, wait_status, time.monotonic()))
        self.wake()

    def _end(self, worker: Worker, wait_status: int, at: float) -> None:
        # The hook's file is there before its call: a worker that saw it first has not rotated.
        asked = worker in self.drain.asked if self.drain is not None else self.environment.stop_file.exists()
        limit, number = self.environment.limit_status, self.environment.signal_number
        outcome = judge(wait_status, asked=asked, stop_signal=number, limit_status=limit)
        lived = worker.lived_seconds(at)
        fields: dict[str, object] = {**describe(wait_status), "seconds": lived}
        if self.drain is not None:
            fields["afterDrainSeconds"] = round(at - self.drain.began_at, 3)
        in_flight = self.progress.in_flight_seconds(worker.number) is not None
        if self.progress.is_told:
            fields["inFlight"] = in_flight
        if outcome is Outcome.TERMINATED and worker.left_others:
            fields["leftOthers"] = True
        self.emit("workerEnded", worker=worker.number, outcome=outcome, **fields)
        if self.drain is not None:
            # PHP has Messenger's handler from the end of its boot to the begin of its shutdown: whoever dies of the
            # signal had no message, unless it says that it had, or was a wrapper whose worker runs on without it.
            symfony = self.environment.worker_kind == "symfonyMessenger" and not worker.left_others
            without_message = not in_flight and (symfony or not worker.ready)
            cut_off = in_flight if self.progress.is_told else None
            self.drain.record(outcome, without_message=without_message, cut_off=cut_off)
        elif outcome is Outcome.STOPPED and asked:
            self.gate.ended(worker.number)
            self._parked.add(worker)
        elif outcome is Outcome.ROTATED:
            if worker.number == self.gate.probe:
                self._open_gate(worker, at)  # It has reached its limit: it consumed.
            self._due[worker] = max(at, worker.started_at + SHORTEST_ROTATION_SECONDS)
        elif os.WIFEXITED(wait_status) and os.WEXITSTATUS(wait_status) in CANNOT_START:
            self._give_up(ExitStatus.CANNOT_START, f"worker {worker.number} cannot be executed, see the line above")
        else:
            self._hold(worker, lived, at)
        worker.ready = False
        self._all_ready = False
        self._ends[worker] = outcome
        self._cut_off += in_flight
        self.progress.forget(worker.number)

    def _hold(self, worker: Worker, lived: float, at: float) -> None:
        if worker.number == self.gate.probe and self.progress.is_consuming(worker.number):
            # The broker is there; what ended it is its message. RabbitMQ gives that to the next worker at once: one
            # at a time, each probe would die of it, and nobody would take the other messages.
            self._open_gate(worker, at)
            self._due[worker] = at + PROBE_SECONDS
            return
        if self._held_since is None:
            self._held_since = at
            self.emit("startsHeld", worker=worker.number, reason="a worker failed: one at a time until one settles")
        self.gate.failed(worker.number, lived, at)
        self._due[worker] = at

    def _unpark(self, now: float) -> None:
        # A stop file without a drain is a hook that was killed half-way, or a person: no silent idle container
        # when the file goes away again.
        if self._parked and not self.environment.stop_file.exists():
            self._due.update(dict.fromkeys(self._parked, now))
            self._parked.clear()

    def _check_parked(self, now: float) -> None:
        """Nobody works and nobody comes to end the container: the file was left behind by hand."""
        if len(self._parked) < len(self.workers):
            self._all_parked_at = None
            return
        self._all_parked_at = self._all_parked_at or now
        grace = self.environment.grace_seconds
        if now >= self._all_parked_at + grace:
            reason = f"every worker has found the stop file and nobody ended the container within {grace} s"
            self._give_up(ExitStatus.NOT_TERMINATED, reason)

    def _look(self, now: float) -> None:
        for worker in self.workers:
            if worker.ready or not worker.alive:
                continue
            consuming, lived = self.progress.is_consuming(worker.number), worker.lived_seconds(now)
            # Who could tell that it consumes, and does not, is still connecting.
            asleep = not self.progress.is_told and worker.asleep()
            if worker.number == self.gate.probe and (consuming or self.gate.settled(lived, asleep=asleep)):
                self._open_gate(worker, now)
            settled = asleep and lived >= max(SETTLE_SECONDS, self.gate.settle_seconds)
            if consuming or settled or lived >= LONGEST_BOOT_SECONDS:
                self._become_ready(worker, now)
        if not self._all_ready and all(worker.ready for worker in self.workers):
            self._all_ready = True
            self.emit("workersReady", ready=len(self.workers), seconds=round(now - self._ready_since, 3))

    def _become_ready(self, worker: Worker, now: float) -> None:
        worker.ready = True
        if worker.number == self.gate.probe:
            self._open_gate(worker, now)  # Whoever is ready is not looked at again.
        if not self.ever_ready:
            self.ever_ready = True
            self.emit("firstWorkerReady", worker=worker.number, seconds=round(now - self._began_at, 3))

    def _open_gate(self, probe: Worker, now: float) -> None:
        self.gate.open(now)
        if self._held_since is not None:
            held = round(now - self._held_since, 3)
            self.emit("startsReleased", worker=probe.number, waiting=len(self._due), heldSeconds=held)
            self._held_since = None
            self._ready_since = now

    def _check_start_deadline(self, now: float) -> None:
        deadline = self.environment.start_deadline_seconds
        if not self.ever_ready and now >= self._began_at + deadline:
            self._give_up(ExitStatus.NEVER_READY, f"no worker became ready within {deadline} s of the start")

    def _give_up(self, status: ExitStatus, reason: str) -> None:
        self.emit("gaveUp", reason=reason, exitStatus=int(status))
        self.begin_drain("gaveUp", status)

    def _start_due(self, now: float) -> None:
        due = [worker for worker, at in self._due.items() if at <= now]
        for worker in due[:STARTS_PER_STEP]:
            if not self.gate.may_start(now):
                break
            del self._due[worker]
            self.progress.forget(worker.number)
            self.gate.started(worker.number, now)  # Even in vain: where no process is allowed it must not be a loop.
            if self.forks is not None and self.forks.takes(worker):
                self.forks.ask_for(worker)
            elif (why_not := worker.start()) is not None:
                self._take_back(worker, why_not)
            else:
                self._report_start(worker)

    def _report_start(self, worker: Worker) -> None:
        before = self._ends.get(worker)
        if before is not None:
            self._restarts[before] += 1
        probe = self._held_since is not None and worker.number == self.gate.probe
        self.emit("workerStarted", worker=worker.number, pid=worker.pid, again=before is not None, probe=probe)
        self.wake()

    def _take_back(self, worker: Worker, why_not: str | None) -> None:
        """A worker was not started: the system allowed no process, or the parent has ended meanwhile (None)."""
        now = time.monotonic()
        if why_not is None:
            self.gate.not_started(worker.number)
            self._due[worker] = now
        else:
            self.emit("workerNotStarted", worker=worker.number, reason=why_not)
            self._hold(worker, 0.0, now)
        self.wake()

    def _appointments(self, now: float) -> list[float | None]:
        if self.finished:
            return []
        if self.drain is not None:
            # Once it is past there is nothing to do at it: who is not reaped after a SIGKILL (waiting for a disk that
            # is away) would have the loop ask a thousand times a second.
            not_ended_at = self.drain.began_at + self.environment.grace_seconds
            return [self.drain.next_at(now), not_ended_at if now < not_ended_at else None]
        times: list[float | None] = list(self._due.values()) if self.gate.is_open else []
        if self._all_parked_at is not None:
            times.append(self._all_parked_at + self.environment.grace_seconds)
        if self._due:
            times.append(self.gate.next_start_at())
        if self.forks is not None:
            times.append(self.forks.next_at())
        if any(worker.alive and not worker.ready for worker in self.workers):
            times.append(now + min(LOOK_SECONDS, self.gate.settle_seconds / 3))
        if not self.ever_ready:
            times.append(self._began_at + self.environment.start_deadline_seconds)
        return times

    def _report_kill(self, worker: Worker) -> None:
        drain = self.drain
        after = round(time.monotonic() - (drain.began_at if drain else worker.started_at), 3)
        self.emit(
            "workerKilled",
            worker=worker.number,
            afterSeconds=after,
            reason=f"still running {after:g} s after it was asked to finish: its message comes back",
        )
