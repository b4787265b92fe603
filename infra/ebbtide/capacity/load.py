"""A load from a file: a profile, a binary trace, or a table of arrivals as CSV or JSON lines."""

from __future__ import annotations

import csv
import json
import math
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.patterns import draw_load
from ebbtide.capacity.profile import DurationSource, LoadProfile, read_profile
from ebbtide.capacity.trace import CHUNK_MESSAGES, Chunk, IsSound, TraceError, is_trace, read_trace, refuse_endless

_ARRIVAL_NAMES = ("arrival", "arrival_seconds", "time", "timestamp")
_DURATION_NAMES = ("duration", "duration_seconds", "seconds")
_ID_NAME = re.compile(r"(?i)((.*[^a-z])?(uu)?|message|job|task|order|correlation)id|offset|delivery.?tag")
"""Columns whose numbers tell messages apart, and count nothing."""
_CALENDAR_SECONDS = 1e8
_HOUR_US = 3600 * MICROSECONDS
_CALENDAR_US = int(_CALENDAR_SECONDS) * MICROSECONDS
"""Arrivals above that, three years, are dates or seconds since 1970."""
_MOST_A_MINUTE = 1_000_000
"""They are held in memory to be sorted: 100 MB."""


@dataclass(frozen=True, slots=True)
class Load:
    """A load that can be run more than once."""

    name: str
    open: Callable[[int], Iterable[Chunk]]
    """By seed; a trace with durations is the same for every seed."""
    drawn: bool
    """Whether chance takes part, so that several seeds give a range."""
    profile: LoadProfile | None = None


def read_load(file: Path, durations: DurationSource | None = None, is_sound: IsSound | None = None) -> Load:
    """Find out what a file holds. `durations` are those of a table without its own, and of a profile in place of its
    own. Raises TraceError or SettingsError for a file that cannot be used."""
    try:
        if file.suffix in {".yaml", ".yml"}:
            profile = read_profile(file)
            return Load(file.name, lambda seed: draw_load(profile, seed, durations), drawn=True, profile=profile)
        if is_trace(file):
            if durations is not None:
                raise TraceError(f"{file}: is a trace, with a duration for each message; leave out --durations")
            return Load(file.name, lambda _: read_trace(file, is_sound), drawn=False)
    except OSError as error:
        raise TraceError(
            f"{file}: cannot be read: {error.strerror}; name a profile, a trace, CSV or JSON lines"
        ) from None
    if file.suffix not in {".csv", ".jsonl"}:
        raise TraceError(
            f"{file}: is no load (got the ending {file.suffix!r}); name a .yaml profile, a trace, .csv or .jsonl"
        )
    return Load(file.name, lambda seed: read_table(file, durations, seed), drawn=durations is not None)


def read_table(file: Path, durations: DurationSource | None, seed: int) -> Iterator[Chunk]:
    """The rows of a CSV or JSON lines file: an arrival each, in seconds or as a date, and perhaps a duration in
    seconds; or minutes with a count. Without a duration it is drawn from `durations`.

    The first arrival, or the first minute, is time zero. It also tells whether numbers count seconds, or thousandths
    and less since 1970. Raises TraceError with the line of what cannot be used.
    """
    random = Random(seed)  # noqa: S311 - repeatable chance, no secret
    draw = durations.sampler(random) if durations else None
    arrivals, lengths = array("q"), array("q")
    line, last = 0, 0
    for line, arrival, duration in _rows(file, random):
        if arrival < last:
            raise TraceError(f"{file}: line {line}: arrives before the line above it; sort the file by arrival")
        last = arrival
        if duration is None and draw is None:
            remedy = "add one; simulate and advise draw it with --durations 'p50=2s,max=200s'"
            raise TraceError(f"{file}: line {line}: has no duration; {remedy}")
        length = duration if duration is not None else draw()  # type: ignore[misc]
        refuse_endless(f"{file}: line {line}", arrival, length)
        arrivals.append(arrival)
        lengths.append(length)
        if len(arrivals) == CHUNK_MESSAGES:
            yield arrivals, lengths
            arrivals, lengths = array("q"), array("q")
    if not line:
        raise TraceError(f"{file}: has no message; give at least one arrival")
    if arrivals:
        yield arrivals, lengths


