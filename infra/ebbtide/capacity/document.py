"""What `ebbtide simulate --format json` prints, with and without `--sweep`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, make_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_type_hints

from ebbtide.capacity.from_settings import Assumption
from ebbtide.capacity.summary import Range, Summary


@dataclass(frozen=True, slots=True)
class CountRange:
    """Something that is counted, over several seeds."""

    low: int
    middle: int
    high: int


_COUNTS = {name for name, kind in get_type_hints(Summary).items() if kind is int}
if TYPE_CHECKING:
    FigureRanges: TypeAlias = Any
else:
    # A range of each figure of a summary: whoever adds one to the summary has it here.
    FigureRanges = make_dataclass(
        "FigureRanges",
        [(field.name, CountRange if field.name in _COUNTS else Range) for field in fields(Summary)],
        namespace={"__doc__": "Each figure of a run, over all seeds."},
        frozen=True,
        slots=True,
    )
    FigureRanges.__module__ = __name__


@dataclass(frozen=True, slots=True)
class CaseDocument:
    """The settings as they are, at a commit, or with a change."""

    case: str
    figures: FigureRanges

    @classmethod
    def of(cls, case: str, figures: Mapping[str, Range]) -> CaseDocument:
        """The figures of a case, by the names of a summary."""
        ranges = {name: _counted(figure) if name in _COUNTS else figure for name, figure in figures.items()}
        return cls(case, FigureRanges(**ranges))


def _counted(figure: Range) -> CountRange:
    return CountRange(int(figure.low), int(figure.middle), int(figure.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationDocument:
    """One load, in one case or before and after a change. Waits are from a message's arrival to its start."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    kind: Literal["simulation"]
    stack: str
    consumer: str
    load: str
    """The name of its file."""
    seeds: int
    cases: tuple[CaseDocument, ...]
    why: tuple[str, ...]
    """What the autoscaler saw and decided in the minute of `--why`."""
    assumptions: tuple[Assumption, ...]
    not_modelled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TriedDocument:
    """One value of a sweep, and the figures of its worst seed."""

    value: int
    figures: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDocument:
    """Many values of one setting."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    kind: Literal["sweep"]
    stack: str
    consumer: str
    load: str
    """The name of its file."""
    seeds: int
    sweep: str
    """The setting."""
    goal: str | None
    tried: tuple[TriedDocument, ...]
    chosen: int | None
    """The cheapest value that meets the goal; null where none does."""
    verdict: str
    interrupted: bool
    """Whether Ctrl-C ended it before every value was tried."""
    assumptions: tuple[Assumption, ...]
    not_modelled: tuple[str, ...]


SimulateDocument: TypeAlias = SimulationDocument | SweepDocument
"""Told apart by `kind`."""


@dataclass(frozen=True, slots=True)
class SettingDocument:
    """One setting that was tried, and the figures of its worst seed."""

    family: str
    """`fixed`, `hpa on CPU` or `keda`."""
    autoscaling: Mapping[str, Any]
    """As it is written in a stack file."""
    figures: Summary
    meets: bool
    """Whether every seed meets every goal."""


@dataclass(frozen=True, slots=True)
class FamilyDocument:
    """One way to scale."""

    family: str
    best: SettingDocument | None
    """Its cheapest that meets every goal, or the one that comes nearest; null where none was tried."""
    impossible: str | None
    """Why the settings or the load do not allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceDocument:
    """What `ebbtide advise --format json` prints."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    stack: str
    consumer: str
    load: str
    """The name of its file."""
    seeds: int
    goals: tuple[str, ...]
    families: tuple[FamilyDocument, ...]
    tried: tuple[SettingDocument, ...]
    chosen: SettingDocument | None
    """The cheapest that meets every goal; null where none does."""
    fragment: str | None
    """The same as a piece of a stack file."""
    verdict: str
    """The choice and what binds, or why there is none."""
    assumptions: tuple[Assumption, ...]
    not_modelled: tuple[str, ...]
