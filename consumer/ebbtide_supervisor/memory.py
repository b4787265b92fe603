"""What the pod's processes use, told as an event and as metrics: how much they share, and how large the largest is by
itself.

That is what the settings ask for (`resources.memory.measured`), and what no limit of PHP's says: a forked worker's
memory is shared until it is written to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ebbtide_supervisor.events import Emit

# A look takes a third of a millisecond for each process.
FIRST_LOOK_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 600.0
# What is worth another line.
GROWTH_FACTOR: Final = 1.25


class Memory:
    """Looks after the workers have been ready for a minute, then each ten, and tells of what has grown."""

    seen: dict[str, int] | None = None
    """At the last look, in KiB: what all processes share, and what the largest worker has for itself."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._look_at: float | None = None
        self._told_kibibytes = 0

    def look(self, now: float, workers: Iterable[int], others: Iterable[int], *, ready: bool) -> None:
        """Pids of the workers, and of what shares with them without being one."""
        if self._look_at is None:
            self._look_at = now + FIRST_LOOK_SECONDS if ready else None
        if self._look_at is None or now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        measured = [usage for usage in map(usage_kibibytes, workers) if usage is not None]
        beside = [usage for usage in map(usage_kibibytes, others) if usage is not None]
        largest = max((private for _, private in measured), default=0)
        if not measured:
            return
        shared = sum(pss - private for pss, private in measured) + sum(pss for pss, _ in beside)
        self.seen = {"shared": shared, "process": largest}
        if largest < GROWTH_FACTOR * self._told_kibibytes:
            return
        self._told_kibibytes = largest
        self._emit(
            "memoryMeasured",
            processes=len(measured),
            sharedMebibytes=-(-shared // 1024),
            processMebibytes=-(-largest // 1024),
        )


def usage_kibibytes(pid: int) -> tuple[int, int] | None:
    """Proportional and private memory of a process; None for one that has ended, or that may not be looked at."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    sizes = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]
