"""One consumer, on its way from a set-up to a stack file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ebbtide.doctor.unit import Unit, Worker
from ebbtide.scaffold.answers import Consumer

NAMESPACE: Final = "consumers"
"""Where a stack's consumers are, unless it says otherwise."""


@dataclass
class Carried:
    """One consumer, and what became of what."""

    name: str
    unit: Unit
    worker: Worker
    settings: Consumer
    left: list[str] = field(default_factory=list)
    """What could not be carried, by name, and what to do about it."""
    is_schedule: bool = False
    """It sends by the clock, so that there may never be two of it."""
