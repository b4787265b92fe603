"""What `ebbtide doctor --format json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from ebbtide.doctor.diagnose import Report
from ebbtide.doctor.diagnosis import Diagnosis, Harm, Note
from ebbtide.judgement.findings import Level
from ebbtide.judgement.secrets import redact


@dataclass(frozen=True, slots=True)
class DiagnosisDocument:
    """One thing that is wrong."""

    harm: Harm
    level: Level
    """An error ends with status 1."""
    rule: str
    """The id of the rule; `ebbtide rules ID` prints it."""
    file: str
    """As it was named, or found below a directory that was."""
    line: int
    subject: str
    message: str
    remedy: str

    @classmethod
    def of(cls, one: Diagnosis) -> Self:
        """The same, without secrets."""
        return cls(
            one.level,
            one.level.level,
            one.rule,
            one.place.file,
            one.place.line,
            redact(one.subject),
            redact(one.message),
            redact(one.remedy),
        )

    @property
    def place(self) -> str:
        """`docker/Dockerfile:14`."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class NoteDocument:
    """Something that was not read, or is not judged."""

    file: str
    line: int
    text: str

    @classmethod
    def of(cls, note: Note) -> Self:
        """The same, without secrets."""
        return cls(note.place.file, note.place.line, redact(note.text))

    @property
    def place(self) -> str:
        """`k8s/mail.yaml:3`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorDocument:
    """What was read, what is wrong with it, worst first, and what nobody has judged."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    files: tuple[str, ...]
    """Those in which something was found that doctor knows."""
    seen: tuple[str, ...]
    """What runs workers, and how many."""
    findings: tuple[DiagnosisDocument, ...]
    not_judged: tuple[NoteDocument, ...]

    @classmethod
    def of(cls, report: Report) -> Self:
        """The report as it is printed."""
        return cls(
            version=1,
            files=report.files,
            seen=tuple(map(redact, report.seen)),
            findings=tuple(map(DiagnosisDocument.of, report.diagnoses)),
            not_judged=tuple(map(NoteDocument.of, report.notes)),
        )

    @property
    def summary(self) -> str:
        """`12 findings: 5 lose messages, 3 break, 4 delay`."""
        if not self.findings:
            return "Nothing is known to be wrong." if self.seen else "No worker was seen."
        counts = {harm: sum(one.harm is harm for one in self.findings) for harm in Harm}
        words = [_WORDS[harm][count == 1].format(count=count) for harm, count in counts.items() if count]
        total = len(self.findings)
        return f"{total} finding{'s' * (total != 1)}: {', '.join(words)}."


_WORDS = {
    Harm.LOSES: ("{count} lose messages", "{count} loses messages"),
    Harm.BREAKS: ("{count} break", "{count} breaks"),
    Harm.REPEATS: ("{count} repeat messages", "{count} repeats messages"),
    Harm.DELAYS: ("{count} delay", "{count} delays"),
    Harm.COSTS: ("{count} cost", "{count} costs"),
}
