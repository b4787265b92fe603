"""A review as GitHub-flavoured Markdown: a comment that fits, whatever the change."""

from __future__ import annotations

import re

from ebbtide.judgement.findings import SettingsError
from ebbtide.preview.change import ResourceChange
from ebbtide.preview.review import Review, TimelineChange
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.show import SYMBOLS, show_change, show_option, show_path

# GitHub refuses a comment of more than 65,536 characters; the rest is for the marker and a line of the workflow's.
COMMENT_LIMIT = 65_536 - 1_024
_ICONS = {RiskLevel.DANGER: "🛑", RiskLevel.DISRUPTIVE: "🔁", RiskLevel.SCALING: "📈", RiskLevel.INFO: "💬"}
_FOLDED_RISKS = 40


def marker(project: str, stack: str) -> str:
    """The hidden line by which the comment of one project and stack is found again."""
    return f"<!-- ebbtide-preview {re.sub(r'[^A-Za-z0-9._-]', '', project)}/{re.sub(r'[^A-Za-z0-9._-]', '', stack)} -->"


def render_review_markdown(review: Review, limit: int = COMMENT_LIMIT) -> str:
    """The comment: marker, verdict, risks, then one folded section a resource, as many as fit."""
    head = "\n".join(_head(review))
    sections = [_section(change) for change in review.changes]
    text, left = head, 0
    for index, section in enumerate(sections):
        # Whole resources are folded away, the ones with the worst risks last of all.
        if len(text) + len(section) > limit - 200:
            left = len(sections) - index
            break
        text += section
    if left:
        text += f"\n\n_{left} more changed resources do not fit into a comment; the job's artifact has all of them._\n"
    return text + "\n"


def render_refusal_markdown(project: str, stack: str, refusal: SettingsError, limit: int = COMMENT_LIMIT) -> str:
    """The comment on settings that cannot be deployed: as many of the reasons as fit."""
    lines = [marker(project, stack), f"### ❌ Stack {_text(stack)} cannot be previewed: its settings are refused", ""]
    reasons = [f"- {_text(line)}" for line in str(refusal).splitlines()]
    room = limit - 200 - len("\n".join(lines))
    for index, reason in enumerate(reasons):
        room -= len(reason) + 1
        if room < 0:
            lines += ["", f"_{len(reasons) - index} more reasons do not fit into a comment; `ebbtide check` has them._"]
            break
        lines.append(reason)
    return "\n".join(lines) + "\n"


def _head(review: Review) -> list[str]:
    change = review.change
    icon = "❌" if change.incomplete else _ICONS[review.worst] if review.worst else "✅"
    lines = [marker(change.project, change.stack), f"### {icon} {_text(review.verdict)}", ""]
    lines += [f"> {_text(note)}" for note in change.notes]
    lines += [f"{_text(review.counts)} · <sub>{_text(change.source)}</sub>", ""]
    if review.risks:
        lines += ["| | what happens | what to do |", "|---|---|---|"]
        lines += [
            f"| {_ICONS[risk.level]} {risk.level} "
            f"| {_text(risk.sentence)} <sub>{risk.rule}</sub> | {_text(risk.advice)} |"
            for risk in review.risks[:_FOLDED_RISKS]
        ]
        if len(review.risks) > _FOLDED_RISKS:
            lines.append(f"| | and {len(review.risks) - _FOLDED_RISKS} more, none of them worse | |")
        lines.append("")
    lines += [f"**What if**: {_text(line)}" for line in review.what_if]
    for timeline in review.timelines:
        lines += [*_gantt(timeline), ""]
    return lines


def _gantt(timeline: TimelineChange) -> list[str]:
    """The shutdown, before and after, as a mermaid chart that GitHub draws."""
    lines = ["", "```mermaid", "gantt", f"  title How a pod of {timeline.consumer} stops (seconds since its deletion)"]
    lines += ["  dateFormat X", "  axisFormat %s"]
    for title, moments in (("before", timeline.before), ("after", timeline.after)):
        lines.append(f"  section {title}")
        budget = [moment for moment in moments if moment.kind == "budget" and moment.seconds]
        lines += [f"  {_gantt_text(moment.what)} : 0, {moment.seconds}" for moment in budget]
    return [*lines, "```"]


def _gantt_text(text: str) -> str:
    return re.sub(r"[:;#,]", " ", text.partition(";")[0].partition("(")[0]).strip()


def _section(change: ResourceChange) -> str:
    title = f"{SYMBOLS[change.operation]} {change.kind} <code>{_text(change.title)}</code> {change.operation}"
    lines = ["", f"<details><summary>{title}</summary>", "", "```diff"]
    for found in change.properties:
        forced = "   (cannot change in place)" if found.replaces else ""
        lines.append(f"! {_code(show_path(found.path))}: {_code(show_change(found))}{forced}")
    lines += [
        f"! option {option.name}: {_code(show_option(option.old))} → {_code(show_option(option.new))}"
        for option in change.options
    ]
    if not change.properties and not change.options:
        lines.append(f"{'+' if change.new else '-'} {change.token}")
    return "\n".join([*lines, "```", "</details>", ""])


# What stands between backticks is code to read, `kubectl get deployment`, as long as it can be nothing else.
_CODE_SPAN = re.compile(r"(`[A-Za-z0-9 ._=/-]+`)")


def _text(text: str) -> str:
    """Untrusted text in a table's cell: no markup but plain code, no mention, no line break."""
    parts = _CODE_SPAN.split(" ".join(text.split()))
    return "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _escaped(text: str) -> str:
    # `&commat;` would be a mention, after Markdown has been read.
    escaped = re.sub(r"([\\`*_\[\]|~])", r"\\\1", text.replace("&", "&amp;"))
    # A zero-width joiner keeps `@team` from notifying anybody.
    return escaped.replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u2060").replace("\\_", "_")


def _code(text: str) -> str:
    """Untrusted text in a code block: it must not end the block."""
    return " ".join(text.split()).replace("```", "`\u200b``")
