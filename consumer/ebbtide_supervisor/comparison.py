"""With `auto`, before anybody is forked: the boot of the first worker, held against the parent's.

What an image's build finds it finds with the variables of a build. A container has others, by which the same bootstrap
may do something else. So the first worker of a container boots by itself, consumes as any other, and a copy of it
notes down what its boot has made, as digests; the parent boots after it, holds its own against that, and tells PID 1
where they differ. Both have names of their own in everything that a worker has for itself, so that whoever has kept
one is found. A parent that takes another's place must have booted as that one has: one digest of everything tells it.

    first -> PID 1    recording      it has booted; a copy of it is at work, on this connection
    first -> PID 1    recorded       the file is there; closed without that word: it could not be made
    parent -> PID 1   parent FACTS   booted, and this is what it has left and where it differs, as JSON
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.fork_proof import judge, judge_doubts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ebbtide_supervisor.fork_callers import Caller
    from ebbtide_supervisor.worker import Parent, Worker

WORDS: Final = ("recording", "recorded")
# What a worker has said is heard a moment later, and it may have ended by then, or consume.
PATIENCE_SECONDS: Final = 2.0


class Comparison:
    """Knows the first worker, and whether the parent may boot. `on_recorded` and `on_failure` answer it once."""

    def __init__(self, file: Path, parent: Parent) -> None:
        self.is_recorded = False
        self.on_recorded: Callable[[], None] = lambda: None
        self.on_failure: Callable[[str], None] = lambda _reason: None
        self._file = file
        self._first: Worker | None = None
        self._is_recording = False
        self._in_vain_at: float | None = None
        self._proved: str | None = None
        """Of everything that a parent had made which was found to be as the first worker's."""
        # Digests of short secrets could be guessed: without this they say nothing, and it is in no file.
        self._key = {"EBBTIDE_FORK_KEY": secrets.token_hex(16)}
        self._variables = {"EBBTIDE_FORK_FIRST": str(file), **self._key}
        self._parent = parent
        parent.config.environment |= {"EBBTIDE_FORK_AGAINST": str(file), **self._key}

    def takes(self, worker: Worker) -> bool:
        """Whether this is the one worker that boots by itself."""
        if self._first is not None:
            return False
        self._first = worker
        worker.config.environment |= self._variables
        return True

    def why_in_vain(self, now: float, boot_seconds: float) -> str | None:
        """Why nothing will be recorded any more."""
        first = self._first
        if first is None or self.is_recorded:
            return None
        if now >= first.started_at + boot_seconds:
            return f"the first worker has not booted and noted what that made within {boot_seconds:g} s"
        # A copy of it that is at it goes on, whatever becomes of itself.
        if self._is_recording or (first.alive and not first.ready):
            return None
        self._in_vain_at = self._in_vain_at or now + PATIENCE_SECONDS
        if now < self._in_vain_at:
            return None
        return f"the first worker {'consumes' if first.alive else 'has ended'}, and its boot was not seen"

    def next_at(self, boot_seconds: float) -> float | None:
        """When to look again by time alone."""
        if self._first is None or self.is_recorded:
            return None
        at = self._first.started_at + boot_seconds
        return at if self._in_vain_at is None or self._is_recording else min(at, self._in_vain_at)

    def hear(self, caller: Caller, word: str) -> None:
        """A copy of the first worker."""
        if word == "recording":
            self._is_recording = True
            caller.on_close = self._copy_ended
        else:
            self.is_recorded = True
            caller.close()
            if self._first is not None:  # the next process of that number has nothing to note
                for name in self._variables:
                    self._first.config.environment.pop(name, None)
            self.on_recorded()

    def _copy_ended(self) -> None:
        if not self.is_recorded:
            self.on_failure("what the first worker's boot has made could not be noted")

    def against(self, told: str) -> list[str]:
        """Why nobody is forked, by what the parent says; nothing: it is proved."""
        try:
            facts = json.loads(told)
            if self._proved is not None:
                places = ["something that the parent before it had made otherwise"][: facts["digest"] != self._proved]
                facts |= {"different": len(places), "differences": places}
            found = [*judge({}, facts, {}), *judge_doubts(facts)]
            self._proved = facts["digest"]
        except (ValueError, KeyError, TypeError, AttributeError):  # not JSON, or of another form
            return ["the parent could not hold its boot against the first worker's"]
        self._file.unlink(missing_ok=True)
        return found

    def end(self) -> None:
        """Nothing of it stays, and whoever starts from now on knows nothing of it."""
        # Also half of it: a copy that was killed while it wrote would leave megabytes in the volume of the state.
        for file in (self._file, self._file.with_name(f"{self._file.name}.new")):
            file.unlink(missing_ok=True)
        for process in filter(None, (self._parent, self._first)):
            for name in ("EBBTIDE_FORK_FIRST", "EBBTIDE_FORK_AGAINST", "EBBTIDE_FORK_KEY"):
                process.config.environment.pop(name, None)
