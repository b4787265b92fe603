"""What a report shows, as plain data: the page and the picture are two ways to draw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["line", "step", "area", "bar"]


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time."""

    name: str
    points: list[tuple[float, float]]
    """(seconds since the beginning, value), by time. A `step` holds its value until the next point."""
    kind: Kind = "line"
    notes: list[str] = field(default_factory=list)
    """A sentence for each point, shown where the reader points at; or none."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Quantities of one unit on one time axis."""

    title: str
    explanation: str
    """What to look for, in a sentence."""
    unit: str
    series: list[Series]
    marks: list[tuple[float, str]] = field(default_factory=list)
    """(seconds since the beginning, what happened), by time: a thin line with its words, in a few characters."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing, and two quantities of one unit: the inner one explains the outer one."""

    name: str
    outer: float
    inner: float


@dataclass(frozen=True, slots=True)
class Bars:
    """A row for each thing, one below the other, on one scale. On the page only."""

    title: str
    explanation: str
    """What to look for, in a sentence."""
    unit: str
    outer: str
    inner: str
    limit: tuple[str, float]
    """What the outer one may be at most: its name and value."""
    rows: list[Bar]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first column names the row."""

    title: str
    headings: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """One page, readable on its own."""

    title: str
    lead: str
    """The result in a sentence."""
    tables: list[Table]
    charts: list[Chart]
    bars: list[Bars] = field(default_factory=list)
    """Below the charts."""
    notes: list[Table] = field(default_factory=list)
    """What the result stands on; at the end."""


def thin_out(points: list[tuple[float, float]], most: int = 1500) -> list[tuple[float, float]]:
    """At most about `most` points: of each stretch the lowest and the highest stay, so that no peak is lost."""
    if len(points) <= most:
        return points
    size = -(-2 * len(points) // most)
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept
