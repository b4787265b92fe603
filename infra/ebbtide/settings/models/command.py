"""Any command that stops on a signal."""

import re
from typing import Annotated, Literal

from pydantic import Field

from ebbtide.settings.models.worker import ProgramWorker, Word
from ebbtide.settings.values.schedules import has_beat_beside, keeps_schedule
from ebbtide.settings.values.units import PhpMemoryBytes

_SOLO_POOL = re.compile(r"\bcelery\b.*\bworker\b.*\s(--pool[= ]solo|-P\s*solo)\b", re.DOTALL)


class CommandWorker(ProgramWorker):
    """Any command that finishes its message and exits when it gets its stop signal."""

    kind: Literal["command"]
    """Any command."""
    command: Annotated[tuple[Word, ...], Field(min_length=1)]
    """The command and its arguments, one string each; it is executed without a shell."""
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] = "TERM"
    """The signal after which the command finishes its message and exits."""
    memory_limit: PhpMemoryBytes = 128 * 1024**2
    """What one process uses at most. It is not enforced here: it sizes the pod's memory."""

    @property
    def is_schedule(self) -> bool:
        """Celery's beat and Laravel's schedule:work are."""
        return keeps_schedule(" ".join(self.command))

    @property
    def sends_schedule(self) -> bool:
        """So is what has beat beside its tasks."""
        return self.is_schedule or has_beat_beside(" ".join(self.command))

    @property
    def deaf_by(self) -> tuple[str, str] | None:
        """Celery's solo pool, by its option."""
        is_solo = _SOLO_POOL.search(" ".join(self.command)) is not None
        return ("command", "--pool=prefork --concurrency=1") if is_solo else None
