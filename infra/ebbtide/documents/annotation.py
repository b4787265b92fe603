"""What is found, at the line of a file that a reviewer's tool marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One sentence about one line."""

    mark: Mark
    rule: str
    """The id of the rule."""
    message: str
    file: str
    """Relative to where the command runs; empty where it is not known."""
    line: int = 1
    """From 1."""
    accepted: str = ""
    """The reason with which it is accepted: it is shown, and counts for nothing."""
