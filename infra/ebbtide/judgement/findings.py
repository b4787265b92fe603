"""What a rule says about settings, and the one exception for settings that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ebbtide.judgement.secrets import redact


class Level(StrEnum):
    """How much a finding matters. Only `ERROR` stops a deployment."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


Path = tuple[str | int, ...]


def format_path(path: Sequence[str | int]) -> str:
    """`("consumers", "a", "metrics", 0)` -> `consumers.a.metrics[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # A key may hold a line break, and a message is one line.
            name = part if part.isprintable() else repr(part)
            text += f".{name}" if text else name
    return text


def parse_path(text: str) -> Path:
    """The inverse: `metrics[0].kind` -> `("metrics", 0, "kind")`."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(int(index) if index else name for index, name in parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one value: where, what is wrong (with what was got), why, and what to write instead."""

    path: Path
    message: str
    remedy: str = ""
    level: Level = Level.ERROR
    rule: str = "schema"
    """The stable id of the rule, `V-24`; `schema` for what the model's types already refuse."""
    source: str = ""
    """The file that the value came from, relative to the project."""
    accepted: str = ""
    """The reason with which the settings accept it; empty where they do not. Never of an error."""

    def below(self, prefix: Path) -> Finding:
        """The same finding, seen from a parent of the model it was found in."""
        return replace(self, path=prefix + self.path)

    def __str__(self) -> str:
        # Whatever was got may be a secret that somebody pasted, a key as well. Part by part: of many consumers they are
        # mostly the same, and are remembered.
        message, place = redact(self.message), redact(format_path(self.path))
        sentence = f"{place}: {message}" if place else message
        if self.accepted:
            return f"{sentence} (accepted: {redact(self.accepted)})"
        return f"{sentence}; {redact(self.remedy)}" if self.remedy else sentence


@dataclass
class SettingsError(ValueError):
    """Settings that cannot be deployed, with every reason at once. Commands print it and exit with 1."""

    findings: list[Finding] = field(default_factory=list)
    where: str = ""
    """The file or stack that was read, for the heading of the message."""

    def __post_init__(self) -> None:
        super().__init__(str(self))

    def __str__(self) -> str:
        sources = [finding.source or self.where for finding in self.findings]
        return "\n".join(
            f"{source}: {finding}" if source else str(finding)
            for source, finding in zip(sources, self.findings, strict=True)
        )


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Only the findings that stop a deployment."""
    return [finding for finding in findings if finding.level is Level.ERROR]


def refused(rule: str, message: str, remedy: str = "", path: Path = (), file: str = "") -> SettingsError:
    """Input that cannot be used for one reason. `rule` is an id of judgement/inputs."""
    return SettingsError([Finding(path, message, remedy, rule=rule)], file)