def _rows(file: Path, random: Random) -> Iterator[tuple[int, int, int | None]]:
    """(line, arrival since the beginning, duration) in microseconds."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            if file.suffix == ".jsonl":
                yield from _since_first(file, _json_rows(file, opened))
                return
            lines = csv_lines(file, opened)
            first, header = next(lines, (0, [""]))
            names = [name.strip().lower() for name in header]
            if names[:2] == ["minute", "count"]:
                yield from _minutes(file, lines, random)
            elif first:
                yield from _since_first(file, _csv_rows(file, first, names, lines))
    except UnicodeDecodeError:
        raise TraceError(f"{file}: is not UTF-8; save it as UTF-8") from None


def _since_first(file: Path, rows: Iterable[tuple[int, int, int | None]]) -> Iterator[tuple[int, int, int | None]]:
    first, unit, last = 0, 0, 0
    for line, arrival, duration in rows:
        if not unit:
            first, unit = arrival, _units_per_second(arrival)
        at = (arrival - first + unit // 2) // unit
        if 0 < last - at <= _HOUR_US and first > _CALENDAR_US:
            raise TraceError(
                f"{file}: line {line}: arrives before the line above it; sort the file by arrival. Where clocks were"
                " set back in that hour, sorting would mix two: write times in UTC or with their offset (+01:00)"
            )
        last = at
        yield line, at, duration


def _units_per_second(first: int) -> int:
    """What the numbers of a file count, by the first: seconds since 1970 have ten digits, thousandths thirteen,
    millionths sixteen, billionths nineteen, and no load lies so far in the future."""
    digits = len(str(first // MICROSECONDS))
    return 1 if digits < 12 else 1_000 if digits < 15 else 1_000_000 if digits < 18 else 1_000_000_000


def _json_rows(file: Path, lines: Iterable[str]) -> Iterator[tuple[int, int, int | None]]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            raise TraceError(f"{file}: line {number}: is not JSON; write one object a line") from None
        if not isinstance(row, dict):
            raise TraceError(f'{file}: line {number}: is no object; write {{"arrival": 0.5, "duration": 2}}')
        arrival = next((row[name] for name in _ARRIVAL_NAMES if name in row), None)
        duration = next((row[name] for name in _DURATION_NAMES if name in row), None)
        if duration is None:
            _refuse_counts(file, number, ((str(name), row[name]) for name in row if name not in _ARRIVAL_NAMES))
        length = None if duration is None else microseconds(file, number, "duration", duration)
        yield number, microseconds(file, number, "arrival", arrival), length


def _csv_rows(
    file: Path, first: int, names: list[str], lines: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, int, int | None]]:
    arrival = next((names.index(name) for name in _ARRIVAL_NAMES if name in names), None)
    if arrival is None:
        raise TraceError(
            f"{file}: line {first}: has no column for the arrival; begin with the line arrival,duration or minute,count"
        )
    duration = next((names.index(name) for name in _DURATION_NAMES if name in names), None)
    # With a duration a row is a message, whatever else it says.
    others = [place for place, name in enumerate(names) if name not in _ARRIVAL_NAMES] if duration is None else []
    for number, row in lines:
        if len(row) != len(names):
            raise TraceError(f"{file}: line {number}: has {len(row)} columns instead of {len(names)}")
        if others:
            _refuse_counts(file, number, ((names[place], row[place]) for place in others))
        length = None if duration is None else microseconds(file, number, "duration", row[duration])
        yield number, microseconds(file, number, "arrival", row[arrival]), length


def _refuse_counts(file: Path, line: int, cells: Iterable[tuple[str, object]]) -> None:
    """Of what monitoring exports, `time,value`, each row would be one message, and its count read by nobody."""
    for name, cell in cells:
        if _ID_NAME.fullmatch(name) or not _is_quantity(cell):
            continue
        raise TraceError(
            f"{file}: line {line}: {name[:40]!r} holds a number that nobody reads (got {str(cell)[:40]!r}), and a row"
            " is one message here; write counts as minute,count in CSV, the minutes as whole numbers (0, 1, 2), and"
            f" take {name[:40]!r} out where a row is one message"
        )


def _is_quantity(cell: object) -> bool:
    """Whether it is a number, and no moment since 1970."""
    try:
        return not isinstance(cell, bool) and float(cell) < _CALENDAR_SECONDS  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def csv_lines(file: Path, opened: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of what is not blank."""
    reader = csv.reader(opened, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise TraceError(f"{file}: line {reader.line_num}: is no CSV ({error}); look for a lost quote") from None


def _minutes(
    file: Path, rows: Iterable[tuple[int, list[str]]], random: Random
) -> Iterator[tuple[int, int, int | None]]:
    """Counts per minute: the messages of a minute are spread over it by chance. Time begins with the first of them,
    also where nothing arrived in it."""
    begin: int | None = None
    for number, row in rows:
        try:
            minute, count = (int(value) for value in row[:2])
        except ValueError:
            raise TraceError(f"{file}: line {number}: is no minute and count (got {','.join(row)!r})") from None
        if minute < 0 or count < 0:
            raise TraceError(f"{file}: line {number}: is negative (got {','.join(row)!r})")
        if count > _MOST_A_MINUTE:
            raise TraceError(f"{file}: line {number}: is more than {_MOST_A_MINUTE:,} messages (got {row[1]!r})")
        begin = minute if begin is None else begin
        start = (minute - begin) * 60 * MICROSECONDS
        for arrival in sorted(start + int(random.random() * 60 * MICROSECONDS) for _ in range(count)):
            yield number, arrival, None


def microseconds(file: Path, line: int, what: str, value: object) -> int:
    """Seconds, or for an arrival a date in ISO 8601, in microseconds. A date without a time zone is UTC: that of the
    machine would make another load of the same file."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        try:
            seconds = _date_seconds(str(value)) if what == "arrival" else math.nan
        except (ValueError, OverflowError):
            seconds = math.nan
    if not math.isfinite(seconds):
        raise TraceError(f"{file}: line {line}: the {what} is no number of seconds (got {str(value)[:40]!r})")
    if seconds < 0:
        raise TraceError(f"{file}: line {line}: the {what} is negative (got {value})")
    return round(seconds * MICROSECONDS)


def _date_seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
