"""One drain: who was asked, how each ended, what that means for the container's exit status."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.outcome import ExitStatus, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.events import Emit
    from ebbtide_supervisor.worker import Worker


# Workers that were booting are asked again after this long, then after twice as long, and so on.
ASK_AGAIN_SECONDS: Final = 0.5


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
        self._booting: Sequence[Worker] = ()
        self._ask_again_after = ASK_AGAIN_SECONDS
        self.asked = frozenset(worker for worker in workers if worker.alive)
        told = {} if in_flight is None else {"inFlight": in_flight}
        waiting = len(workers) - len(self.asked)
        emit("drainStarted", by=by, running=len(self.asked), waiting=waiting, drain=environment.drain, **told)
        if environment.drain == "signal":
            for worker in self.asked:
                worker.ask()

    def ask_again(self, booting: Sequence[Worker]) -> None:
        """Those may not have heard: Symfony since 6.3 handles signals before it has a worker to stop, and forgets the
        ones that come then. Such a worker would take messages until it is killed inside one.
        """
        if self._environment.drain == "signal":
            self._booting = booting

    def record(self, outcome: Outcome, *, without_message: bool) -> None:
        """Take down how a worker ended."""
        self._outcomes[outcome] += 1
        harmless = outcome in (Outcome.STOPPED, Outcome.ROTATED) or (without_message and outcome is Outcome.TERMINATED)
        if not harmless:
            self.exit_status = ExitStatus.UNCLEAN

    def step(self, now: float) -> None:
        """Ask again who may not have heard; kill whoever outlived the stop wait; notice the end."""
        if self.ended:
            return
        if self._booting and now >= self.began_at + self._ask_again_after:
            self._ask_again_after *= 2
            for worker in self._booting:
                worker.ask_again()
        if now >= self._kill_at:
            for worker in self._workers:
                worker.kill_group()
        if not any(worker.alive for worker in self._workers):
            self.ended = True
            self._emit("drainEnded", seconds=round(now - self.began_at, 3), **self.summary())

    def next_at(self, now: float) -> float | None:
        """When `step` has something to do by time alone."""
        if self.ended or now >= self._kill_at:
            return None
        return min(self._kill_at, self.began_at + self._ask_again_after) if self._booting else self._kill_at

    def summary(self) -> dict[str, int]:
        """How many ended how, and how many still run."""
        running = sum(worker.alive for worker in self._workers)
        return {"running": running, **{str(outcome): count for outcome, count in sorted(self._outcomes.items())}}

    @property
    def _kill_at(self) -> float:
        return float(self.began_at + self._environment.stop_wait_seconds)
