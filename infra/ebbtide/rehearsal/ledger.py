"""What became of every message, from the lines that workers write when they begin and end one."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

_NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(slots=True)
class Handling:
    """One worker with one message in flight. Times are seconds since the epoch, by the node's clock."""

    message: str
    pod: str
    worker: str
    started_at: float
    ended_at: float | None = None
    """None: the worker was killed, or has it in flight."""
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A line that the image itself writes: drainStarted, containerEnding, ..."""

    pod: str
    at: float
    name: str
    fields: dict[str, Any]


@dataclass(slots=True)
class Count:
    """Every message that was sent, in exactly one of `once`, `repeated`, `lost`."""

    sent: int = 0
    once: int = 0
    """Begun once and finished."""
    repeated: int = 0
    """Begun more than once, whether or not it was finished: its effects may have happened twice."""
    lost: int = 0
    """Never finished and not begun again."""
    cut_off: int = 0
    """Handlings that began and did not end, because the worker was killed. Not messages: one may be cut off twice."""
    failed: int = 0
    """Handlings that ended in an error of the handler."""
    unknown: int = 0
    """Messages in the ledger that nobody sent: the ledger belongs to something else."""


@dataclass
class Ledger:
    """The lines of all pods, as they come. Safe for threads."""

    handlings: list[Handling] = field(default_factory=list)
    events: list[PodEvent] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    _open: dict[tuple[str, str, int, str], Handling] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _finished: set[str] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, pod: str, line: str) -> None:
        """Take one line of a pod's log, with the kubelet's time before it. A line that was read already is ignored:
        a log that is followed again begins anew."""
        stamp, _, text = line.partition(" ")
        if not text.startswith("{"):
            return
        with self._lock:
            if (pod, line) in self._seen:
                return
            self._seen.add((pod, line))
            try:
                record = json.loads(text)
                self._take(pod, parse_time(stamp), record)
            except (ValueError, KeyError, TypeError):
                self.malformed.append(f"{pod}: {line[:300]}")

    def _take(self, pod: str, at: float, record: dict[str, Any]) -> None:
        if "monotonic_ns" not in record:
            if "event" in record:
                self.events.append(PodEvent(pod, at, record["event"], record))
            return
        if record["event"] == "consuming":
            return
        message = record["message"]
        key = (pod, record["worker"], record["pid"], message)
        if record["event"] == "started":
            handling = Handling(message, pod, record["worker"], at)
            self.handlings.append(handling)
            self._open[key] = handling
            self._begun.add(message)
        else:
            handling = self._open.pop(key)
            handling.ended_at = at
            if record["event"] == "failed":
                handling.failed = str(record["reason"])
            else:
                self._finished.add(message)

    @property
    def begun(self) -> int:
        """How many messages have been begun."""
        return len(self._begun)

    @property
    def finished(self) -> int:
        """How many messages have been finished."""
        return len(self._finished)

    def count(self, sent: Iterable[str], failing: Mapping[str, int] = _NONE) -> Count:
        """Sort every message that was sent. Only meaningful once no worker runs.

        `failing`: how often a message was asked to fail, by message. Such a failure is neither counted, nor is the
        handling that comes after it a repetition.
        """
        with self._lock:
            handlings = list(self.handlings)
        failed = Counter(one.message for one in handlings if one.failed is not None)
        asked_for = Counter({message: min(number, failed[message]) for message, number in failing.items()})
        begun = Counter(one.message for one in handlings) - asked_for
        finished = {one.message for one in handlings if one.ended_at is not None and one.failed is None}
        count = Count(
            cut_off=sum(one.ended_at is None for one in handlings),
            failed=(failed - asked_for).total(),
        )
        messages = set(sent)
        count.sent = len(messages)
        count.unknown = len(begun.keys() - messages)
        for message in messages:
            if begun[message] > 1:
                count.repeated += 1
            elif message in finished:
                count.once += 1
            else:
                count.lost += 1
        return count


def parse_time(text: str) -> float:
    """RFC 3339 with up to nine digits, as Kubernetes writes it, in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
