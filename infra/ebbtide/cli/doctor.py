"""`ebbtide doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from ebbtide.cli.output import BAD_INPUT, RISK, fail
from ebbtide.doctor.diagnose import Report, diagnose_files
from ebbtide.doctor.diagnosis import HARMS, Harm
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.files import collect
from ebbtide.documents.annotation import Annotation, Mark
from ebbtide.documents.whole import write_whole
from ebbtide.judgement.findings import Level


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster is read as well."""

    context: str | None
    namespace: str | None


def run(
    paths: list[str],
    cluster: Cluster | None,
    *,
    format: str,  # noqa: A002
    strict: bool,
    fail_on: str | None,
    out: Path | None,
) -> None:
    """Judge the files. Exits with 1 for an error, with `strict` for a warning too; with 3 for a harm of `fail_on`."""
    document = DoctorDocument.of(_report(paths, cluster))
    if out is None and format == "text":
        from ebbtide.cli.console import make_console
        from ebbtide.doctor.text import print_report

        print_report(document, make_console())
    elif out is None:
        typer.echo(as_text(document, format).rstrip("\n"))
    else:
        try:
            write_whole(out, as_text(document, format))
        except OSError as error:
            fail(f"{out}: cannot be written: {error.strerror}; name another file with --out")
    _exit(document, strict=strict, fail_on=fail_on)


def _report(paths: list[str], cluster: Cluster | None) -> Report:
    files, notes = collect(paths)
    if cluster is not None:
        from ebbtide.doctor.cluster import collect_cluster

        running, unread = collect_cluster(cluster.context, cluster.namespace)
        files, notes = [*running, *files], [*unread, *notes]
    return diagnose_files(files, notes)


def as_text(document: DoctorDocument, format: str) -> str:  # noqa: A002
    """The report in one of its formats."""
    if format == "json":
        from ebbtide.documents.document import to_json

        return f"{to_json(document)}\n"
    if format == "sarif":
        from ebbtide.documents.sarif import to_sarif

        return f"{to_sarif('doctor', *marks_of(document))}\n"
    if format == "github":
        from ebbtide.documents.workflow_commands import to_workflow_commands

        found, not_judged = marks_of(document)
        return to_workflow_commands([*found, *not_judged])
    if format == "markdown":
        from ebbtide.doctor.markdown import report_markdown

        return report_markdown(document)
    import io

    from ebbtide.cli.console import make_console
    from ebbtide.doctor.text import print_report

    text = io.StringIO()
    print_report(document, make_console(text))
    return text.getvalue()


def marks_of(document: DoctorDocument) -> tuple[list[Annotation], list[Annotation]]:
    """What is wrong, and what is not judged, each at its line."""
    marks: dict[Level, Mark] = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
    found = [Annotation(marks[one.level], one.rule, str(one), one.file, one.line) for one in document.findings]
    notes = [Annotation("note", "notJudged", note.text, note.file, note.line) for note in document.not_judged]
    return found, notes


def _exit(document: DoctorDocument, *, strict: bool, fail_on: str | None) -> None:
    if fail_on is not None:
        # What nobody has judged may be anything.
        worst = HARMS if fail_on == "notJudged" else HARMS[: HARMS.index(Harm(fail_on)) + 1]
        if any(one.harm in worst for one in document.findings) or (fail_on == "notJudged" and document.not_judged):
            raise typer.Exit(RISK)
    elif any(one.level is Level.ERROR or strict for one in document.findings):
        raise typer.Exit(BAD_INPUT)
