"""A finding in a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ebbtide.judgement.findings import Finding, Level, format_path
from ebbtide.judgement.secrets import redact


@dataclass(frozen=True, slots=True)
class FindingDocument:
    """One sentence about one value."""

    level: Level
    rule: str
    """The id of the rule; `ebbtide rules ID` prints it."""
    source: str
    """The file that the value came from, relative to the project; empty where it is not known."""
    path: str
    """`consumers.mail.autoscaling.metrics[0]`."""
    message: str
    remedy: str
    """What to write instead."""
    accepted: str
    """The reason with which the settings accept it; empty where they do not."""

    @classmethod
    def of(cls, finding: Finding, source: str = "") -> Self:
        """The same finding; `source` where it names none itself."""
        return cls(
            finding.level,
            finding.rule,
            finding.source or source,
            redact(format_path(finding.path)),
            redact(finding.message),
            redact(finding.remedy),
            redact(finding.accepted),
        )

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        if self.accepted:
            return f"{text} (accepted: {self.accepted})"
        return f"{text}; {self.remedy}" if self.remedy else text
