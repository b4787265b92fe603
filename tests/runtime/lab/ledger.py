"""Reads the example's ledger and counts what became of every message."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NANOSECONDS = 1e-9


@dataclass(frozen=True)
class Handling:
    """One worker's go at one message; `ended_at` is None if the worker never came to the end of it."""

    message: str
    worker: str
    pid: int
    started_at: float
    ended_at: float | None
    failed: str | None = None

    @property
    def finished(self) -> bool:
        return self.ended_at is not None and self.failed is None

    @property
    def killed(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True)
class Account:
    """What became of the messages that were sent. Times are monotonic seconds."""

    sent: frozenset[str]
    handlings: tuple[Handling, ...]
    consuming: tuple[tuple[str, float], ...] = field(default=())

    @property
    def finished(self) -> set[str]:
        return {handling.message for handling in self.handlings if handling.finished}

    @property
    def killed(self) -> list[Handling]:
        """Handlings that began and neither finished nor failed. Only meaningful once no worker runs."""
        return [handling for handling in self.handlings if handling.killed]

    @property
    def failed(self) -> list[Handling]:
        return [handling for handling in self.handlings if handling.failed is not None]

    @property
    def started_again(self) -> set[str]:
        return {message for message, times in self._starts().items() if times > 1}

    @property
    def handled_twice(self) -> set[str]:
        ends = Counter(handling.message for handling in self.handlings if handling.finished)
        return {message for message, times in ends.items() if times > 1}

    @property
    def overlapping(self) -> set[str]:
        """Messages that two workers had in flight at the same moment."""
        found = set()
        latest: dict[str, Handling] = {}
        for handling in sorted(self.handlings, key=lambda one: one.started_at):
            earlier = latest.get(handling.message)
            if earlier and earlier.ended_at is not None and handling.started_at < earlier.ended_at:
                found.add(handling.message)
            latest[handling.message] = handling
        return found

    def started_after(self, moment: float) -> int:
        return sum(handling.started_at > moment for handling in self.handlings)

    def in_flight_at(self, moment: float) -> list[Handling]:
        return [
            handling
            for handling in self.handlings
            if handling.started_at <= moment and (handling.ended_at is None or handling.ended_at > moment)
        ]

    @property
    def last_end(self) -> float:
        return max((handling.ended_at for handling in self.handlings if handling.ended_at), default=0.0)

    def _starts(self) -> Counter[str]:
        return Counter(handling.message for handling in self.handlings)


def read(path: Path, sent: Iterable[str]) -> Account:
    """Reads a ledger, also while it is written: a last line without its end is not there yet.

    A line is one write, but a reader may come in the midst of one that crosses a page of the file.

    Raises:
        ValueError: a line is not whole, or an end has no beginning: then nothing that is counted can be believed.
    """
    open_handlings: dict[tuple[str, int, str], float] = {}
    handlings: list[Handling] = []
    consuming: list[tuple[str, float]] = []
    whole_lines, _, _ = (path.read_text() if path.exists() else "").rpartition("\n")
    for number, line in enumerate(whole_lines.splitlines(), 1):
        try:
            record = json.loads(line)
            moment = record["monotonic_ns"] * NANOSECONDS
            if record["event"] == "consuming":
                consuming.append((record["worker"], moment))
                continue
            key = (record["worker"], record["pid"], record["message"])
            if record["event"] == "started":
                if key in open_handlings:  # a later container whose worker has the same name and PID
                    handlings.append(Handling(key[2], key[0], key[1], open_handlings[key], None))
                open_handlings[key] = moment
            else:
                handlings.append(
                    Handling(
                        key[2],
                        key[0],
                        key[1],
                        open_handlings.pop(key),
                        moment,
                        record["reason"] if record["event"] == "failed" else None,
                    )
                )
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path}, line {number}: not a whole ledger line ({error!r}): {line}") from error
    handlings += [Handling(message, worker, pid, at, None) for (worker, pid, message), at in open_handlings.items()]
    return Account(frozenset(sent), tuple(handlings), tuple(consuming))
