"""One drain: who was asked, how each ended, what that means for the container's exit status."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING

from ebbtide_supervisor.outcome import ExitStatus, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.events import Emit
    from ebbtide_supervisor.worker import Worker


class Drain:
    """Begins when it is made. No worker starts after that: the pool sees to it, and the stop file for any that a
    fork was already under way for (a signal between fork and exec is lost, the file is not).
    """

    def __init__(
        self,
        environment: Environment,
        workers: Sequence[Worker],
        emit: Emit,
        by: str,
        *,
        in_flight: int | None = None,
    ) -> None:
        self.began_at = time.monotonic()
        self.exit_status = ExitStatus.CLEAN
        self.ended = False
        self._environment = environment
        self._workers = workers
        self._emit = emit
        self._outcomes: Counter[Outcome] = Counter()
        with contextlib.suppress(OSError):  # A full volume must not stop a drain.
            environment.stop_file.touch()
        self.asked = frozenset(worker for worker in workers if worker.alive)
        told = {} if in_flight is None else {"inFlight": in_flight}
        emit("drainStarted", by=by, running=len(self.asked), drain=environment.drain, **told)
        if environment.drain == "signal":
            for worker in self.asked:
                worker.ask()

    def record(self, outcome: Outcome, *, without_message: bool) -> None:
        """Take down how a worker ended."""
        self._outcomes[outcome] += 1
        harmless = outcome in (Outcome.STOPPED, Outcome.ROTATED) or (without_message and outcome is Outcome.TERMINATED)
        if not harmless:
            self.exit_status = ExitStatus.UNCLEAN

    def step(self, now: float) -> None:
        """Kill whoever outlived the stop wait; notice the end."""
        if self.ended:
            return
        if now >= self._kill_at:
            for worker in self._workers:
                worker.kill_group()
        if not any(worker.alive for worker in self._workers):
            self.ended = True
            self._emit("drainEnded", seconds=round(now - self.began_at, 3), **self.summary())

    def next_at(self, now: float) -> float | None:
        """When `step` has something to do by time alone."""
        return None if self.ended or now >= self._kill_at else self._kill_at

    def summary(self) -> dict[str, int]:
        """How many ended how, and how many still run."""
        running = sum(worker.alive for worker in self._workers)
        return {"running": running, **{str(outcome): count for outcome, count in sorted(self._outcomes.items())}}

    @property
    def _kill_at(self) -> float:
        return float(self.began_at + self._environment.stop_wait_seconds)
