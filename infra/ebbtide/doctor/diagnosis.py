"""What doctor says: a diagnosis, and a note on what it could not read or judge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ebbtide.doctor.data import Place
from ebbtide.judgement.findings import Level


class Harm(StrEnum):
    """What becomes of messages, worst first."""

    LOSES = "loses"
    """Messages are cut off in the middle, or are gone."""
    BREAKS = "breaks"
    """The cluster refuses it or leaves it out, or nothing consumes."""
    REPEATS = "repeats"
    """One message is handled twice, also at the same time."""
    DELAYS = "delays"
    """Messages wait, or pods that should be gone stay."""
    COSTS = "costs"
    """Capacity is paid for that nothing needs."""

    @property
    def level(self) -> Level:
        """As `ebbtide check` has it: an error ends with status 1."""
        return Level.WARNING if self in (Harm.DELAYS, Harm.COSTS) else Level.ERROR


HARMS = tuple(Harm)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that is wrong, at one line."""

    place: Place
    subject: str
    """What it is about: `Deployment mail`, `program emails`."""
    message: str
    """What stands there and what comes of it."""
    remedy: str
    level: Harm = Harm.LOSES
    """Of a rule with one harm, that one."""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was not read, or is not judged, and why."""

    place: Place
    text: str
