"""A report as Markdown, for a job's summary. The text of a stranger's files is text, and nothing else."""

from __future__ import annotations

from ebbtide.doctor.document import DoctorDocument
from ebbtide.preview.markdown import COMMENT_LIMIT, fitting, prose


def report_markdown(document: DoctorDocument) -> str:
    """A table of findings, worst first, and what is not judged."""
    blocks = [f"## ebbtide doctor\n\n{prose(document.summary)}\n"]
    blocks += [f"- {prose(line)}" for line in document.seen]
    if document.findings:
        blocks.append("\n| harm | rule | where | what, and what instead |\n|---|---|---|---|")
        blocks += [f"| {one.harm} | {one.rule} | {prose(one.place)} | {prose(str(one))} |" for one in document.findings]
    if document.not_judged:
        blocks.append("\n**Not judged**\n")
        blocks += [f"- {prose(note.place)}: {prose(note.text)}" for note in document.not_judged]
    return fitting(blocks, COMMENT_LIMIT, "\n{count} more are left out.") + "\n"
