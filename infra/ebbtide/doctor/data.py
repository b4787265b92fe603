"""Data that knows the lines that it came from: one form for YAML, JSON and the literals of PHP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")


class Unknown:
    """A value that is known only where the program runs: a variable, an expression."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Map(dict[str, Any]):
    """A mapping, and the line of each key."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: Any, line: int) -> None:
        """Set a key; of two the last one counts, as everywhere."""
        self[key] = value
        self.lines[key] = line

    def map(self, *keys: str) -> Map:
        """The mapping below these keys; an empty one where there is none."""
        found: Any = self
        for key in keys:
            found = found.get(key) if isinstance(found, Map) else None
        return found if isinstance(found, Map) else Map(self.line)

    def items_of(self, *keys: str) -> list[Map]:
        """The mappings of the list below these keys."""
        found = self.map(*keys[:-1]).get(keys[-1])
        return [entry for entry in found if isinstance(entry, Map)] if isinstance(found, Seq) else []

    def text(self, key: str) -> str:
        """A scalar as text; empty where there is none."""
        value = self.get(key)
        return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else ""

    def holds(self, wanted: Map) -> bool:
        """Whether each of these entries is in it as well, as labels are in what a selector finds."""
        return all(self.get(key) == value for key, value in wanted.items())

    def line_of(self, key: str) -> int:
        """The line of a key, or of the mapping where it is not there."""
        return self.lines.get(key, self.line)


class Seq(list[Any]):
    """A list, and the line of each entry."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, as it was named on the command line."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """A value, and where it stands."""

    value: T
    place: Place
