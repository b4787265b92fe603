"""Workers forked from a parent that has booted the application once (consumer/fork/hook.php), instead of one boot each.

The parent forks twice, so that the kernel gives each worker to PID 1: its signals, its exit status and everything
else are then as for a worker that PID 1 has forked itself. One unix socket:

    parent -> PID 1   parent                      booted; this connection stays (with `auto` also: comparison.py)
    PID 1 -> parent   NUMBER TIMELIMIT TOKEN      fork this worker
    parent -> PID 1   failed TOKEN REASON         the system allows no process
    parent -> PID 1   refused REASON              booting has left something behind that children must not share
    worker -> PID 1   worker TOKEN                on a connection of its own: forked, has run nothing yet
    PID 1 -> worker   go                          taken on; or the connection is closed, and the worker is gone

So no worker runs that PID 1 does not know, whatever becomes of the parent, and nobody ever waits for the parent: a
drain forgets the tokens. Who a worker is the kernel says (SO_PEERCRED), not the worker.
"""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from supervisor.medusa import asyncore_25 as asyncore

from ebbtide_supervisor import comparison
from ebbtide_supervisor.fork_callers import Caller, Door
from ebbtide_supervisor.outcome import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.events import Emit
    from ebbtide_supervisor.worker import Parent, Worker

# A boot that takes longer is a hang: then workers boot by themselves, within the start deadline.
LONGEST_BOOT_SECONDS: Final = 60.0
# A fork takes milliseconds; a node out of CPU needs longer for 70 of them.
LONGEST_ANSWER_SECONDS: Final = 30.0
# A parent that ends before it has forked anybody is tried again so often, so long after its start.
MOST_FAILURES: Final = 3
RETRY_SECONDS: Final = 1.0
# One that has been ready for so long has not failed to work: somebody has killed it.
LONG_LIFE_SECONDS: Final = 10.0
# Its memory is everybody's: more than this beyond what it had when it was ready, or than is set aside for it, and
# another takes its place.
GROWTH_FACTOR: Final = 1.5
GROWTH_MEBIBYTES: Final = 32


@dataclass
class Request:
    """A worker that the parent was asked for, or will be as soon as it has booted."""

    worker: Worker
    waits_since: float | None = None
    """Since it was sent, or since one was answered that had been sent before it: the parent gets on then."""


class Forks:
    """The parent's life, and the workers it was asked for. `on_start` and `on_refusal` answer each request once."""

    def __init__(
        self,
        environment: Environment,
        parent: Parent,
        parent_mebibytes: int,
        emit: Emit,
        on_error: Callable[[], None],
    ) -> None:
        self.is_on = True
        self.on_start: Callable[[Worker], None] = lambda _worker: None
        self.on_refusal: Callable[[Worker, str | None], None] = lambda _worker, _reason: None
        self._environment = environment
        self._parent = parent
        self._parent_mebibytes = parent_mebibytes
        self._emit = emit
        self._on_error = on_error
        self._requests: dict[str, Request] = {}
        self._channel: Caller | None = None
        self._failures = 0
        self._why_killed: str | None = None
        self._start_at = 0.0
        self._ready_mebibytes = 0.0
        self._grown_at: float | None = None
        parent.on_end = self._parent_ended
        self._comparison: comparison.Comparison | None = None
        if environment.worker_start == "auto":
            self._comparison = comparison.Comparison(environment.first_boot_file, parent)
            self._comparison.on_recorded = lambda: self.step(time.monotonic())
            self._comparison.on_failure = self._give_up
        self._listen()

    def _listen(self) -> None:
        path = self._environment.fork_socket
        path.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(path))
        path.chmod(0o700)
        self._door.listen(1024)
        self._door.settimeout(0)
        asyncore.socket_map[self._door.fileno()] = Door(self._door, self._hear, self._on_error)

    # What the pool asks.

    def takes(self, worker: Worker) -> bool:
        """Whether this worker is forked; otherwise it boots by itself."""
        return self.is_on and (self._comparison is None or not self._comparison.takes(worker))

    def ask_for(self, worker: Worker) -> None:
        """Have this worker forked: now, or when the parent has booted."""
        token = secrets.token_hex(8)
        self._requests[token] = Request(worker)
        self._send(token)

    def step(self, now: float) -> None:
        """See to the parent."""
        if not self.is_on:
            return
        if self._comparison is not None and not self._comparison.is_recorded:
            if (why := self._comparison.why_in_vain(now, self._boot_seconds)) is not None:
                self._give_up(why)
        elif (awaited := self._awaited()) is not None and now >= awaited[0]:
            awaited[1](now)

    def next_at(self) -> float | None:
        """When `step` has something to do by time alone."""
        if not self.is_on:
            return None
        if self._comparison is not None and not self._comparison.is_recorded:
            return self._comparison.next_at(self._boot_seconds)
        awaited = self._awaited()
        return None if awaited is None else awaited[0]

    def _awaited(self) -> tuple[float, Callable[[float], None]] | None:
        """What is to be done if nothing comes of the parent until then."""
        if not self._parent.alive:
            return self._start_at, self._start_parent
        if self._why_killed is not None:
            # It ends when the kernel has taken it apart: a loop that asks until then would take a whole CPU.
            return None
        if self._channel is None:
            return self._parent.started_at + self._boot_seconds, self._kill_unbooted
        since = min(self._waits_since(), default=None)
        return None if since is None else (since + LONGEST_ANSWER_SECONDS, self._kill_silent)

    def look_at_parent(self) -> None:
        """Replace a parent that has grown: each of its children would begin with that. And one that is as old as a
        worker may be: what its boot has read (a mounted password, a date) would never be read again."""
        if self._channel is None or self._requests or self._why_killed is not None or not self.is_on:
            return
        oldest, now = self._environment.time_limit_seconds, time.monotonic()
        if 0 < oldest < now - self._parent.started_at:
            self._kill(f"is as old as a worker may be ({oldest} s)", is_failure=False)
            return
        most = min(GROWTH_FACTOR * self._ready_mebibytes + GROWTH_MEBIBYTES, self._parent_mebibytes)
        if (own := self._parent.own_mebibytes()) > most:
            why = f"has grown from {self._ready_mebibytes:.0f} to {own:.0f} MiB"
            before, self._grown_at = self._grown_at, now
            if before is not None and (not oldest or now < before + oldest):
                # The next will again: what it loads for its first worker is too much. Memory is set aside for two
                # parents, while workers of the first hold what they share.
                self._give_up(f"the parent {why}, as the one before it")
            else:
                self._kill(why, is_failure=False)

    def stop(self) -> None:
        """A drain: nobody starts any more. Who was asked for is turned away, and nobody waits for the parent."""
        self.is_on = False
        self._requests.clear()
        self._parent.end()
        self._end_comparison()

    # The parent.

    @property
    def _boot_seconds(self) -> float:
        return min(LONGEST_BOOT_SECONDS, self._environment.start_deadline_seconds / 4)

    def _waits_since(self) -> list[float]:
        return [request.waits_since for request in self._requests.values() if request.waits_since is not None]

    def _start_parent(self, now: float) -> None:
        self._start_at = now + RETRY_SECONDS
        self._why_killed = None
        if (why_not := self._parent.begin()) is not None:
            self._fail(f"the parent cannot be started: {why_not}")

    def _kill_unbooted(self, _now: float) -> None:
        self._failures = MOST_FAILURES  # Each try would cost as much again.
        self._kill(f"has not booted within {self._boot_seconds:g} s")

    def _kill_silent(self, _now: float) -> None:
        self._kill(f"has not forked a worker within {LONGEST_ANSWER_SECONDS:g} s")

    def _kill(self, reason: str, *, is_failure: bool = True) -> None:
        self._why_killed = f"the parent {reason}"
        self._failures += is_failure
        self._parent.end()

    def _parent_ended(self, wait_status: int) -> None:
        was_ready = self._channel is not None
        self._hang_up()
        if not self.is_on:
            return
        # Not where we have killed it: one that answers nobody has lived long, and would never be given up.
        if was_ready and self._why_killed is None and time.monotonic() > self._parent.started_at + LONG_LIFE_SECONDS:
            self._failures = 0
        reason = self._why_killed or "the parent ended by itself"
        seconds = round(time.monotonic() - self._parent.started_at, 3)
        self._emit("parentEnded", reason=reason, **describe(wait_status), seconds=seconds)
        self._start_at = max(time.monotonic(), self._parent.started_at + RETRY_SECONDS)
        lost = [token for token, request in self._requests.items() if was_ready and request.waits_since is not None]
        if self._why_killed is None:
            self._fail(f"{reason} {'after' if was_ready else 'before'} it had booted")
        elif self._failures >= MOST_FAILURES:
            self._give_up(reason)
        for token in lost:
            self._refuse(token, None)

    def _fail(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        """Workers boot by themselves from now on: a container that consumes at a higher price, and not an idle one."""
        if not self.is_on:
            return
        self.is_on = False
        self._emit("forkOff", reason=reason)
        self._parent.end()
        self._end_comparison()
        for token in list(self._requests):
            self._refuse(token, None)

    def _end_comparison(self) -> None:
        if self._comparison is not None:
            self._comparison.end()
            self._comparison = None

    def _refuse(self, token: str, reason: str | None) -> None:
        request = self._answered(token)
        if request is not None:
            self.on_refusal(request.worker, reason)

    def _answered(self, token: str) -> Request | None:
        """Those that were sent after it wait anew. Not those before: who goes missing is missed, whoever rotates."""
        tokens = list(self._requests)
        request = self._requests.pop(token, None)
        if request is not None and request.waits_since is not None:
            for later in tokens[tokens.index(token) + 1 :]:
                if self._requests[later].waits_since is not None:
                    self._requests[later].waits_since = time.monotonic()
        return request

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # The socket.

    def _send(self, token: str) -> None:
        if self._channel is None:
            return
        request = self._requests[token]
        number = request.worker.number
        request.waits_since = time.monotonic()
        # One that never reads is found by the time that its answer takes.
        self._channel.say(f"{number} {self._environment.time_limit_of(number)} {token}\n")

    def _hear(self, caller: Caller, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "worker":
            self._take_on(caller, rest)
        elif word in comparison.WORDS:
            self._hear_of_first(caller, word)
        elif not self.is_on or self._why_killed is not None or caller.pid != self._parent.pid:
            caller.close()
        elif word == "parent":
            self._parent_is_ready(caller, rest)
        elif word == "refused":
            self._give_up(rest)
        elif word == "failed":
            token, _, reason = rest.partition(" ")
            self._refuse(token, reason)

    def _hear_of_first(self, caller: Caller, word: str) -> None:
        if self._comparison is not None:
            self._comparison.hear(caller, word)
        else:
            # Too late: nobody will read it.
            self._environment.first_boot_file.unlink(missing_ok=True)
            caller.close()

    def _parent_is_ready(self, caller: Caller, told: str) -> None:
        own, most = self._parent.own_mebibytes(), self._parent_mebibytes
        reasons = [] if self._comparison is None else self._comparison.against(told)
        if own > most:
            reasons.append(f"the parent has {own:.0f} MiB of its own, and {most} MiB are set aside for it")
        if reasons:
            self._give_up("; ".join(reasons))
            return
        self._channel, self._ready_mebibytes = caller, own
        seconds = round(time.monotonic() - self._parent.started_at, 3)
        self._emit("parentReady", pid=caller.pid, seconds=seconds, mebibytes=round(own))
        for token in list(self._requests):
            self._send(token)

    def _take_on(self, caller: Caller, token: str) -> None:
        request = self._requests.get(token)
        # A word that could be sent is one to a process that has not ended: PID 1 has not reaped it unknown.
        if request is not None and caller.say("go\n"):
            self._answered(token)
            self._failures = 0
            request.worker.adopt(caller.pid)
            self.on_start(request.worker)
        caller.close()
