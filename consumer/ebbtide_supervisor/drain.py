"""One drain: who was asked, how each ended, what that means for the container's exit status."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.outcome import ExitStatus, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.events import Emit
    from ebbtide_supervisor.worker import Worker


# Workers that were booting are asked again after this long, then after twice as long, and so on.
ASK_AGAIN_SECONDS: Final = 0.5
# When the log says for the first time who is still at work, then after twice as long, and so on: whoever is cut off by
# a kill from outside says nothing more, and the last of these lines is what is known of its messages.
WAITING_SECONDS: Final = 2.0


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
        in_flight: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.began_at = time.monotonic()
        self.exit_status = ExitStatus.CLEAN
        self.seconds: float | None = None
        """How long it took, once it has ended."""
        self._environment = environment
        self._workers = workers
        self._emit = emit
        self._in_flight = in_flight
        self._outcomes: Counter[Outcome] = Counter()
        self._cut_off: int | None = None
        self._tell_after = WAITING_SECONDS
        with contextlib.suppress(OSError):  # A full volume must not stop a drain.
            environment.stop_file.touch()
        self._booting: Sequence[Worker] = ()
        self._ask_again_after = ASK_AGAIN_SECONDS
        self.asked = frozenset(worker for worker in workers if worker.alive)
        waiting = len(workers) - len(self.asked)
        told = self._told()
        # Whoever reads of the drain, or holds up the log, finds all workers asked.
        if environment.drain == "signal":
            for worker in self.asked:
                worker.ask()
        emit("drainStarted", by=by, running=len(self.asked), waiting=waiting, drain=environment.drain, **told)

    def ask_again(self, booting: Sequence[Worker]) -> None:
        """Those may not have heard: Symfony since 6.3 handles signals before it has a worker to stop, and forgets the
        ones that come then. Such a worker would take messages until it is killed inside one.
        """
        if self._environment.drain == "signal":
            self._booting = booting

    def record(self, outcome: Outcome, *, without_message: bool, cut_off: bool | None) -> None:
        """Take down how a worker ended; `cut_off`: with a message in flight, None where that is not known."""
        self._outcomes[outcome] += 1
        if cut_off is not None:
            self._cut_off = (self._cut_off or 0) + cut_off
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
        if not (running := sum(worker.alive for worker in self._workers)):
            self.seconds = round(max(0.0, now - self.began_at), 3)
            outcome = "clean" if self.exit_status is ExitStatus.CLEAN else "killed"
            told = {} if self._cut_off is None else {"cutOff": self._cut_off}
            self._emit("drainEnded", outcome=outcome, seconds=self.seconds, **told, **self.summary())
        elif now >= self.began_at + self._tell_after:
            self._tell_after *= 2
            self._emit("drainWaiting", seconds=round(now - self.began_at, 3), running=running, **self._told())

    def cut_short(self) -> None:
        """The grace period is over, and it was shorter than this drain may take."""
        if self.ended:
            return
        seconds, running = round(time.monotonic() - self.began_at, 3), sum(worker.alive for worker in self._workers)
        budget = self._environment.stop_wait_seconds
        reason = (
            f"SIGTERM came while the hook still waits: the grace period is used up after {seconds:g} s, and this drain "
            f"may take {budget} s; what is left is killed 2 s from now"
        )
        self._emit("drainCutShort", seconds=seconds, running=running, reason=reason, **self._told())

    @property
    def ended(self) -> bool:
        return self.seconds is not None

    def next_at(self, now: float) -> float | None:
        """When `step` has something to do by time alone."""
        if self.ended or now >= self._kill_at:
            return None
        times = [self._kill_at, self.began_at + self._tell_after]
        return min(*times, self.began_at + self._ask_again_after) if self._booting else min(times)

    def summary(self) -> dict[str, int]:
        """How many ended how, and how many still run."""
        running = sum(worker.alive for worker in self._workers)
        return {"running": running, **{str(outcome): count for outcome, count in sorted(self._outcomes.items())}}

    def _told(self) -> dict[str, int]:
        """How many have a message in flight, where the application tells."""
        count = self._in_flight()
        return {} if count is None else {"inFlight": count}

    @property
    def _kill_at(self) -> float:
        return float(self.began_at + self._environment.stop_wait_seconds)
