"""A review as GitHub-flavoured Markdown: a comment that fits, whatever the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ebbtide.preview.document import ChangedResource, RefusalDocument, ReviewDocument
from ebbtide.preview.lines import alike_changes, details_of, lines_of, named
from ebbtide.preview.markdown import COMMENT_LIMIT, code, fitting, html, label, marker, prose
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.show import SYMBOLS
from ebbtide.preview.timelines import TimelineChange

_ICONS = {
    RiskLevel.DANGER: "🛑",
    RiskLevel.NOT_JUDGED: "❔",
    RiskLevel.DISRUPTIVE: "🔁",
    RiskLevel.SCALING: "📈",
    RiskLevel.INFO: "💬",
}
_FOLDED_RISKS = 40
_HEAD_SHARE = 0.7
"""Of the comment, for what stands above the resources."""


def review_markdown(review: ReviewDocument, limit: int = COMMENT_LIMIT) -> str:
    """The comment: marker, verdict, risks, then one folded section a resource, as many as fit."""
    above = fitting(_head(review), int(limit * _HEAD_SHARE), "\n_{count} more parts do not fit into a comment._\n")
    # Whole resources are folded away, the ones with the worst risks last of all.
    details = details_of(review.risks)
    sections = fitting(
        (_section(alike, details) for alike in alike_changes(review.changes)),
        limit - len(above) - 200,
        "\n_{count} more changed resources do not fit into a comment; the job's artifact has all of them._\n",
    )
    return f"{above}{sections}\n\n" if sections else f"{above}\n"


def refusal_markdown(refusal: RefusalDocument, limit: int = COMMENT_LIMIT) -> str:
    """The comment on settings that cannot be deployed: as many of the reasons as fit."""
    head = [marker(refusal.project, refusal.stack), f"### ❌ {prose(refusal.verdict)}", ""]
    reasons = (prose(f"{found.source}: {found}" if found.source else str(found)) for found in refusal.findings)
    left_out = "\n_{count} more reasons do not fit into a comment; `ebbtide check` has them._"
    return fitting([*head, *(f"- {reason}" for reason in reasons)], limit, left_out) + "\n"


def _head(review: ReviewDocument) -> Iterator[str]:
    """Blocks of which the last may be left out."""
    icon = "❌" if review.incomplete else _ICONS[review.level] if review.level else "✅"
    yield f"{marker(review.project, review.stack)}\n### {icon} {prose(review.verdict)}\n"
    yield from (f"> {prose(note)}" for note in review.notes)
    yield f"{prose(review.counts)} · <sub>{prose(review.source)}</sub>\n"
    if review.risks:
        # Two columns: a third one leaves a telephone a dozen letters for each.
        yield "| | what happens, *what to do* |\n|---|---|"
        lines = lines_of(review.risks)
        for line in lines[:_FOLDED_RISKS]:
            advice = f"; *{prose(line.advice)}*" if line.advice else ""
            what = f"{prose(line.sentence)}{advice} <sub>{prose(line.rule)}</sub>"
            yield f"| {_ICONS[line.level]} {line.level} | {what} |"
        if len(lines) > _FOLDED_RISKS:
            yield f"| | and {len(lines) - _FOLDED_RISKS} more, none of them worse |"
        yield ""
    yield from (f"**What if**: {prose(line)}" for line in review.what_if)
    yield from (f"\n**Cost**: {prose(line)}" for line in review.cost)
    yield from (f"{_gantt(timeline)}\n" for timeline in review.timelines)


def _gantt(timeline: TimelineChange) -> str:
    """The shutdown, before and after, as a mermaid chart that GitHub draws."""
    consumer = label(timeline.consumer)
    lines = ["", "```mermaid", "gantt", f"  title How a pod of {consumer} stops (seconds since its deletion)"]
    lines += ["  dateFormat X", "  axisFormat %s"]
    for title, moments in (("before", timeline.before), ("after", timeline.after)):
        lines.append(f"  section {title}")
        budget = [moment for moment in moments if moment.kind == "budget" and moment.seconds]
        lines += [f"  {_task(moment.what)} : 0, {moment.seconds}" for moment in budget]
    return "\n".join([*lines, "```"])


def _task(text: str) -> str:
    return label(text.partition(";")[0].partition("(")[0])


def _section(alike: list[ChangedResource], details: Mapping[str, list[str]]) -> str:
    """What changes of resources that change alike, below what is said of each of them alone."""
    change = alike[0]
    titles = f"<code>{html(named(one.title for one in alike))}</code>"
    count = f"{len(alike)} alike: " if len(alike) > 1 else ""
    title = f"{SYMBOLS[change.operation]} {count}{html(change.kind)} {titles} {change.operation}"
    own = [f"- {prose(detail)}" for one in alike for detail in details.get(one.key, ())]
    lines = ["", f"<details><summary>{title}</summary>", "", *own, *([""] if own else []), "```diff"]
    for found in change.properties:
        forced = "   (cannot change in place)" if found.replaces else ""
        lines.append(f"! {code(found.path)}: {code(found.shown)}{forced}")
    lines += [f"! option {code(one.name)}: {code(one.old)} → {code(one.new)}" for one in change.options]
    if not change.properties and not change.options:
        lines.append(f"{SYMBOLS[change.operation]} {code(change.type)}")
    return "\n".join([*lines, "```", "</details>"])
