"""Findings and risks as a reviewer's tool shows them: at the line of the stack file, as SARIF or for GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ebbtide.documents.annotation import Annotation, Mark
from ebbtide.judgement.findings import Finding, Level, parse_path
from ebbtide.settings.loading.positions import place_of
from ebbtide.settings.loading.project import shown, stack_file

if TYPE_CHECKING:
    from ebbtide.documents.finding import FindingDocument
    from ebbtide.preview.document import PreviewDocument

_LEVELS: dict[Level, Mark] = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_RISKS: dict[str, Mark] = {"danger": "error", "notJudged": "warning", "disruptive": "warning"}


def show(command: str, annotations: Iterable[Annotation], format: str) -> str:  # noqa: A002
    """The text in one of `output.ANNOTATIONS`."""
    if format == "sarif":
        from ebbtide.documents.sarif import to_sarif

        return f"{to_sarif(command, annotations)}\n"
    from ebbtide.documents.workflow_commands import to_workflow_commands

    return to_workflow_commands(annotations)


def of_findings(findings: Iterable[Finding | FindingDocument], root: Path) -> Iterator[Annotation]:
    """Findings on settings. One of a value that no file states stands at the nearest thing above it, or at the top."""
    for one in findings:
        path = parse_path(one.path) if isinstance(one.path, str) else one.path
        place, line = place_of(one.source, path, root) or ("", None)
        # What is no file has no place of its own: the environment, an option.
        message = f"{one.source}: {one}" if one.source and not place else str(one)
        yield Annotation(_LEVELS[one.level], one.rule, message, place, line or 1, one.accepted)


def of_preview(document: PreviewDocument, root: Path) -> Iterator[Annotation]:
    """What a preview found: the risks of a change, each at its consumer, then the findings on the settings."""
    from ebbtide.preview.document import ReviewDocument

    if isinstance(document, ReviewDocument):
        file = shown(stack_file(document.stack, root), root)
        for risk in document.risks:
            message = f"{risk.sentence}; {risk.advice}" if risk.advice else risk.sentence
            mark = _RISKS.get(risk.level, "note")
            place, line = place_of(file, ("consumers", risk.subject), root) or ("", None)
            yield Annotation(mark, risk.rule, message, place, line or 1)
    yield from of_findings(document.findings, root)
