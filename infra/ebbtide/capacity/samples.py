"""How long messages take, from a file of measured durations."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ebbtide.capacity.load import csv_lines, microseconds
from ebbtide.capacity.trace import TraceError, refuse_endless


@dataclass(frozen=True, slots=True)
class Samples:
    """Durations in microseconds, each as likely as any other."""

    durations: array[int]

    def sampler(self, random: Random) -> Callable[[], int]:
        """A source of durations in microseconds."""
        durations, size, draw = self.durations, len(self.durations), random.random
        return lambda: durations[int(draw() * size)]


def read_samples(file: Path) -> Samples:
    """One duration in seconds a line, or a CSV with a column `duration`. Raises TraceError with the line of what
    cannot be used."""
    found, column = array("q"), 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            for number, row in csv_lines(file, opened):
                names = [cell.strip().lower() for cell in row]
                if not found and "duration" in names:
                    column = names.index("duration")
                    continue
                if column >= len(row):
                    raise TraceError(f"{file}: line {number}: has no column {column + 1} with a duration")
                length = microseconds(file, number, "duration", row[column])
                refuse_endless(f"{file}: line {number}", 0, length)
                found.append(length)
    except UnicodeDecodeError:
        raise TraceError(f"{file}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise TraceError(f"{file}: cannot be read: {error.strerror}; name a file of durations") from None
    if not found:
        raise TraceError(f"{file}: has no duration; write one in seconds a line")
    return Samples(found)
